"""The notification protocol of systemd, and its files."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from stack.proc import stat_of
from tools.pool import TOP, until


class Listener:
    """Takes what would go to systemd."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name[0] == "@" else name)
        self.socket.setblocking(False)
        self.messages = []

    def take(self):
        while True:
            try:
                self.messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.messages

    def wait(self, pattern, count=1):
        until(lambda: sum(bool(re.search(pattern, text)) for text in self.take()) >= count, f"{pattern} {count} times")


@pytest.fixture
def notified(request, make_pool, tmp_path):
    abstract = getattr(request, "param", "") == "abstract"
    name = f"@farewell-test-{os.getpid()}-{time.monotonic_ns()}" if abstract else str(tmp_path / "notify")
    listener = Listener(name)
    yield lambda env=None, **settings: make_pool(env={"NOTIFY_SOCKET": name, **(env or {})}, **settings), listener
    listener.socket.close()


@pytest.mark.parametrize("notified", ["path", "abstract"], indirect=True)
def test_ready_only_when_a_child_serves(notified):
    make, listener = notified
    pool = make(start="hang").start(serving=False)
    pool.wait_log("demo child begins")
    listener.wait("STATUS=Waiting for the first child")
    time.sleep(0.2)
    assert "READY=1" not in listener.take()
    pool.begin(None)
    os.kill(pool.pids().pop(), signal.SIGKILL)
    listener.wait("^READY=1$")
    pool.stop()
    listener.wait("^STOPPING=1$")
    assert listener.take().count("READY=1") == 1


def test_reloading_and_ready_again(notified):
    make, listener = notified
    pool = make().start()
    before = time.monotonic_ns() // 1000
    pool.signal(signal.SIGHUP)
    listener.wait("^READY=1$", 2)
    reloading = [text for text in listener.take() if "RELOADING" in text]
    stamp = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading[0])
    assert stamp and before <= int(stamp[1]) <= time.monotonic_ns() // 1000
    # One that fails is over as well.
    with open(pool.path("farewell.conf"), "w") as f:
        f.write("nonsense\n")
    pool.signal(signal.SIGHUP)
    listener.wait("^READY=1$", 3)


def test_watchdog_from_the_loop(notified):
    make, listener = notified
    pool = make(env={"WATCHDOG_USEC": "600000"}).start()
    listener.wait("^WATCHDOG=1$", 4)
    pool.signal(signal.SIGSTOP)
    until(lambda: stat_of(pool.master())[0] == "T", "the master to stand still")
    quiet = listener.take().count("WATCHDOG=1")
    time.sleep(0.8)
    assert listener.take().count("WATCHDOG=1") == quiet, "nobody else says it for a master that hangs"
    pool.signal(signal.SIGCONT)
    listener.wait("^WATCHDOG=1$", quiet + 2)
    began, before = time.monotonic(), listener.take().count("WATCHDOG=1")
    listener.wait("^WATCHDOG=1$", before + 5)
    count, seconds = listener.take().count("WATCHDOG=1") - before, time.monotonic() - began
    assert count <= seconds / 0.3 + 2, "at half the time, not all the time"


def test_no_watchdog_for_another_pid(notified):
    make, listener = notified
    make(env={"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}).start()
    time.sleep(0.6)
    assert "WATCHDOG=1" not in listener.take()


def test_idle_says_nothing(notified):
    make, listener = notified
    pool = make().start()
    listener.wait("STATUS=0 busy, 2 idle")
    with pool.send("read"):
        listener.wait("STATUS=1 busy, 1 idle")
    listener.wait("STATUS=0 busy, 2 idle", 2)
    time.sleep(0.2)
    count = len(listener.take())
    time.sleep(1.5)
    assert len(listener.take()) == count and pool.process.poll() is None


def test_status_says_who_waits_for_a_server(notified):
    make, listener = notified
    pool = make().start()
    listener.wait("STATUS=0 busy, 2 idle, 0 starting, 0 leaving$")
    with pool.send("away"):
        listener.wait("STATUS=0 busy, 2 idle, 0 starting, 0 leaving, 1 waiting for a server$")
        open(pool.path("back"), "w").close()
        listener.wait("STATUS=0 busy, 2 idle, 0 starting, 0 leaving$", 2)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_units_are_valid(tmp_path):
    for name in ("farewell-fcgi.service", "farewell-fcgi.socket", "farewell-workerd.service"):
        with open(os.path.join(TOP, "contrib", name)) as f:
            text = re.sub(r"^(Exec\w+=\S*?)(/usr/sbin/farewell-\w+)", r"\1/bin/true", f.read(), flags=re.M)
        (tmp_path / name).write_text(text)
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))], capture_output=True, text=True, check=False)
    ours = [line for line in result.stderr.splitlines() if "farewell" in line]
    assert not ours and result.returncode == 0, result.stderr
