"""What the tests in tests/mail send to: the stack's own SMTP server by itself, and one that plays a script."""
import email
import email.policy
import json
import os
import socket
import subprocess
import sys
import threading
import time

from stack import PATIENCE

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class RealServer:
    """tests/stack/smtpd.py (aiosmtpd) in a directory and on a port of its own."""

    def __init__(self, directory, certificate):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.maildir = os.path.join(directory, "Maildir")
        self.control_file = os.path.join(directory, "control.json")
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(TOP, "tests", "stack", "smtpd.py"), str(self.port), self.maildir, self.control_file, *certificate],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.close()
        raise RuntimeError("smtpd.py does not listen")

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def control(self, **faults):
        with open(self.control_file, "w", encoding="utf-8") as f:
            json.dump(faults, f)

    def raw_mails(self):
        new = os.path.join(self.maildir, "new")
        for name in sorted(os.listdir(new)):
            with open(os.path.join(new, name), "rb") as f:
                yield f.read()

    def mails(self):
        return [email.message_from_bytes(raw, policy=email.policy.default) for raw in self.raw_mails()]

    def clear(self):
        self.control()
        for name in os.listdir(os.path.join(self.maildir, "new")):
            os.unlink(os.path.join(self.maildir, "new", name))


class ScriptedServer:
    """An SMTP server of one thread that answers as STEPS says, or well where it says nothing.

    Steps: greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, body (while the message comes), message (after the final dot), QUIT.
    What a step does: a reply to send, (seconds, reply), "hang", "drop", or for RST instead of FIN "reset"."""

    ANSWERS = {"greeting": "220 scripted", "EHLO": "250-scripted\r\n250 SIZE", "HELO": "250 scripted", "DATA": "354 go on",
               "QUIT": "221 bye", "STARTTLS": "502 not here"}

    def __init__(self, **steps):
        self.steps = steps
        self.commands = []
        self.message = None
        self.ended = threading.Event()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.url = "smtp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)

    def serve(self):
        try:
            while True:
                peer, _ = self.listener.accept()
                try:
                    self.converse(peer, peer.makefile("rb"))
                except OSError:
                    pass
                finally:
                    peer.close()
        except OSError:
            pass

    def answer(self, peer, step):
        """True: go on with the conversation."""
        what = self.steps.get(step, self.ANSWERS.get(step, "250 ok"))
        if isinstance(what, tuple):
            self.ended.wait(what[0])
            what = what[1]
        if what == "hang":
            self.ended.wait()
            return False
        if what == "drop":
            return False
        if what == "reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return False
        peer.sendall(what.encode() + b"\r\n")
        return step not in ("QUIT",)

    def converse(self, peer, lines):
        if not self.answer(peer, "greeting"):
            return
        for line in lines:
            self.commands.append(line.decode("utf-8", "replace").strip())
            step = self.commands[-1].split(" ")[0].split(":")[0].upper()
            if not self.answer(peer, step):
                return
            if step == "DATA" and self.steps.get("DATA", "354").startswith("354") and not self.take(peer, lines):
                return

    def take(self, peer, lines):
        if "body" in self.steps:
            return self.answer(peer, "body")
        message = b""
        for line in lines:
            if line == b".\r\n":
                self.message = message
                return self.answer(peer, "message")
            message += line
        return False
