"""TERM under load, and the death of the master: nothing is lost, and the next one starts."""
import os
import signal
import subprocess
import threading
import time

import pytest

from stack.proc import stat_of
from tools.jobs import row_held
from tools.proxy import Proxy
from tools.supervised import Load, bare_users, make_users


def end_of(fw, program, timeout):
    """TERM; its exit code."""
    os.kill(program.pid, signal.SIGTERM)
    fw.wait_until(lambda: not program.running, timeout, f"{program.name} to end")
    return program.child.returncode


def test_gateway_answers_what_it_has_taken(fw, make_front, outbox):
    front = make_front(children=4)
    gateway, held = front.program, fw.make_user(files=0)
    answers = []
    with row_held(fw, held):
        waiting = threading.Thread(target=lambda: answers.append(front.client.delete(held)))
        waiting.start()
        front.wait_at_work(step="request")
        with Load(front.client, bare_users(fw, 6000), clients=4) as load:
            load.wait_more(40)
            os.kill(gateway.pid, signal.SIGTERM)
            fw.wait_until(lambda: len(load.others) >= 4, 3, "newcomers to be refused at once")
        assert gateway.running, "the request that waits for the row is still in hand"
    waiting.join(10)
    fw.wait_until(lambda: not gateway.running, 10, "the gateway to end")
    assert gateway.child.returncode == 0 and answers[0].status == 200
    # nginx answers for one that has gone; nobody was cut off in the middle.
    assert {(method, getattr(answer, "status", answer)) for method, _, answer in load.others} <= {("DELETE", 502), ("GET", 502)}
    done = sorted(str(u) for u in [*load.deleted, held])
    assert sorted(m["userId"] for _, m in outbox.messages()) == done
    refused = [str(u) for method, u, _ in load.others if method == "DELETE"]
    assert fw.psql("users", "SELECT user_id FROM farewell.request WHERE user_id = ANY (%s)", refused) == []
    gateway.start()
    assert {front.client.delete(u).status for method, u, _ in load.others[:4] if method == "DELETE"} <= {200}


def test_worker_finishes_or_hands_over(fw, make_site):
    site = make_site(children=4, stop_timeout="10s")
    users = make_users(fw, 24)
    fw.stack.smtp.control(delay=0.4)
    site.ask(*users)
    site.wait_at_work(count=4)
    fw.wait_until(lambda: site.finished([str(u.id) for u in users]) >= 4, 10, "some to be completed")
    began = time.monotonic()
    assert end_of(fw, site.worker, 12) == 0
    assert time.monotonic() - began < 5
    assert site.bad_lines() == []
    running = fw.psql("worker", "SELECT * FROM farewell.deletion WHERE user_id = ANY (%s) AND status <> 'completed'", [str(u.id) for u in users])
    assert all(r["starts"] == 0 and r["turn"] == 2 for r in running), "what is not done was handed over"
    left = len(users) - site.finished([str(u.id) for u in users])
    assert left > 4
    fw.wait_until(lambda: site.ready() == (left, 0), 5, "what is left to wait in the queue")
    fw.stack.smtp.control()
    site.start()
    rows = site.wait_done(users)
    assert {r["mail"] for r in rows} == {"sent"} and {r["turn"] for r in rows} <= {1, 2}


def test_a_child_that_does_not_hear_is_killed_at_stop_timeout(fw, make_site):
    with Proxy(fw.stack.s3.rgw.port) as store:
        site = make_site(children=2, stop_timeout="1s", s3_endpoint=f"http://127.0.0.1:{store.port}")
        user, = make_users(fw, 1)
        store.hold()
        deletion, = site.ask(user)
        child = site.wait_at_work(deletion, "files")[0]
        os.kill(child["pid"], signal.SIGSTOP)
        assert end_of(fw, site.worker, 8) == 0
        site.wait_log("stop_timeout is over: killing the 1 children")
        site.wait_log("worker child was killed by signal 9", f"child={child['pid']} ", f"job={deletion}", "by its master")
        store.release()
        site.start()
        row, = site.wait_done([user])
    assert (row["turn"], row["attempts"]) == (1, 0), "the message came again"


def second_master(program, **more):
    """What a second start with the same configuration says: (exit code, output)."""
    done = program.place.run(program.argv(), check=False, timeout=20, **more)
    return done.returncode, done.stdout


def test_masters_death_and_the_next_master(fw, make_front, make_site):
    front = make_front(children=3)
    with Proxy(fw.stack.s3.rgw.port) as store:
        site = make_site(children=3, s3_endpoint=f"http://127.0.0.1:{store.port}")
        users = make_users(fw, 3)
        for watched, refusal in ((front, "another process listens on"), (site, f"is running already: pid {site.worker.pid} holds")):
            before = {c["pid"] for c in watched.wait_serving(3)}
            code, said = second_master(watched.program)
            assert code not in (0, 75) and refusal in said, said
            assert watched.pids() == before, "the first has lost nothing by it"
        # With another socket, it is the pid file that keeps them apart.
        conf = front.program.place.path("etc", "other.conf")
        with open(front.program.conf, encoding="utf-8") as f:
            front.program.place.write(conf, f.read().replace(front.program.socket_path, front.program.socket_path + "2"))
        done = front.program.place.run([*front.program.argv()[:1], "-c", conf, "-f"], check=False, timeout=20)
        assert done.returncode == 1 and f"is running already: pid {front.program.pid} holds" in done.stdout
        assert not os.path.exists(front.program.socket_path + "2")

        store.hold()
        site.ask(*users)
        site.wait_at_work(step="files", count=3)
        children = front.pids() | site.pids()
        answers = []
        held = fw.make_user(files=0)
        with row_held(fw, held):
            waiting = threading.Thread(target=lambda: answers.append(front.client.delete(held)))
            waiting.start()
            front.wait_at_work(step="request")
            for watched in (front, site):
                watched.signal(signal.SIGKILL)
            fw.wait_until(lambda: len([pid for pid in children if stat_of(pid)]) == 1, 10, "all children but the one at the request to leave")
        waiting.join(10)
        assert answers[0].status == 200
        fw.wait_until(lambda: not any(stat_of(pid) for pid in children), 10, "that one to leave")
        store.release()
        for watched in (front, site):
            watched.program.start()
            watched.wait_serving(3)
        site.wait_done(users)
    assert front.client.get(held).status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_is_refused(fw, make_front, make_site):
    for watched in (make_front(start=False), make_site(start=False)):
        program = watched.program
        program.prepare()
        there = set(os.listdir(fw.stack.place.path("run")))
        done = subprocess.run(program.argv(), capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 78, done.stderr
        assert f"{program.program} does not run as root" in done.stderr and "setpriv --reuid" in done.stderr
        assert set(os.listdir(fw.stack.place.path("run"))) == there and os.listdir(watched.run_dir) == []
