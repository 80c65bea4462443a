"""How many children there are (what the policy decides is tested in tests/unit/test_policy.c)."""
import os
import re
import signal
import time

from tools.pool import answer, until


def test_first_child_alone_then_the_rest(make_pool):
    pool = make_pool(children=4, start="wait 600").start(serving=False)
    pool.wait_log("demo child begins", 4)
    pool.wait_serving(4)
    assert re.findall(r"first=\d|\]: serving", pool.log()) == ["first=1", "]: serving"] + ["first=0"] * 3


def test_fixed_number_is_kept(make_pool):
    pool = make_pool(children=3).start()
    pool.wait_serving(3)
    before = pool.pids()
    assert pool.ask() in {str(pid) for pid in before}
    victim = sorted(before)[1]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in pool.pids() and len(pool.serving()) == 3, "the replacement")
    assert len(pool.pids() & before) == 2
    assert pool.total("crashes") == 1 and pool.total("restarts") == 1 and pool.total("spawned") == 4


def test_a_hundred_children(make_pool):
    pool = make_pool(children=100).start()
    pool.wait_serving(100)
    assert pool.stop() == 0


def test_spares_grow_and_shrink_and_max_is_said_once(make_pool):
    pool = make_pool(children=None, start_children=2, min_spare=2, max_spare=3, max_children=5).start()
    pool.wait_serving(2)
    jobs = [pool.send("read") for _ in range(4)]
    pool.wait_serving(5)  # 4 busy and 2 spare would be 6
    pool.wait_log("max_children reached")
    assert len(pool.pids()) == 5
    assert pool.total("max_children_reached") >= 1
    for job in jobs:
        job.sendall(b"x")
        assert answer(job) == "read"
        job.close()
    oldest = {child["pid"] for child in sorted(pool.children(), key=lambda child: child["started_ms"])[:2]}
    pool.wait_serving(3)
    until(lambda: len(pool.pids()) == 3, "the others gone")
    assert not oldest & pool.pids(), "the oldest go first"


def test_max_children_is_counted_each_time_and_said_once(make_pool):
    pool = make_pool(children=None, start_children=3, min_spare=2, max_spare=3, max_children=3).start()
    pool.wait_serving(3)
    for count in (1, 2):
        with pool.send("read"), pool.send("read"):
            until(lambda count=count: pool.total("max_children_reached") == count, "all busy")
        until(lambda: [child["state"] for child in pool.children()] == [2] * 3, "all idle")
        before = switches([pool.master()])[pool.master()]
        until(lambda before=before: switches([pool.master()])[pool.master()] > before + 1, "the master to have looked")
    assert pool.log_count("max_children reached") == 1


def test_ttin_and_ttou(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    pool.signal(signal.SIGTTIN)
    pool.wait_serving(3)
    for count, left in enumerate((2, 1, 1, 1), 2):  # and never fewer; one at a time, or two could be one
        pool.signal(signal.SIGTTOU)
        assert f"children is now {left} " in pool.wait_log("children is now .*", count).group()
    until(lambda: len(pool.pids()) == 1, "one child left")
    pool.signal(signal.SIGTTIN)
    pool.wait_serving(2)
    assert pool.total("crashes") == 0


def test_second_kind_has_one_child_and_comes_second(make_pool):
    pool = make_pool(env={"DEMO_AUX": "1"}, start="wait 500").start(serving=False)
    pool.wait_log("demo child begins")
    pool.wait_serving(2)
    first = until(lambda: pool.pids("aux"), "the aux child")
    started = {kind: min(child["started_ms"] for child in pool.children(kind)) for kind in ("demo", "aux")}
    assert started["aux"] >= started["demo"] + 500, "it waits until the first of the others serves"
    os.kill(first.pop(), signal.SIGTERM)
    until(lambda: pool.total("restarts") == 1 and len(pool.pids("aux")) == 1, "its replacement")


def switches(pids):
    """How often each process has gone to sleep so far, as the kernel counts it."""
    count = {}
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            count[pid] = sum(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
    return count


def test_idle_pool_sleeps(make_pool):
    """No polling faster than once a second."""
    pool = make_pool(children=4).start()
    pool.wait_serving(4)
    time.sleep(0.3)
    pids = pool.pids() | {pool.master()}
    began, before = time.monotonic(), switches(pids)
    time.sleep(2)
    after = switches(pids)
    seconds = time.monotonic() - began
    for pid, count in after.items():
        assert count - before[pid] <= (seconds + 2 if pid == pool.master() else 1), f"{pid} is not idle"


def test_one_connection_wakes_one_child(make_pool):
    pool = make_pool(children=6).start()
    pool.wait_serving(6)
    time.sleep(0.3)
    pids = pool.pids()
    before = switches(pids)
    answers = set()
    for _ in range(20):
        answers.add(pool.ask())
        time.sleep(0.01)
    after = switches(pids)
    assert sum(after.values()) - sum(before.values()) < 60, "some 20 are needed"
    assert len(answers) > 3, "the one that has waited longest, not always the same"
