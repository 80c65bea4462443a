"""A mail is given up only where the mailbox refuses: what refuses us instead is told apart, and the setting is named."""
import pytest

from tools.mail_client import send
from tools.mail_servers import ScriptedServer

MAILBOX = ["550 5.1.1 <user@example.com>: Recipient address rejected: User unknown in local recipient table", "550 5.1.2 no such domain",
           "501 5.1.3 bad address syntax", "556 5.1.10 null MX", "552 5.2.2 mailbox full", "550 5.2.1 disabled"]
BARE_MAILBOX = ["550 No such user here", "556 domain takes no mail", "553 mailbox name not allowed",
                "550 sorry, no mailbox here by that name. (#5.1.1)"]
OURS = {
    "504 5.5.2 <c0ffee>: Helo command rejected: need fully-qualified hostname": "smtp_helo",
    "553 5.7.1 <bye@farewell.example>: Sender address rejected: not owned by user me": "mail_from",
    "550 5.1.8 <bye@farewell.example>: Sender address rejected: Domain not found": "mail_from",
    "550 5.1.0 <bye@farewell.example>: Sender address rejected: User unknown": "mail_from",
    "554 5.7.1 <user@example.com>: Relay access denied": "smtp_user",
    "550 5.7.1 Authentication required": "smtp_user",
    "530 5.7.0 Authentication required": "smtp_user",
    "554 Relay access denied": "smtp_url",
    "550 relay not permitted": "smtp_url",
    "550-Verification failed for <bye@farewell.example>\r\n550-No Such User Here\r\n550 Sender verify failed": "mail_from",
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)": "smtp_url",
    "550-5.1.1 no such user\r\n550 5.7.1 or so": "smtp_url",
}


@pytest.mark.parametrize("reply", MAILBOX + BARE_MAILBOX)
def test_a_mailbox_that_refuses(server, reply):
    server.control(rcpt={"user@example.com": reply})
    outcome = send(server)
    assert outcome.result == "rejected" and reply[:3] in outcome.why and "(see" not in outcome.why, outcome


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "message"])
@pytest.mark.parametrize("reply, setting", OURS.items())
def test_a_server_that_refuses_us(reply, setting, stage):
    with ScriptedServer(**{stage: reply}) as plain:
        outcome = send(plain)
    assert outcome.result == "operator" and reply[:3] in outcome.why and setting in outcome.why, outcome


@pytest.mark.parametrize("stage", ["DATA", "message"])
def test_after_the_recipient_only_a_status_is_about_the_mailbox(stage):
    for reply, result in {"550 5.2.1 disabled": "rejected", "550 No such user here": "operator", "554 spam": "operator",
                          "554 5.6.0 content": "operator", "552 too much": "operator", "552 5.2.2 full": "rejected"}.items():
        with ScriptedServer(**{stage: reply}) as plain:
            assert send(plain).result == result, reply


@pytest.mark.parametrize("reply", MAILBOX + list(OURS))
def test_before_the_recipient_it_is_always_the_server(reply):
    with ScriptedServer(MAIL=reply) as plain:
        assert send(plain).result == "server"
