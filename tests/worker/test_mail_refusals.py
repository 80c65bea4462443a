"""Only a mailbox that refuses ends in `refused`; what refuses us is tried again, says which setting it is about, and is sent in the end."""
from tools.jobs import ask, completed, quiet

OURS = {
    "504 5.5.2 <c0ffee>: Helo command rejected: need fully-qualified hostname": "smtp_helo",
    "553 5.7.1 Sender address rejected: not owned by user me": "mail_from",
    "554 5.7.1 Relay access denied": "smtp_user",
    "554 Relay access denied": "smtp_url",
    "550 5.7.1 Authentication required": "smtp_user",
    "550 relay not permitted": "smtp_url",
    "530 5.7.0 Authentication required": "smtp_user",
}
MAILBOX = ["550 5.1.1 no such mailbox", "552 5.2.2 mailbox full", "550 No such user here"]


def test_what_refuses_us_is_tried_again(fw):
    ours = [(fw.make_user(files=1), reply) for reply in OURS]
    gone = [(fw.make_user(files=1), reply) for reply in MAILBOX]
    fw.stack.smtp.control(rcpt={user.email: reply for user, reply in ours + gone})
    for user, _ in ours + gone:
        ask(fw, user)
    for user, reply in gone:
        assert reply[:3] in completed(fw, user, mail="refused", files=1)["last_error"]
    for user, reply in ours:
        row = fw.wait_status(user, "retrying")
        assert row["mail"] in ("pending", "sending") and row["attempts"] >= 1, row   # the next attempt may be under way
        assert reply[:3] in row["last_error"] and OURS[reply] in row["last_error"] and user.email not in row["last_error"], row
    fw.stack.smtp.control()
    for user, _ in ours:
        completed(fw, user, files=1)
        assert len(fw.mails(user)) == 1
    quiet(fw)


def test_a_server_that_has_no_sender_of_ours(fw):
    user = fw.make_user(files=1)
    fw.stack.smtp.control(mail="550 5.1.1 no such user")
    ask(fw, user)
    fw.wait_until(lambda: fw.objects_of(user) == [] and [line for line in fw.stack.worker.log_text().splitlines() if "550 to MAIL FROM" in line],
                  what="a refused sender in the log")
    fw.stack.smtp.control()
    completed(fw, user, files=1)
    quiet(fw)
