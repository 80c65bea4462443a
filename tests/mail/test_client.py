"""Farewell's mailer against real conversations: what arrives, and what it makes of refusals, silence and broken connections."""
import email.header
import re
import shutil
import socket

import pytest

from tools.mail_client import DELETION, TEMPLATES, Outcome, run, send
from tools.mail_servers import ScriptedServer

FAR_AWAY = 3_600_000      # ms; who waits for that is noticed: the tool may take five minutes


def text_of(mail):
    return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


# ---- what arrives ----

def test_a_letter_arrives_whole(server):
    outcome = send(server, name="Ann Other", to="ann@example.com", files=7)
    assert outcome.result == "accepted", outcome
    raw, mail = next(server.raw_mails()), server.mails()[0]
    assert mail["Subject"] == "Your account has been deleted"
    assert str(mail["To"]) == "Ann Other <ann@example.com>" and str(mail["From"]) == "Farewell <bye@farewell.example>"
    assert mail["Message-ID"] == f"<{DELETION}@farewell.example>"
    assert mail["Auto-Submitted"] == "auto-generated" and mail["MIME-Version"] == "1.0"
    assert abs((mail["Date"].datetime.now(mail["Date"].datetime.tzinfo) - mail["Date"].datetime).total_seconds()) < 600
    assert mail["Return-Path"] == "<bye@farewell.example>" and mail["Delivered-To"] == "ann@example.com"
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    text, html = (part.get_content() for part in mail.iter_parts())
    for body in (text, html):
        for word in ("Ann Other", "42", DELETION, "2026-11-22T15:39:07Z", "7"):
            assert word in body
        assert "{{" not in body
    assert not mail.defects and not [p for p in mail.iter_parts() if p.defects]
    assert all(len(line) <= 78 for line in raw.split(b"\r\n")) and raw.isascii()


@pytest.mark.parametrize("locale, subject", [("ko-KR", "계정이 삭제되었습니다"), ("de_AT.UTF-8", "Ihr Konto wurde gelöscht"),
                                             ("xx", "Your account has been deleted"), ("../../etc", "Your account has been deleted")])
@pytest.mark.parametrize("name", ["김민수", "Jürgen Groß-Öttinger", "Zoë 🙂🙃", 'Other, "Al" Ann <x@y.example>',
                                  "아주 긴 이름을 가진 사람이라서 한 낱말에 다 들어가지 않습니다 그래도 온전히 도착해야 합니다"])
def test_any_script_survives(server, locale, subject, name):
    assert send(server, name=name, locale=locale).result == "accepted"
    mail, raw = server.mails()[0], next(server.raw_mails())
    assert mail["Subject"] == subject
    # Not mail["To"].addresses: Python 3.11 puts a blank between the encoded-words of a name, against RFC 2047.
    phrase, _, address = re.sub(r"\r\n ", " ", re.search(rb"^To: (.*?\r\n)(?! )", raw, re.M | re.S)[1].decode().rstrip()).rpartition(" ")
    shown = str(email.header.make_header(email.header.decode_header(phrase)))
    assert (shown if "=?" in phrase else mail["To"].addresses[0].display_name, address) == (name, "<user@example.com>")
    assert name in mail.get_body(("plain",)).get_content()
    assert raw.isascii()


def test_lines_of_dots_survive(server, tmp_path):
    shutil.copytree(TEMPLATES, tmp_path / "mail")
    text = ".\n..\n.x {{name}}\n\n.\nend\n.\n"
    (tmp_path / "mail" / "en" / "deleted.txt").write_text(text)
    (tmp_path / "mail" / "en" / "deleted.html").unlink()
    assert send(server, templates=tmp_path / "mail", name="y").result == "accepted"
    mail = server.mails()[0]
    assert mail.get_content_type() == "text/plain"
    assert text_of(mail) == text.replace("{{name}}", "y")


def test_html_values_are_escaped(server):
    assert send(server, name="<script>alert('x')</script> & co").result == "accepted"
    html = server.mails()[0].get_body(("html",)).get_content()
    assert "<script>" not in html and "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; co" in html


