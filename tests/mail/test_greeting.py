"""What the mail server is told first: a name that it takes, and a log-in by a mechanism that works."""
import pytest

from tools.mail_client import Outcome, check, run, send
from tools.mail_servers import ScriptedServer

QUALIFIED = "504 5.5.2 Helo command rejected: need fully-qualified hostname"


def greeted(plain):
    return plain.commands[0]


@pytest.mark.parametrize("host, name", [("app1.example.com", "app1.example.com"), ("c0ffee123456", "[127.0.0.1]"), ("localhost", "[127.0.0.1]"),
                                        ("10.0.0.1", "[127.0.0.1]")])
def test_the_hosts_name_or_its_address(server, host, name):
    with ScriptedServer() as plain:
        assert send(plain, host=host).result == "accepted"
        assert greeted(plain) == f"EHLO {name}" and plain.commands.count(f"EHLO {name}") == 1
        assert send(plain, host=host, connect_timeout_ms=50_000).result == "accepted"
    server.control(helo=QUALIFIED)
    assert send(server, host=host).result == "accepted"


def test_the_name_can_be_set(server):
    for name in ("mail.example.com", "[192.0.2.7]", "[IPv6:2001:db8::7]", "app1"):
        with ScriptedServer() as plain:
            assert send(plain, helo=name, host="c0ffee123456").result == "accepted"
            assert greeted(plain) == f"EHLO {name}"
    server.control(helo=QUALIFIED)
    outcome = send(server, helo="c0ffee123456")
    assert outcome.result == "operator" and "504" in outcome.why and "smtp_helo" in outcome.why, outcome


@pytest.mark.parametrize("name", ["a b", "a\r\nMAIL FROM:<x@y>", "192.0.2.7", "[192.0.2]", "a/b", "-", "bücher.example"])
def test_a_name_that_is_none(name):
    outcome = Outcome(run(helo=name))
    assert outcome.result == "unusable" and "smtp_helo" in outcome.why, outcome


def test_the_mechanism_can_be_set(server):
    server.control(auth=["me", "secret"], cram_md5=True)
    login = {"user": "me", "password": "secret"}
    outcome = send(server, **login)
    assert outcome.result == "server" and "535" in outcome.why and "smtp_auth" in outcome.why, outcome
    for mechanism in ("PLAIN", "LOGIN"):
        assert send(server, **login, mechanism=mechanism).result == "accepted"
        assert check(server, **login, mechanism=mechanism).result == "good"
    assert send(server, **login, mechanism="CRAM-MD5").result == "server"
    outcome = send(server, **login, mechanism="DIGEST-MD5")
    assert outcome.result == "server" and "smtp_auth" in outcome.why, outcome
    assert len(server.mails()) == 2
