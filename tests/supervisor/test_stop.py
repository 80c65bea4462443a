"""TERM under load, and the death of the master: nothing is lost, and the next one starts."""
import os
import signal
import subprocess
import threading

import pytest

from stack.proc import stat_of
from tools.jobs import row_held
from tools.proxy import Proxy
from tools.supervised import Load

pytestmark = pytest.mark.outage


# A held row is waited for, however long the rest of a test takes.
PATIENT = {"confirm_timeout": "50s", "lock_timeout": "1m", "statement_timeout": "70s", "request_timeout": "80s",
           "nginx_read_timeout": "90s", "soft_timeout": "2m", "hard_timeout": "3m", "stop_timeout": "2m"}


def end_of(fw, program):
    """TERM; its exit code."""
    os.kill(program.pid, signal.SIGTERM)
    fw.wait_until(lambda: not program.running, what=f"{program.name} to end")
    return program.child.returncode


def test_gateway_answers_what_it_has_taken(fw, make_front, outbox):
    front = make_front(children=4, **PATIENT)
    front.program.nginx.configure(read_timeout="90s")
    gateway, held = front.program, fw.make_user(files=0)
    answers = []
    with row_held(fw, held):
        waiting = threading.Thread(target=lambda: answers.append(front.client.delete(held)))
        waiting.start()
        front.wait_at_work(step="request")
        with Load(front.client, fw.make_users(6000), clients=4) as load:
            load.wait_more(40)
            os.kill(gateway.pid, signal.SIGTERM)
            fw.wait_until(lambda: [m for m, _, _ in load.others.copy()].count("DELETE") >= 4, what="newcomers to be refused at once")
        assert gateway.running, "the request that waits for the row is still in hand"
    waiting.join()
    fw.wait_until(lambda: not gateway.running, what="the gateway to end")
    assert gateway.child.returncode == 0 and answers[0].status == 200
    # nginx answers for one that has gone; nobody was cut off in the middle.
    assert {getattr(answer, "status", answer) for _, _, answer in load.others} == {502}
    done = sorted(str(u) for u in [*load.deleted, held])
    assert sorted(m["userId"] for _, m in outbox.messages()) == done
    refused = [u for method, u, _ in load.others if method == "DELETE"]
    assert fw.psql("users", "SELECT user_id FROM farewell.request WHERE user_id = ANY (%s)", [str(u) for u in refused]) == []
    gateway.start()
    assert {front.client.delete(u).status for u in refused[:4]} == {200}


def test_worker_finishes_or_hands_over(fw, make_site):
    """A mail that is on its way is waited for; who is at the files hands over; what waits in the queue stays there."""
    with Proxy(fw.stack.s3.rgw.port) as store:
        site = make_site(children=4, stop_timeout="1m", s3_endpoint=f"http://127.0.0.1:{store.port}")
        users = fw.make_users(12, files=1)
        fw.stack.smtp.control(delay=3)
        mailing = site.ask(*users[:2])
        site.wait_at_work(step="mail", count=2)
        store.hold()
        site.ask(*users[2:])
        site.wait_at_work(step="files", count=2)
        assert end_of(fw, site.worker) == 0
        assert site.bad_lines() == []
        rows = fw.psql("worker", "SELECT *, deletion_id::text AS id FROM farewell.deletion WHERE user_id = ANY (%s)", [str(u.id) for u in users])
        done = {r["id"] for r in rows if r["status"] == "completed"}
        handed_over = [(r["starts"], r["turn"]) for r in rows if r["status"] != "completed"]
        assert done == set(mailing)
        assert len(handed_over) >= 2 and set(handed_over) == {(0, 2)}
        fw.wait_until(lambda: site.ready() == (10, 0), what="what is left to wait in the queue")
        fw.stack.smtp.control()
        store.release()
        site.start()
        rows = site.wait_done(users)
    assert {r["mail"] for r in rows} == {"sent"} and {r["turn"] for r in rows} == {1, 2}


def test_a_child_that_does_not_hear_is_killed_at_stop_timeout(fw, make_site):
    with Proxy(fw.stack.s3.rgw.port) as store:
        site = make_site(children=1, stop_timeout="1s", s3_endpoint=f"http://127.0.0.1:{store.port}")
        user, = fw.make_users(1, files=1)
        store.hold()
        deletion, = site.ask(user)
        child = site.wait_at_work(deletion, "files")[0]
        os.kill(child["pid"], signal.SIGSTOP)
        assert end_of(fw, site.worker) == 0
        site.wait_log("stop_timeout is over: killing the 1 children")
        site.wait_log("worker child was killed by signal 9", f"child={child['pid']} ", f"job={deletion}", "by its master")
        store.release()
        site.start()
        row, = site.wait_done([user])
    assert (row["turn"], row["attempts"]) == (1, 0), "the message came again"


def second_master(program, **more):
    """What a second start with the same configuration says: (exit code, output)."""
    done = program.place.run(program.argv(), check=False, **more)
    return done.returncode, done.stdout


def test_masters_death_and_the_next_master(fw, make_front, make_site):
    front = make_front(children=3, **PATIENT)
    front.program.nginx.configure(read_timeout="90s")
    with Proxy(fw.stack.s3.rgw.port) as store:
        site = make_site(children=3, s3_endpoint=f"http://127.0.0.1:{store.port}")
        users = fw.make_users(3, files=1)
        for watched, refusal in ((front, "another process listens on"), (site, f"is running already: pid {site.worker.pid} holds")):
            before = {c["pid"] for c in watched.wait_serving(3)}
            code, said = second_master(watched.program)
            assert code not in (0, 75) and refusal in said, said
            assert watched.pids() == before, "the first has lost nothing by it"
        # With another socket, it is the pid file that keeps them apart.
        conf = front.program.place.path("etc", "other.conf")
        with open(front.program.conf, encoding="utf-8") as f:
            front.program.place.write(conf, f.read().replace(front.program.socket_path, front.program.socket_path + "2"))
        done = front.program.place.run([*front.program.argv()[:1], "-c", conf, "-f"], check=False)
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
            fw.wait_until(lambda: len([pid for pid in children if stat_of(pid)]) == 1, what="all children but the one at the request to leave")
        waiting.join()
        assert answers[0].status == 200
        fw.wait_until(lambda: not any(stat_of(pid) for pid in children), what="that one to leave")
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
        there = {place: set(os.listdir(place)) for place in (fw.stack.place.path("run"), watched.run_dir)}
        done = subprocess.run(program.argv(), capture_output=True, text=True, check=False)
        assert done.returncode == 78, done.stderr
        assert f"{program.program} does not run as root" in done.stderr and "setpriv --reuid" in done.stderr
        assert {place: set(os.listdir(place)) for place in there} == there, "nothing was made"
