"""farewell-workerd -t begins a mail and takes it back: a refused HELO, sender or relaying is found before the first deletion."""
EX_CONFIG = 78


def test_what_refuses_us_is_named(fw, more_worker):
    smtp = fw.stack.smtp
    cases = [
        ({"helo": "504 5.5.2 Helo command rejected: need fully-qualified hostname"}, {"smtp_helo": "c0ffee"}, ("504 to RCPT TO", "smtp_helo")),
        ({"mail": "553 5.7.1 Sender address rejected"}, {}, ("553 to MAIL FROM", "mail_from")),
        ({"rcpt": {"*": "553 5.7.1 Sender address rejected: not owned by user me"}}, {}, ("553 to RCPT TO", "mail_from")),
        ({"rcpt": {"*": "554 5.7.1 Relay access denied"}}, {}, ("554 to RCPT TO", "smtp_user")),
        ({}, {"smtp_helo": "not a name"}, ("smtp_helo",)),
    ]
    for control, settings, words in cases:
        smtp.control(**control)
        code, output = more_worker({"worker": settings}, start=False).check()
        assert code == EX_CONFIG and not [w for w in words if w not in output], (control, output)
    smtp.control(rcpt={"no-reply@farewell.test": "550 5.1.1 a no-reply address need not exist"})
    code, output = more_worker({}, start=False).check()
    assert code == 0, output
    assert fw.mails("no-reply@farewell.test") == [] and fw.mails("postmaster@farewell.test") == []


def test_the_mechanism_is_a_setting(fw, more_worker):
    fw.stack.smtp.control(auth=["me", "secret"], cram_md5=True)
    login = {"smtp_user": "me", "smtp_password_file": fw.stack.secret_file("smtp", "secret")}
    for mechanism, wanted in {"auto": EX_CONFIG, "cram-md5": EX_CONFIG, "plain": 0, "login": 0}.items():
        code, output = more_worker({"worker": {**login, "smtp_auth": mechanism}}, start=False).check()
        assert code == wanted, (mechanism, output)
        assert wanted == 0 or "smtp_auth" in output