def test_addresses_outside_ascii(server):
    assert send(server, to="김@example.com").result == "accepted"
    assert send(server, to="a@bücher.example").result == "accepted"
    mails = {mail["Delivered-To"] for mail in server.mails()}
    assert mails == {"김@example.com", "a@xn--bcher-kva.example"}
    with ScriptedServer() as plain:
        outcome = send(plain, to="김@example.com")
        assert outcome.result == "rejected" and "SMTPUTF8" in outcome.why
        assert not [c for c in plain.commands if c.startswith("MAIL")]
        assert send(plain, to="a@bücher.example").result == "accepted"
        assert plain.message.isascii() and "RCPT TO:<a@xn--bcher-kva.example>" in plain.commands


# ---- injection ----

@pytest.mark.parametrize("evil", ["Eve\r\nBcc: victim@example.com", "Eve\nBcc: victim@example.com", "Eve\r\n\r\n<body>", "Eve\r\n.\r\nMAIL FROM:<x@y>"])
def test_no_value_can_begin_a_header(server, evil):
    assert send(server, name=evil, user_id=evil, requested_at=evil, locale=evil).result == "accepted"
    (mail,) = server.mails()
    assert set(mail.keys()) == {"Return-Path", "Delivered-To", "Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted",
                                "MIME-Version", "Content-Type"}
    assert mail["Delivered-To"] == "user@example.com"
    assert len(mail["To"].addresses) == 1


@pytest.mark.parametrize("to", ["", "user", "a@b\r\nRCPT TO:<x@y.example>", "a@b>\r\nDATA", "a@b> SIZE=1", "a@b, c@d.example", "a\t@b", "<a@b>"])
def test_what_is_no_address_is_rejected_before_any_connection(to):
    with ScriptedServer() as plain:
        outcome = send(plain, to=to)
        assert outcome.result == "rejected" and "not a mail address" in outcome.why
        assert plain.commands == []


@pytest.mark.parametrize("setting, value, names", [
    ("from", "bye", "mail_from"), ("from", "A\r\nBcc: x@y <a@b.example>", "mail_from"), ("from", "ä@b.example", "mail_from"),
    ("templates", "/nowhere", "mail_templates: /nowhere"), ("default_locale", "../en", "mail_templates"), ("default_locale", "fr", "mail_templates")])
def test_wrong_settings_are_named(setting, value, names):
    outcome = Outcome(run(**{setting: value}))
    assert outcome.result == "unusable" and names in outcome.why


# ---- what the server says ----

STAGES = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "message"]
BEFORE_RCPT = ["greeting", "EHLO", "MAIL"]


@pytest.mark.parametrize("stage", STAGES)
def test_4xx_is_never_final(stage):
    with ScriptedServer(**{stage: "451 4.3.0 later, user@example.com"}) as plain:
        outcome = send(plain)
        if stage == "EHLO":  # then curl says HELO
            assert outcome.result == "accepted" and "HELO" in " ".join(plain.commands)
            return
        assert outcome.result == ("server" if stage in BEFORE_RCPT else "temporary"), outcome
        assert "451 to" in outcome.why and "4.3.0 later, ***" in outcome.why


@pytest.mark.parametrize("stage", STAGES)
def test_5xx_rejects_only_from_the_recipient_on(stage):
    with ScriptedServer(**{stage: "550-5.1.1 no <user@example.com>\r\n550 here"}) as plain:
        outcome = send(plain)
        if stage == "EHLO":  # then curl says HELO
            assert outcome.result == "accepted" and "HELO" in " ".join(plain.commands)
            return
        assert outcome.result == ("server" if stage in BEFORE_RCPT else "rejected"), outcome
        assert "550" in outcome.why and "5.1.1 no <***> here" in outcome.why


