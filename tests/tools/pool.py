"""A pool of demo children in a directory of its own, and what a test may do to it."""
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import time

from stack import PATIENCE

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SETTINGS = {"children": 2, "soft_timeout": "20s", "hard_timeout": "30s", "stop_timeout": "10s"}

# What conf_load wants besides; nobody connects to any of it.
CONF = """
common {{
  run_dir = "{dir}"
  log_level = debug
{common}}}
gateway {{
  user_db = "host=nowhere"
  broker = "amqp://nobody@nowhere"
  auth = none
}}
worker {{
  user_db = "host=nowhere"
  broker = "amqp://nobody@nowhere"
  worker_db = "host=nowhere"
  s3_endpoint = "http://nowhere"
  s3_access_key = "nobody"
  s3_secret_key_file = "{dir}/secret"
  smtp_url = "smtp://nowhere"
  mail_from = "nobody@nowhere.example"
  lock_timeout = 100ms
  statement_timeout = 200ms
  s3_timeout = 100ms
  smtp_timeout = 100ms
  smtp_answer_timeout = 100ms
  handover_after = 100ms
{worker}}}
"""


def demo_child():
    for build in (os.environ.get("FAREWELL_BUILD"), os.path.join(TOP, "build"), TOP):
        path = build and os.path.join(build, "tests", "tools", "demo_child")
        if path and os.path.exists(path):
            return path
    raise FileNotFoundError("tests/tools/demo_child is not built: run `make check` first")


def until(condition, what, patience=PATIENCE):
    """Waits until CONDITION() is true and returns what it returned."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {patience} s: {what}"
        time.sleep(0.01)


class Board:
    """The scoreboard file, read as its header describes it and without our own code."""

    HEAD, TOTALS, SLOT = 8 + 4 * 4 + 32 + 16 * 32 + 2 * 4 + 8, 11 + 3 + 16 - 1, 6 + 3 + 16

    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        self.magic, self.version, self.slots, self.slot_size, self.totals_size = struct.unpack_from("8s4I", data)
        start = (self.HEAD + 63) // 64 * 64
        names = ("master", "started_at", "generation", "reloads", "reloads_refused", "spawned", "restarts", "crashes", "kills",
                 "max_children_reached", "taken", "jobs", "failures")
        self.totals = dict(zip(names, struct.unpack_from(f"{len(names)}Q", data, start + 8)))
        self.counters = struct.unpack_from("16Q", data, start + 8 + 8 * len(names))
        self.children = []
        for number in range(self.slots):
            child = self.child(data, start + self.totals_size + number * self.slot_size)
            if child["state"] != 0:
                self.children.append(child | {"slot": number})

    @staticmethod
    def child(data, at):
        names = ("pid", "started_at", "started_ms", "since_ms", "step_ms", "rss", "taken", "jobs", "failures")
        child = dict(zip(names, struct.unpack_from("9q", data, at + 8)))
        child["counters"] = struct.unpack_from("16q", data, at + 8 + 9 * 8)
        numbers = struct.unpack_from("4I32s32s64s", data, at + 8 + 25 * 8)
        for name, value in zip(("generation", "state", "flags", "away", "kind", "step", "job"), numbers):
            child[name] = value.split(b"\0")[0].decode() if isinstance(value, bytes) else value
        return child


class Pool:
    def __init__(self, directory, settings=None, common=None, env=None, start=None, foreground=True, wrap=()):
        self.dir = str(directory)
        self.command = [*wrap, demo_child(), "-c", self.path("farewell.conf"), *(["-f"] if foreground else [])]
        self.env = {**os.environ, "DEMO_DIR": self.dir, **(env or {})}
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            if name not in (env or {}):
                self.env.pop(name, None)
        self.common = {"allow_root": "yes", **(common or {})}
        self.process = None
        with open(self.path("secret"), "w") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write("secret\n")
        self.configure(settings)
        self.begin(start)

    def path(self, name):
        return os.path.join(self.dir, name)

    def configure(self, settings=None, **more):
        """Writes the configuration file; the pool reads it at start and on HUP."""
        settings = {**SETTINGS, **(settings or {}), **more}
        if settings["children"] is None:
            settings["children"] = 0
        lines = {section: "".join(f'  {key} = "{value}"\n' if isinstance(value, str) and "/" in value else f"  {key} = {value}\n"
                                  for key, value in values.items())
                 for section, values in (("common", self.common), ("worker", settings))}
        with open(self.path("farewell.conf"), "w") as f:
            f.write(CONF.format(dir=self.dir, **lines))

    def begin(self, how):
        """What children do from now on before they serve; None: nothing special."""
        if how is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path("start"))
            return
        with open(self.path("start.new"), "w") as f:
            f.write(how)
        os.rename(self.path("start.new"), self.path("start"))

    def start(self, serving=True):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if serving:
            self.wait_log(r"info demo\[\d+\]: serving")
            self.wait_serving(1)
        return self

    def signal(self, number):
        os.kill(self.master(), number)

    def master(self):
        with open(self.path("demo.pid")) as f:
            return int(f.read())

    def wait(self, patience=PATIENCE):
        """The exit code."""
        return self.process.wait(patience)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self):
        with contextlib.suppress(Exception):
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGINT)
        if self.process is not None:
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        # Only what reports itself: a leak, a wrong access, undefined behaviour.
        assert not re.search(r"AddressSanitizer|LeakSanitizer|runtime error:", self.log()), self.log()

    # What it says.

    def log(self, name="log"):
        with contextlib.suppress(FileNotFoundError), open(self.path(name), errors="replace") as f:
            return f.read()
        return ""

    def log_count(self, pattern):
        return len(re.findall(pattern, self.log()))

    def wait_log(self, pattern, count=1, patience=PATIENCE):
        """Waits until the log has PATTERN COUNT times; returns the last match."""
        def found():
            matches = list(re.finditer(pattern, self.log()))
            assert len(matches) >= count or self.process.poll() is None or time.monotonic() < gone, f"ended without {pattern}:\n{self.log()}"
            return matches[-1] if len(matches) >= count else None
        gone = time.monotonic() + 1
        return until(found, f"{pattern} {count} times in the log", patience)

    # What its scoreboard shows.

    def board(self):
        return Board(self.path("demo.scoreboard"))

    def children(self, kind="demo"):
        return [child for child in self.board().children if child["kind"] == kind]

    def pids(self, kind="demo"):
        return {child["pid"] for child in self.children(kind)}

    def serving(self, kind="demo"):
        """Children that serve and were not told to leave."""
        return [child for child in self.children(kind) if child["flags"] & 3 == 1]

    def wait_serving(self, count, patience=PATIENCE):
        until(lambda: len(self.serving()) == count if count > 1 else self.serving(), f"{count} children serving", patience)
        return self.serving()

    def total(self, name):
        return self.board().totals[name]

    # Jobs.

    def send(self, line):
        """Gives a job to whichever child takes it; returns the connection."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(self.path("socket"))
        connection.sendall(line.encode() + b"\n")
        return connection

    def ask(self, line="pid"):
        """The answer to a job; empty if the child died over it."""
        with self.send(line) as connection:
            return answer(connection)

    def wait_busy(self, count=1, job=None):
        """Waits until COUNT children are at a job; returns them."""
        def busy():
            found = [child for child in self.children() if child["state"] == 3 and child["job"] and job in (None, child["job"])]
            return found if len(found) >= count else None
        return until(busy, f"{count} busy children")


def answer(connection):
    try:
        return connection.recv(100).decode().strip()
    except ConnectionResetError:
        return ""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
