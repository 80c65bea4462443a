"""Children that are killed or crash in the middle of a job, and children that leave between jobs."""
import os
import re
import signal

import pytest

from tools.jobs import row_held
from tools.proxy import Proxy
from tools.supervised import Deliveries, Load

pytestmark = pytest.mark.outage


@pytest.mark.parametrize("number, words", [(signal.SIGKILL, r"signal 9 \(Killed\)"), (signal.SIGSEGV, r"signal 11 \(Segmentation fault\)(, core dumped)?")])
def test_killed_in_mid_job(fw, make_site, number, words):
    with open(fw.stack.program("farewell-workerd"), "rb") as f:
        if number == signal.SIGSEGV and b"__asan_init" in f.read():
            pytest.skip("the address sanitizer takes this signal for itself")
    with Proxy(fw.stack.s3.rgw.port) as store:
        site = make_site(children=2, s3_endpoint=f"http://127.0.0.1:{store.port}")
        before = {c["pid"] for c in site.wait_serving(2)}
        user, = fw.make_users(1, files=2)
        store.hold()
        deletion, = site.ask(user)
        child = site.wait_at_work(deletion, "files")[0]
        os.kill(child["pid"], number)
        site.wait_log("worker child was killed")
        store.release()
        row, = site.wait_done([user])
    assert (row["turn"], row["attempts"], row["files_deleted"]) == (1, 0, 2)
    assert re.search(rf"worker child was killed by {words} after [\d.]+m?s child={child['pid']} slot={child['slot']} generation=1 state=busy step=files"
                     rf" jobs=0 failures=0 job={deletion}\n", site.log())
    assert ("backtrace on signal 11 step=files job=" + deletion in site.log()) == (number == signal.SIGSEGV)
    site.wait_serving(2)
    assert len(site.pids() - before) == 1 and site.total("crashes") == 1 and site.total("kills") == 0
    assert deletion not in {c["job"] for c in site.children()}
    assert "backing off" not in site.log()


def test_a_gateway_child_killed_in_mid_request(fw, make_front, outbox):
    front = make_front(children=2)
    user = fw.make_user(files=0)
    with row_held(fw, user), Load(front.client, [user], clients=1) as load:
        child, = front.wait_at_work(step="request")
        os.kill(child["pid"], signal.SIGKILL)
        fw.wait_until(lambda: load.others, what="the client's answer")
    assert load.others[0][2].status == 502
    front.wait_log("gateway child was killed by signal 9", "state=busy step=request", f"job={child['job']}")
    assert fw.requests(user) == [] and outbox.messages() == []
    assert front.client.delete(user).status == 200, "asking again is safe"
    front.wait_serving(2)


def test_gateway_recycles_without_a_failed_request(fw, make_front, outbox):
    front = make_front(children=4, max_jobs_per_child=20)
    first = {c["pid"] for c in front.wait_serving(4)}
    with Load(front.client, fw.make_users(6000)) as load:
        load.wait_more(400)
    assert load.others == []
    front.wait_log("gateway child ended as it should", "step=max_jobs_per_child", count=15)
    ended = [int(jobs) for jobs in re.findall(r"gateway child ended as it should .* step=max_jobs_per_child jobs=(\d+)", front.log())]
    assert len(ended) >= 15 and set(ended) <= {18, 19, 20}
    fw.wait_until(lambda: not first & front.pids(), what="the first children to leave")
    assert front.bad_lines() == [] and front.total("crashes") == 0
    assert len(outbox.messages()) == len(load.deleted)


def test_worker_recycles_without_a_second_delivery(fw, make_site):
    site = make_site(children=3, max_jobs_per_child=3)
    first = {c["pid"] for c in site.wait_serving(3)}
    users = fw.make_users(16, files=1)
    with Deliveries(fw.stack, site.name) as deliveries:
        site.ask(*users)
        rows = site.wait_done(users)
    assert {(r["turn"], r["attempts"]) for r in rows} == {(1, 0)}
    assert deliveries.all == [False] * len(users)
    site.wait_log("worker child ended as it should", "step=max_jobs_per_child jobs=3 ", count=3)
    site.wait_serving(3)
    fw.wait_until(lambda: not first & site.pids(), what="the first children to leave")
    assert site.bad_lines() == []


def test_grown_children_leave_between_jobs(fw, make_front):
    front = make_front(children=2, max_child_rss="1M")     # they all have more
    front.wait_serving(2)
    for user in fw.make_users(5):
        assert front.client.delete(user).status == 200
    front.wait_log("gateway child ended as it should", "step=max_child_rss jobs=1 ", count=5)
    assert front.bad_lines() == []
    front.wait_serving(2)