def test_the_real_servers_refusals(server):
    server.control(greeting="421 4.3.2 busy")
    assert send(server).result == "server"
    server.control(mail="451 4.3.0 later")
    assert send(server).result == "server"
    server.control(rcpt={"user@example.com": "550 5.1.1 no such user"})
    assert send(server).result == "rejected"
    server.control(rcpt={"user@example.com": "450 4.2.0 later"})
    assert send(server).result == "temporary"
    server.control(data="452 4.3.1 full")
    assert send(server).result == "temporary"
    server.control(data="554 5.6.0 no")
    assert send(server).result == "operator"
    assert server.mails() == []


# ---- broken connections ----

def without_answer(stage):
    return "no-answer" if stage == "message" else "server" if stage in BEFORE_RCPT else "temporary"



def test_no_server():
    outcome = send("smtp://127.0.0.1:1")
    assert outcome.result == "server" and "connect" in outcome.why.lower()


def test_a_server_that_does_not_take_the_connection():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:  # its queue is full: further connections get no answer at all
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        outcome = send("smtp://127.0.0.1:%d" % full.getsockname()[1], connect_timeout_ms=500, timeout_ms=FAR_AWAY)
        for s in waiting:
            s.close()
    assert outcome.result == "server" and "no connection" in outcome.why, outcome


