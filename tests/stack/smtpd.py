"""The stack's SMTP server: puts what it accepts into a Maildir and, told so, misbehaves as real ones do.

    smtpd.py [HOST:]PORT MAILDIR CONTROL [CERTIFICATE KEY]

CONTROL is a JSON file, read anew for each connection and each command; every member may be missing:

    "greeting": "421 4.3.2 busy"      answer to the connection, which is then closed
    "mail":     "451 4.3.0 later"     answer to MAIL FROM
    "helo":     "504 5.5.2 odd"       answer to RCPT TO if the name given to EHLO has no dot in it, which is when Postfix says it
    "rcpt":     {"a@b.example": "550 5.1.1 no such user", "*": "450 4.2.0 later"}
                                      answer to RCPT TO for an address, for a domain ("@b.example"), for any
    "data":     "452 4.3.1 full"      answer to the final dot; nothing is stored
                "hang"                nothing is stored, nothing is answered
                "drop-lost"           nothing is stored, the connection is cut without an answer
                "drop-stored"         stored, and the connection is cut without an answer
                "drop-replied"        stored and answered with 250, and the connection is cut
    "delay":    1.5                   seconds before the answer to the final dot
    "starttls": true                  mail only after STARTTLS (which is always offered)
    "auth":     ["user", "password"]  mail only after AUTH with these
    "cram_md5": true                  AUTH CRAM-MD5 is offered as well, and refuses everybody
"""
import asyncio
import json
import logging
import mailbox
import signal
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult


class Control:
    def __init__(self, path):
        self.path = path

    def __getitem__(self, name):
        try:
            with open(self.path, encoding="utf-8") as f:
                return json.load(f).get(name)
        except (OSError, ValueError):
            return None


class Session(SMTP):
    """aiosmtpd's protocol with the refusal that comes before its own greeting."""

    def __init__(self, control, *args, **options):
        self.control = control
        super().__init__(*args, **options)

    def connection_made(self, transport):
        refusal = self.control["greeting"]
        if refusal and not isinstance(transport, asyncio.sslproto._SSLProtocolTransport):
            transport.write(refusal.encode() + b"\r\n")
            transport.close()
            return
        super().connection_made(transport)

    async def auth_CRAM__MD5(self, server, args):
        await server.challenge_auth(b"<1@mail.farewell.test>")
        return AuthResult(success=False, handled=False)

    def connection_lost(self, error):
        if self.transport is not None:
            super().connection_lost(error)


class Handler:
    def __init__(self, maildir, control):
        self.box = mailbox.Maildir(maildir, create=True)
        self.control = control

    async def handle_MAIL(self, server, session, envelope, address, options):
        refusal = self.control["mail"]
        if refusal:
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.control["helo"] and "." not in session.host_name:
            return self.control["helo"]
        answers = self.control["rcpt"] or {}
        refusal = answers.get(address) or answers.get(address[address.rfind("@"):]) or answers.get("*")
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        mode = self.control["data"] or ""
        if self.control["delay"]:
            await asyncio.sleep(self.control["delay"])
        if mode == "hang":
            await asyncio.sleep(86400)
        if mode == "drop-lost":
            server.transport.abort()
            return "451 never seen"
        if mode[:1].isdigit():
            return mode
        self.store(session, envelope)
        if mode == "drop-stored":
            server.transport.abort()
        elif mode == "drop-replied":
            await server.push("250 2.0.0 stored")
            server.transport.close()
        return "250 2.0.0 stored"

    def store(self, session, envelope):
        trace = f"Return-Path: <{envelope.mail_from}>\r\n"
        trace += "".join(f"Delivered-To: {to}\r\n" for to in envelope.rcpt_tos)
        if session.ssl:
            trace += f"Received: by the stack with {session.ssl['cipher'][1]}\r\n"
        self.box.add(trace.encode() + envelope.original_content)


def authenticator(control):
    def check(server, session, envelope, mechanism, data):
        wanted = control["auth"]
        given = (getattr(data, "login", b"").decode(), getattr(data, "password", b"").decode())
        good = not wanted or given == tuple(wanted)
        return AuthResult(success=good, handled=good)
    return check


async def serve(address, maildir, control, tls):
    def session():
        return Session(control, handler, hostname="mail.farewell.test", enable_SMTPUTF8=True, timeout=600,
                       tls_context=tls, require_starttls=bool(tls and control["starttls"]), auth_require_tls=False,
                       auth_required=bool(control["auth"]), authenticator=authenticator(control),
                       auth_exclude_mechanism=[] if control["cram_md5"] else ["CRAM-MD5"])
    handler = Handler(maildir, control)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, ended.set)
    host, _, port = address.rpartition(":")
    server = await loop.create_server(session, host or "127.0.0.1", int(port))
    print(time.strftime("%FT%T"), "listening on", address, flush=True)
    await ended.wait()
    server.close()


def main():
    address, maildir, control = sys.argv[1:4]
    tls = None
    if len(sys.argv) > 5:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(sys.argv[4], sys.argv[5])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(serve(address, maildir, Control(control), tls))


if __name__ == "__main__":
    main()
