"""mail_check, for -t: it logs in and begins a mail to the sender himself, so that what refuses us is found; it never sends one."""
import pytest

from tools.mail_client import check
from tools.mail_servers import ScriptedServer


def verbs(plain):
    return [command.split(" ")[0] for command in plain.commands]


def test_it_begins_a_mail_and_takes_it_back():
    with ScriptedServer() as plain:
        assert check(plain).result == "good"
        assert [c for c in plain.commands if not c.startswith("EHLO")] == ["MAIL FROM:<bye@farewell.example>", "RCPT TO:<bye@farewell.example>",
                                                                          "RSET", "QUIT"]
    with ScriptedServer() as plain:
        assert check(plain, **{"from": "a%2b%25c+d@farewell.example"}).result == "good"
        assert "MAIL FROM:<a%2b%25c+d@farewell.example>" in plain.commands


def test_the_real_server_gets_no_mail(server, certificate):
    server.control(auth=["me", "secret"])
    tls = {"starttls": "required", "ca_file": certificate[0]}
    assert check(server, **tls, user="me", password="secret").result == "good"
    outcome = check(server, **tls, user="me", password="wrong")
    assert outcome.result == "bad" and "smtp_password_file" in outcome.why, outcome
    assert check(server, **tls).result == "bad"
    assert check(server, starttls="required").result == "bad"
    assert check("smtp://127.0.0.1:1").result == "bad"
    assert server.mails() == []


@pytest.mark.parametrize("control, options, words", [
    ({"helo": "504 5.5.2 need fully-qualified hostname"}, {"helo": "c0ffee"}, ("504", "smtp_helo")),
    ({"mail": "553 5.7.1 Sender address rejected"}, {}, ("553", "MAIL FROM", "mail_from")),
    ({"rcpt": {"*": "553 5.7.1 Sender address rejected: not owned by user me"}}, {}, ("553", "RCPT TO", "mail_from")),
    ({"rcpt": {"*": "554 5.7.1 Relay access denied"}}, {}, ("554", "smtp_url", "smtp_user")),
    ({"rcpt": {"*": "550 relay not permitted"}}, {}, ("550", "smtp_url")),
    ({"rcpt": {"*": "450 4.7.1 Helo command rejected: Host not found"}}, {}, ("450", "smtp_helo"))])
def test_who_refuses_us_is_found(server, control, options, words):
    server.control(**control)
    outcome = check(server, **options)
    assert outcome.result == "bad" and not [w for w in words if w not in outcome.why], outcome


def test_a_no_reply_address_need_not_exist(server):
    server.control(rcpt={"bye@farewell.example": "550 5.1.1 no such user"})
    assert check(server).result == "good"
    server.control(rcpt={"bye@farewell.example": "550 5.1.1 no such user", "postmaster@farewell.example": "554 5.7.1 Relay access denied"})
    outcome = check(server)
    assert outcome.result == "bad" and "554" in outcome.why, outcome
    server.control(rcpt={"*": "550 5.1.1 no such user"})
    assert check(server).result == "good"


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT"])
@pytest.mark.parametrize("how", ["hang", "drop"])
def test_no_answer_is_not_good(stage, how):
    with ScriptedServer(**{stage: how}) as plain:
        assert check(plain, timeout_ms=1500).result == "bad"


def test_taking_it_back_is_not_waited_for_for_ever():
    for step in ("RSET", "QUIT"):
        with ScriptedServer(**{step: "hang"}) as plain:
            outcome = check(plain, timeout_ms=2000)
            assert outcome.result == "good" and "DATA" not in verbs(plain), outcome
