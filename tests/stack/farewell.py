"""Farewell's own programs as processes of the stack, and their configuration file."""
import os
import socket
import urllib.request

from . import postgres, rabbit, s3
from .proc import PATIENCE, Daemon, wait_until

JWT_KEY = "a key for the private stack only, at least 32 bytes long"
TEST_DELAYS = "1s 2s 4s 8s"


def quoted(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def config_text(sections):
    """A farewell.conf from {"common": {key: value}, "gateway": {...}, "worker": {...}}."""
    text = ""
    for section, settings in sections.items():
        text += section + " {\n"
        text += "".join(f"\t{key} = {quoted(value)}\n" for key, value in settings.items() if value is not None)
        text += "}\n"
    return text


def sections_for(stack, name, overrides):
    """The stack's settings for one pair of programs, with overrides on top (None: leave the setting out)."""
    secret = stack.secret_file
    sessions = {
        "user_db": stack.postgres.conninfo("users"),
        "user_db_password_file": secret("database", postgres.PASSWORD),
        "broker": stack.rabbit.url,
        "broker_password_file": secret("broker", rabbit.PASSWORD),
    }
    sections = {
        "common": {"run_dir": stack.place.path("run", name), **stack.settings.get("common", {})},
        "gateway": {
            **sessions,
            "socket": stack.place.path("run", name + ".sock"),
            "auth": "jwt",
            "jwt_key_file": secret("jwt", JWT_KEY),
            "children": 4,
            **stack.settings.get("gateway", {}),
        },
        "worker": {
            **sessions,
            "worker_db": stack.postgres.conninfo("worker"),
            "worker_db_password_file": secret("database", postgres.PASSWORD),
            "s3_endpoint": stack.s3.endpoint,
            "s3_region": s3.REGION,
            "s3_access_key": s3.ACCESS_KEY,
            "s3_secret_key_file": secret("s3", s3.SECRET_KEY),
            "smtp_url": stack.smtp.url,
            "smtp_starttls": "never",
            "mail_from": "Farewell <no-reply@farewell.test>",
            "mail_templates": stack.templates(),
            "children": 2,
            **stack.settings.get("worker", {}),
        },
    }
    for section, settings in overrides.items():
        sections.setdefault(section, {}).update(settings)
    return sections


class Program(Daemon):
    """farewell-fcgi or farewell-workerd with a configuration file of its own."""
    program = ""

    def __init__(self, stack, name, overrides=None):
        super().__init__(stack, name)
        self.overrides = overrides or {}
        self.conf = self.place.path("etc", name + ".conf")
        self.extra_env = {}
        self.wrapper = []       # what it is run with: valgrind and its options
        self.prepared = None    # what was written into the file last

    def sections(self):
        return sections_for(self.stack, self.name, self.overrides)

    def prepare(self):
        sections = self.prepared = self.sections()
        os.makedirs(sections["common"]["run_dir"], exist_ok=True)
        self.place.give(sections["common"]["run_dir"])
        self.place.write(self.conf, config_text(sections))

    def configure(self, overrides, restart=True):
        """Replaces the overrides, {"gateway": {...}, ...}, and restarts the program with them."""
        self.overrides = overrides
        if restart:
            self.restart()
        else:
            self.prepare()
        return self

    def argv(self, *more):
        return [*self.wrapper, self.stack.program(self.program), "-c", self.conf, *(more or ("-f",))]

    def env(self):
        return self.extra_env

    def check(self, *more):
        """Runs the program with -t; (exit code, output)."""
        self.prepare()
        done = self.place.run(self.argv("-t", *more), env=self.env(), check=False)
        return done.returncode, done.stdout


class GatewayProgram(Program):
    program = "farewell-fcgi"

    def __init__(self, stack, name="gateway", overrides=None):
        super().__init__(stack, name, overrides)

    @property
    def socket_path(self):
        return (self.prepared or self.sections())["gateway"]["socket"]

    def is_ready(self):
        """A connection is taken and closed; whether the servers can be reached is /readyz's matter."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(2)
            if s.connect_ex(self.socket_path) != 0:
                return False
        return bool(self.children())

    def wait_serving(self, url, timeout=PATIENCE):
        """Until /readyz says that the database and the broker can be reached."""
        wait_until(lambda: urllib.request.urlopen(url + "/readyz", timeout=5).status == 200, timeout,
                   f"{url}/readyz (see {self.log})", 0.1)
        return self


class WorkerProgram(Program):
    program = "farewell-workerd"
    stop_timeout = 90  # more than worker.stop_timeout

    def __init__(self, stack, name="worker", overrides=None):
        super().__init__(stack, name, overrides)

    def is_ready(self):
        """Ready when somebody consumes the queue."""
        queue = (self.prepared or self.sections())["common"].get("queue", "farewell.deletions")
        found = self.children() and self.stack.rabbit.queue(queue)
        return bool(found) and found[1] > 0
