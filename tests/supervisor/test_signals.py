"""Pausing, rotating logs, the scoreboard, and what systemd is told."""
import os
import re
import signal
import socket
import threading
import time

import pytest

from tools.jobs import row_held
from tools.proxy import Proxy
from tools.supervised import BUSY, IDLE, SERVING, Load

pytestmark = pytest.mark.outage


def test_paused_worker_leaves_messages_alone(fw, make_site):
    site = make_site(children=2)
    site.wait_serving(2)
    users = fw.make_users(10, files=1)
    fw.stack.smtp.control(delay=2)
    site.ask(*users)
    site.wait_at_work(count=2)
    site.signal(signal.SIGUSR2)
    fw.wait_until(lambda: [c["step"] for c in site.children()] == ["paused"] * 2, what="what is in hand to be finished")
    ids = [str(u.id) for u in users]
    done = site.finished(ids)
    assert 2 <= done < 10
    fw.wait_until(lambda: site.ready() == (10 - done, 0), what="the others to wait in the queue")
    time.sleep(0.7)
    assert site.finished(ids) == done and site.ready() == (10 - done, 0)
    fw.stack.smtp.control()
    site.signal(signal.SIGUSR2)
    rows = site.wait_done(users)
    assert {(r["turn"], r["attempts"]) for r in rows} == {(1, 0)}
    assert site.bad_lines() == []


def test_paused_gateway_lets_clients_wait(fw, make_front):
    front = make_front(children=2)
    user = fw.make_user(files=0)
    front.wait_serving(2)
    front.signal(signal.SIGUSR2)
    fw.wait_until(lambda: [c["step"] for c in front.children()] == ["paused"] * 2, what="both children to pause")
    with Load(front.client, [user], clients=1) as load:
        time.sleep(1.5)
        assert load.count == 0 and fw.requests(user) == []
        front.signal(signal.SIGUSR2)
        load.wait_more(2)
    assert load.deleted == [user] and load.others == []


def test_no_line_is_lost_when_the_log_is_rotated(fw, make_front, stack):
    """As logrotate does it: the file is moved away, and then USR1."""
    log = stack.place.path("run", f"rotated-{os.getpid()}.log")
    front = make_front(children=3, common={"log_file": log})
    with Load(front.client, fw.make_users(4000)) as load:
        for number in (1, 2):
            load.wait_more(60)
            os.rename(log, f"{log}.{number}")
            front.signal(signal.SIGUSR1)
            fw.wait_until(lambda: os.path.exists(log) and "answered" in open(log).read(), what="a new file that is written to")
        load.wait_more(60)
    text = "".join(open(name).read() for name in (log + ".1", log + ".2", log))
    lines = re.findall(r"info farewell-fcgi\[(\d+)\]: answered method=(?:DELETE|GET) route=/users/", text)
    assert len(lines) == load.count and load.others == []
    assert open(log).read().count("log reopened") == 1
    held = {os.readlink(f"/proc/{pid}/fd/{fd}") for pid in [front.program.pid, *front.pids()] for fd in os.listdir(f"/proc/{pid}/fd")}
    assert log in held and not any(name.startswith(log + ".") for name in held)


def test_the_scoreboard_shows_who_does_what(fw, make_front, make_site):
    with Proxy(fw.stack.s3.rgw.port) as store:
        site = make_site(children=2, s3_endpoint=f"http://127.0.0.1:{store.port}")
        user, = fw.make_users(1, files=1)
        site.wait_serving(2)
        store.hold()
        before = time.monotonic_ns() // 1_000_000
        deletion, = site.ask(user)
        at_work = site.wait_at_work(deletion, "files")
        board = site.board()
        assert (board.magic, board.version) == (b"FAREWELL", 1)
        assert board.totals["master"] == site.program.pid and board.totals["generation"] == 1
        child, = at_work
        assert child["pid"] in site.program.children() and child["flags"] & SERVING and child["generation"] == 1
        assert (child["taken"], child["jobs"], child["failures"]) == (1, 0, 0)
        assert before <= child["since_ms"] <= child["step_ms"] <= time.monotonic_ns() // 1_000_000
        other, = [c for c in site.children() if c["pid"] != child["pid"]]
        assert (other["state"], other["step"], other["job"]) == (IDLE, "waiting", "")
        store.release()
        site.wait_done([user])
    child = fw.wait_until(lambda: next((c for c in site.children() if c["jobs"] == 1), None), what="the job to be counted")
    assert (child["state"], child["job"], child["counters"][0], child["failures"]) == (IDLE, "", 1, 0), "one is completed"
    assert 1 << 20 < child["rss"] < 1 << 28

    front = make_front(children=2)
    held = fw.make_user(files=0)
    with row_held(fw, held):
        client = threading.Thread(target=lambda: front.client.delete(held))
        client.start()
        child, = front.wait_at_work(step="request")
        assert re.fullmatch("[0-9a-f]{32}", child["job"]) and child["state"] == BUSY
    client.join()
    front.wait_log(f"request={child['job']}", "status=200")


class Ear:
    """Takes what would go to systemd."""

    def __init__(self, fw, name):
        self.fw, self.said = fw, []
        self.path = fw.stack.place.path("run", name)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        fw.stack.place.give(self.path)
        self.socket.setblocking(False)

    def words(self):
        while True:
            try:
                self.said.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return [text.partition("=")[0] for text in self.said if not text.startswith("STATUS=")]

    def wait(self, *words):
        self.fw.wait_until(lambda: self.words() == list(words), what=f"{words} to be said")

    def close(self):
        self.socket.close()
        os.unlink(self.path)


def test_ready_is_said_when_a_child_consumes(fw, make_front, make_site):
    with Proxy(fw.stack.rabbit.port) as broker:
        ear = Ear(fw, "notify")
        url = re.sub(r":\d+/", f":{broker.port}/", fw.stack.rabbit.url)
        broker.refuse()
        site = make_site(start=False, children=2, broker=url)
        site.worker.extra_env = {"NOTIFY_SOCKET": ear.path}
        site.worker.start(wait=False)
        site.wait_log("broker: can't connect", count=2)
        assert ear.words() == [], "nobody consumes yet"
        broker.accept()
        ear.wait("READY")
        fw.wait_until(lambda: site.ready()[1] > 0, what="a consumer")
        site.reload()
        ear.wait("READY", "RELOADING", "READY")
        site.wait_generation(2, 2)
        site.signal(signal.SIGTERM)
        ear.wait("READY", "RELOADING", "READY", "STOPPING")
        fw.wait_until(lambda: not site.worker.running, what="the end")
        ear.close()

    ear = Ear(fw, "notify")
    front = make_front(start=False, children=2)
    front.program.extra_env = {"NOTIFY_SOCKET": ear.path}
    front.program.start(wait=False)
    ear.wait("READY")
    front.program.nginx.start()
    assert front.client.request("GET", "/healthz").status == 200
    front.program.stop()
    ear.wait("READY", "STOPPING")
    ear.close()
