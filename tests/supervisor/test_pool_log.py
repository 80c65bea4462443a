"""A log that nobody reads holds nobody up, and what could not be written is counted and told."""
import fcntl
import os
import re
import signal
import socket
import subprocess

import pytest

from tools.pool import until


def full_pipe():
    """A pipe without room for another byte: (read end, write end)."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    os.write(ends[1], b"x" * 4095 + b"\n")
    return ends


def full_socket():
    """As systemd gives it for the journal."""
    reader, writer = socket.socketpair()
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    writer.setblocking(False)
    while True:
        try:
            writer.send(b"x" * 99 + b"\n")
        except BlockingIOError:
            writer.setblocking(True)
            return reader.detach(), writer.detach()


def read_until(fd, pattern):
    """What comes out of the log until it has PATTERN."""
    os.set_blocking(fd, False)
    text = ""

    def found():
        nonlocal text
        try:
            text += os.read(fd, 65536).decode()
        except BlockingIOError:
            pass
        return re.search(pattern, text)
    until(found, f"{pattern} in the log")
    return text


@pytest.mark.parametrize("full", [full_pipe, full_socket])
def test_nobody_waits_for_a_reader(make_pool, full):
    pool = make_pool(children=3)
    reader, writer = full()
    flags = fcntl.fcntl(writer, fcntl.F_GETFL)
    pool.process = subprocess.Popen(pool.command, env=pool.env, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    until(lambda: os.path.exists(pool.path("demo.scoreboard")) and len(pool.serving()) == 3, "three children serving")
    assert pool.ask("segv") == "", "its end is something to log"
    until(lambda: pool.total("crashes") == 1 and len(pool.serving()) == 3, "its successor")
    for _ in range(20):
        assert pool.ask().isdigit()
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags, "the flags are everybody's who inherited it"
    text = read_until(reader, rf"warning demo\[{pool.process.pid}\]: \d+ lines were lost because nobody read the log\n")
    assert "serving" not in text, "it was lost"
    pool.signal(signal.SIGTERM)
    assert pool.wait() == 0
    assert read_until(reader, "ended\n")
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("full", [full_pipe, full_socket])
def test_term_ends_it_though_nobody_reads(make_pool, full):
    pool = make_pool(children=3)
    reader, writer = full()
    pool.process = subprocess.Popen(pool.command, env=pool.env, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    until(lambda: os.path.exists(pool.path("demo.scoreboard")) and len(pool.serving()) == 3, "three children serving")
    pool.signal(signal.SIGTERM)
    assert pool.wait() == 0
    os.close(reader)
    os.close(writer)


def test_a_reader_that_is_gone(make_pool):
    pool = make_pool(children=3)
    reader, writer = os.pipe()
    pool.process = subprocess.Popen(pool.command, env=pool.env, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    os.close(writer)
    until(lambda: os.path.exists(pool.path("demo.scoreboard")) and len(pool.serving()) == 3, "three children serving")
    os.close(reader)
    assert pool.ask("segv") == ""
    until(lambda: pool.total("crashes") == 1 and len(pool.serving()) == 3, "its successor")
    assert pool.ask().isdigit()
    pool.signal(signal.SIGTERM)
    assert pool.wait() == 0


def test_a_backtrace_does_not_hold_up_a_slow_job(make_pool):
    """The master asks for it; the child goes on with its job when nobody reads it."""
    pool = make_pool(children=1, slow_job="1s", hard_timeout="50s", soft_timeout="40s")
    reader, writer = full_socket()
    pool.process = subprocess.Popen(pool.command, env=pool.env, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    until(lambda: os.path.exists(pool.path("demo.scoreboard")) and len(pool.serving()) == 1, "a child")
    assert pool.ask("sleep 2500") == "slept"
    assert pool.total("kills") == 0
    pool.signal(signal.SIGTERM)
    assert pool.wait() == 0
    os.close(reader)
    os.close(writer)
