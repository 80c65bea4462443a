"""The mail: in the user's language, once, and what a mail server's refusals and silences lead to."""
import pytest

from tools.jobs import ask, completed, quiet, together

SUBJECTS = {"ko": "계정이 삭제되었습니다", "ko_KR.UTF-8": "계정이 삭제되었습니다", "de-AT": "Ihr Konto wurde gelöscht",
            "en": "Your account has been deleted", "tlh": "Your account has been deleted", None: "Your account has been deleted",
            "../../etc": "Your account has been deleted", "": "Your account has been deleted"}


def test_in_the_users_language(fw):
    users = {locale: fw.make_user(files=1, locale=locale, name="김민지 <b>\r\nBcc: x@example.test") for locale in SUBJECTS}
    for user in users.values():
        ask(fw, user)
    for locale, user in users.items():
        completed(fw, user)
        mail, = fw.mails(user)
        assert mail["Subject"] == SUBJECTS[locale], locale
        assert mail["Bcc"] is None and mail["Delivered-To"] == user.email
        assert "김민지 <b>" in mail.get_body(("plain",)).get_content()
        assert "<b>" not in mail.get_body(("html",)).get_content().replace("&lt;b&gt;", "") or "&lt;b&gt;" in mail.get_body(("html",)).get_content()
    assert fw.mails("x@example.test") == []


def test_refusals(fw):
    never, later, nobody, empty, crooked = (fw.make_user(files=1, email=e) for e in (..., ..., None, "", "not an address"))
    fw.stack.smtp.control(rcpt={never.email: "550 5.1.1 no such mailbox", later.email: "451 4.3.0 greylisted"})
    for user in (never, later, nobody, empty, crooked):
        fw.delete(user)

    def mailbox_that_refuses_for_good():
        row = completed(fw, never, mail="refused", files=1)
        assert "550" in row["last_error"] and never.email not in row["last_error"]
        assert fw.get(never).json()["mail"] == "refused"

    def mailbox_that_refuses_for_now():
        fw.wait_until(lambda: fw.status(later) == "retrying" and fw.ledger(later)[0]["attempts"] >= 2, what="two attempts")
        row, = fw.ledger(later)
        assert row["mail"] == "pending" and "451" in row["last_error"] and fw.objects_of(later) == []
        fw.stack.smtp.control()
        row = completed(fw, later, files=1)
        assert row["attempts"] >= 2

    def no_address():
        assert fw.wait_status(nobody)["mail"] == "none"
        assert fw.wait_status(empty)["mail"] == "none"

    def address_that_is_none():
        completed(fw, crooked, mail="refused", files=1)

    together(mailbox_that_refuses_for_good, mailbox_that_refuses_for_now, no_address, address_that_is_none)
    quiet(fw)


@pytest.mark.own_worker
def test_server_away_and_back(fw, wires):
    wires.worker()
    wires.smtp.refuse()
    user = fw.make_user()
    fw.delete(user)
    row = fw.wait_status(user, "retrying")
    assert row["mail"] == "pending" and row["files_deleted"] == 3 and fw.objects_of(user) == []
    wires.smtp.accept()
    row = completed(fw, user, files=3)
    assert row["attempts"] == 0, "nobody is charged for a server"
    quiet(fw)


@pytest.mark.own_worker
@pytest.mark.parametrize("when_unknown", ["resend", "hold"])
def test_no_answer_after_the_mail(fw, when_unknown):
    fw.stack.worker.configure({"worker": {"when_unknown": when_unknown, "smtp_answer_timeout": "3s"}})
    lost = fw.make_user(files=1)
    fw.stack.smtp.control(data="hang")
    ask(fw, lost)
    if when_unknown == "hold":
        row = completed(fw, lost, mail="unknown", files=1)
        assert row["last_error"]
    else:
        row = fw.wait_until(lambda: (r := fw.ledger(lost)) and r[0]["status"] == "retrying" and r[0], what="a retry")
        assert row["mail"] == "sending"
        fw.stack.smtp.control()
        completed(fw, lost, files=1)

    stored = fw.make_user(files=1)
    fw.stack.smtp.control(data="drop-stored")
    ask(fw, stored)
    if when_unknown == "hold":
        row = fw.wait_status(stored)
        assert row["mail"] == "unknown" and len(fw.mails(stored)) == 1
    else:
        fw.wait_status(stored, "retrying")
        fw.stack.smtp.control()
        row = fw.wait_status(stored)
        first, second = fw.mails(stored)
        assert row["mail"] == "sent" and first["Message-ID"] == second["Message-ID"]

    answered = fw.make_user(files=1)
    fw.stack.smtp.control(data="drop-replied")
    ask(fw, answered)
    completed(fw, answered, files=1)
    fw.stack.smtp.control()
    quiet(fw)
