"""The stack's SMTP server as one of its processes, and the mail it took."""
import email
import email.policy
import io
import json
import os
import shutil
import socket

from .proc import Daemon


class Smtp(Daemon):
    def __init__(self, stack):
        super().__init__(stack, "smtp")
        self.port = self.place.port("smtp")
        self.maildir = os.path.join(self.dir, "Maildir")
        self.control_file = os.path.join(self.dir, "control.json")
        self.program = self.place.path("bin", "smtpd.py")
        self.certificate = self.place.path("etc", "smtp.crt")
        self.key = self.place.path("etc", "smtp.key")

    def prepare(self):
        shutil.copyfile(os.path.join(os.path.dirname(__file__), "smtpd.py"), self.program)
        self.place.give(self.program)
        if not os.path.exists(self.certificate):
            self.place.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-keyout", self.key,
                            "-out", self.certificate, "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost,IP:127.0.0.1"])

    def argv(self):
        return ["/usr/bin/python3", "-u", self.program, str(self.port), self.maildir, self.control_file,
                self.certificate, self.key]

    def is_ready(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def control(self, **faults):
        """Sets the faults (see smtpd.py); without any, all is well again."""
        self.place.write(self.control_file, json.dumps(faults) + "\n")

    def faulty(self):
        try:
            with open(self.control_file, encoding="utf-8") as f:
                return bool(json.load(f))
        except (OSError, ValueError):
            return False

    def mails(self, to=None):
        """The mail delivered (to one address, or all) as EmailMessage, oldest first."""
        found = []
        new = os.path.join(self.maildir, "new")
        for name in os.listdir(new) if os.path.isdir(new) else []:
            path = os.path.join(new, name)
            with open(path, "rb") as f:
                data = f.read()
            if to is not None and to.encode().lower() not in data.lower():
                continue        # there are many, and taking one apart takes a while
            message = email.message_from_binary_file(io.BytesIO(data), policy=email.policy.default)
            if to is None or to.lower() in [str(a).strip().lower() for a in message.get_all("Delivered-To", [])]:
                found.append((os.stat(path).st_mtime_ns, name, message))
        return [m for _, _, m in sorted(found, key=lambda f: f[:2])]

    def clear(self):
        shutil.rmtree(os.path.join(self.maildir, "new"), ignore_errors=True)
        os.makedirs(os.path.join(self.maildir, "new"))
        self.place.give(os.path.join(self.maildir, "new"))
