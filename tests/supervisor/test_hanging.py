"""Children that hang in earnest: a store that does not answer, a child that is stopped, a peer that sends half a request."""
import os
import re
import signal
import socket

import pytest

from tools.proxy import Proxy
from tools.supervised import IDLE

pytestmark = pytest.mark.outage

FRAMES = r"\n(?:(?:.*\n)*?.+\[0x[0-9a-f]+\]\n){4,}"     # other processes may write in between


def test_soft_timeout_ends_the_job_and_not_the_child(fw, make_site):
    site = make_site(children=1, handover_after="2s", soft_timeout="20s", hard_timeout="1m", s3_timeout="40s", smtp_timeout="5s",
                     smtp_answer_timeout="5s")
    child, = site.wait_serving(1)
    user, = fw.make_users(1, files=1)
    fw.stack.s3.osd.pause()
    deletion, = site.ask(user)
    assert site.wait_at_work(deletion, "files")[0]["pid"] == child["pid"]
    row = fw.wait_status(user, "retrying")
    assert row["attempts"] >= 1 and "soft_timeout" in row["last_error"] and row["files_deleted"] == 0
    fw.stack.s3.osd.resume()
    site.wait_done([user])
    assert site.pids() == {child["pid"]} and site.total("kills") == 0
    assert site.children()[0]["failures"] >= 1


def test_hard_timeout_gives_the_message_to_another(fw, make_site):
    with Proxy(fw.stack.s3.rgw.port) as store:
        site = make_site(children=2, handover_after="2s", soft_timeout="6s", s3_timeout="3s", smtp_timeout="2s", smtp_answer_timeout="2s", hard_timeout="7s",
                         s3_endpoint=f"http://127.0.0.1:{store.port}")
        site.wait_serving(2)
        users = fw.make_users(2, files=1)
        for user, goes_on in zip(users, (False, True)):
            store.hold()
            deletion, = site.ask(user)
            child = site.wait_at_work(deletion, "files")[0]["pid"]
            os.kill(child, signal.SIGSTOP)
            store.release()
            site.wait_log("worker child hangs: busy for", f"child={child} step=files job={deletion}")
            if goes_on:     # then it can still say where it was
                os.kill(child, signal.SIGCONT)
                fw.wait_until(lambda: re.search(rf"\[{child}\]: backtrace on signal 6 step=files job={deletion}" + FRAMES, site.log()), what="a backtrace")
            how = "signal 6 (Aborted)" if goes_on else "signal 9 (Killed)"
            site.wait_log(f"worker child was killed by {how}", "by its master", f"child={child} ", f"job={deletion}")
            row, = site.wait_done([user])
            assert (row["turn"], row["attempts"]) == (1, 0)
            last, = site.wait_log("completed files=1", f"deletion={deletion}")
            assert f"[{child}]" not in last
    assert site.total("kills") == 2 and site.total("crashes") == 0
    site.wait_serving(2)


def test_slow_job_is_reported_and_goes_on(fw, make_site):
    with Proxy(fw.stack.s3.rgw.port) as store:
        site = make_site(children=1, slow_job="400ms", s3_endpoint=f"http://127.0.0.1:{store.port}")
        user, = fw.make_users(1, files=1)
        store.hold()
        deletion, = site.ask(user)
        child = site.wait_at_work(deletion, "files")[0]["pid"]
        site.wait_log("worker child is slow: at this job for", f"child={child} step=files job={deletion}")
        fw.wait_until(lambda: re.search(rf"\[{child}\]: backtrace on signal 23 step=files job={deletion}" + FRAMES, site.log()), what="a backtrace")
        store.release()
        row, = site.wait_done([user])
    assert (row["turn"], row["attempts"]) == (1, 0)
    assert site.pids() == {child} and len(site.wait_log("is slow")) == 1


def test_half_a_request_costs_one_child_its_time(fw, make_front):
    front = make_front(children=2, confirm_timeout="2s", lock_timeout="2500ms", statement_timeout="3s", request_timeout="4s",
                       nginx_read_timeout="15s", soft_timeout="5s", hard_timeout="6s")
    front.wait_serving(2)
    user = fw.make_user(files=0)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(front.program.socket_path)
        peer.sendall(b"\1\1\0\1\0")
        fw.wait_until(lambda: [c for c in front.children() if c["step"] == "reading"], what="a child to read")
        assert front.client.delete(user).status == 200, "the other one serves meanwhile"
        front.wait_log("gateway child hangs: busy for", "step=reading")
        front.wait_log("gateway child was killed by signal 6", "by its master")
        assert re.search("backtrace on signal 6 step=reading job=" + FRAMES, front.log())
    front.wait_serving(2)
    assert {c["state"] for c in front.children()} == {IDLE} and front.total("kills") == 1