@pytest.mark.parametrize("how", ["drop", "reset"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_connection_lost_before_the_end_is_not_sent_and_after_it_unknown(stage, how):
    with ScriptedServer(**{stage: how}) as plain:
        outcome = send(plain, timeout_ms=FAR_AWAY)
        assert outcome.result == without_answer(stage), outcome


def test_an_answer_counts_however_the_connection_ends(server):
    server.control(data="drop-replied")
    assert send(server).result == "accepted"
    server.control(data="drop-stored")
    assert send(server).result == "no-answer"
    server.control(data="drop-lost")
    assert send(server).result == "no-answer"
    for how in ("drop", "reset"):
        with ScriptedServer(QUIT=how) as plain:
            assert send(plain).result == "accepted"


# ---- silence ----

@pytest.mark.parametrize("stage", STAGES)
def test_silence_ends_at_the_deadline_and_the_pump_goes_on(stage):
    with ScriptedServer(**{stage: "hang"}) as plain:
        outcome = send(plain, timeout_ms=2500, answer_timeout_ms=2500, connect_timeout_ms=500)
        assert outcome.result == without_answer(stage), outcome
        assert ("smtp_answer_timeout" if stage == "message" else "smtp_timeout") in outcome.why, outcome
        assert outcome.took_ms > 2000 and outcome.turns >= 2, outcome


@pytest.mark.parametrize("stage", [s for s in STAGES if s != "message"])
def test_stopping_before_the_message_is_handed_over(stage):
    with ScriptedServer(**{stage: "hang"}) as plain:
        outcome = send(plain, timeout_ms=FAR_AWAY, stop_after_ms=700)
        assert outcome.result == "stopped", outcome


def test_stopping_after_that_waits_for_the_answer(server):
    def stopped_after_that(one, **options):
        """What comes of it when we are told to stop; so late that the message was handed over by then, however slow the machine."""
        for stop_ms in (500, 2000, 8000, 32_000):
            server.control(delay=stop_ms / 1000 + 1.5)
            outcome = send(one, timeout_ms=FAR_AWAY, stop_after_ms=stop_ms, **{name: stop_ms + later for name, later in options.items()})
            if outcome.result != "stopped":
                break
        assert outcome.took_ms > stop_ms + 1000 and outcome.turns >= 2, outcome
        return outcome.result
    assert stopped_after_that(server) == "accepted"
    with ScriptedServer(message="hang") as plain:
        assert stopped_after_that(plain, answer_timeout_ms=2500) == "no-answer"


def test_the_answer_has_a_deadline_of_its_own(server):
    server.control(delay=5)
    outcome = send(server, timeout_ms=2500, answer_timeout_ms=100_000)
    assert outcome.result == "accepted" and outcome.took_ms >= 5000 and outcome.turns >= 4, outcome
    assert len(server.mails()) == 1


@pytest.fixture
def long_letter(tmp_path):
    """Options for a letter of 12 MB, more than the kernel takes off a sender's hands."""
    shutil.copytree(TEMPLATES, tmp_path / "mail")
    (tmp_path / "mail" / "en" / "deleted.txt").write_text("{{name}}\n" * 8000)
    return {"templates": tmp_path / "mail", "name": "ä" * 250}


def test_in_the_midst_of_the_message(long_letter):
    """The server stops reading: nothing was handed over completely."""
    with ScriptedServer(body="hang") as plain:
        outcome = send(plain, **long_letter, timeout_ms=100_000, stop_after_ms=1000)
        assert outcome.result == "stopped", outcome
    with ScriptedServer(body="hang") as plain:
        outcome = send(plain, **long_letter, timeout_ms=2500)
        assert outcome.result == "temporary", outcome
    with ScriptedServer(body="reset") as plain:
        assert send(plain, **long_letter).result == "temporary"


def test_a_long_letter_arrives(server, long_letter):
    assert send(server, **long_letter).result == "accepted"
    assert text_of(server.mails()[0]) == ("ä" * 250 + "\n") * 8000, "not as it was sent"


def test_the_deadline_is_for_all_replies_together():
    """Each of these comes in good time, but no two of them."""
    late = (2, "250 ok")
    with ScriptedServer(EHLO=late, MAIL=late, RCPT=late) as plain:
        outcome = send(plain, timeout_ms=3000)
        assert outcome.result in ("server", "temporary") and "DATA" not in plain.commands, outcome


def test_a_server_that_never_says_good_bye():
    with ScriptedServer(QUIT="hang") as plain:
        outcome = send(plain, timeout_ms=FAR_AWAY)
        assert outcome.result == "accepted", outcome


def test_a_greeting_may_take_longer_than_the_connection(server):
    with ScriptedServer(greeting="hang") as plain:
        outcome = send(plain, connect_timeout_ms=300, timeout_ms=2500)
        assert outcome.took_ms > 2000, outcome


# ---- TLS and log-in ----

def test_starttls_required_but_not_offered():
    with ScriptedServer() as plain:
        outcome = send(plain, starttls="required")
        assert outcome.result == "server" and "offers no STARTTLS" in outcome.why, outcome
        assert not [c for c in plain.commands if c.startswith("MAIL")]
        assert send(plain, starttls="offered").result == "accepted"


def test_the_certificate_is_verified(server, certificate):
    for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
        outcome = send(url, starttls="required")
        assert outcome.result == "server" and "certificate" in outcome.why and "smtp_ca_file" in outcome.why, outcome
        assert send(url, starttls="required", ca_file=certificate[0]).result == "accepted"
    outcome = send(server.url.replace("127.0.0.1", "127.0.0.2"), starttls="required", ca_file=certificate[0])
    assert outcome.result == "server", outcome
    assert "/nowhere" in send(server, starttls="required", ca_file="/nowhere").why
    assert send(server, starttls="never").result == "accepted"
    assert sorted("TLS" in mail.get("Received", "") for mail in server.mails()) == [False, True, True]


def test_log_in(server, certificate):
    server.control(auth=["me", "sécret"], starttls=True)
    tls = {"starttls": "required", "ca_file": certificate[0]}
    assert send(server, **tls, user="me", password="sécret").result == "accepted"
    outcome = send(server, **tls, user="me", password="wrong")
    assert outcome.result == "server" and "535" in outcome.why and "smtp_password_file" in outcome.why and "wrong" not in outcome.why
    outcome = send(server, **tls)
    assert outcome.result == "server" and "530" in outcome.why, outcome
    outcome = send(server, user="me", password="sécret")
    assert outcome.result == "server", outcome
    assert len(server.mails()) == 1


def test_a_user_but_no_auth_offered_is_not_sent_without():
    with ScriptedServer() as plain:
        outcome = send(plain, user="me", password="secret")
        assert outcome.result == "server" and "no AUTH" in outcome.why, outcome
        assert not [c for c in plain.commands if c.startswith("MAIL")]
