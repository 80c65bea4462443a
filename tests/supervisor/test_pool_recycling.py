"""Children are replaced between jobs: after so many, when they have grown, when their time is up."""
import re

from tools.pool import until


def test_after_so_many_jobs_each_a_little_earlier_or_later(make_pool):
    pool = make_pool(children=1, max_jobs_per_child=20).start()
    for _ in range(100):
        assert pool.ask().isdigit()
    pool.wait_log("ended as it should .* step=max_jobs_per_child", 4)
    jobs = [int(n) for n in re.findall(r"step=max_jobs_per_child jobs=(\d+)", pool.log())]
    assert len(jobs) >= 4 and set(jobs) <= {18, 19, 20}
    assert pool.total("crashes") == 0 and pool.total("restarts") == len(jobs)


def test_jobs_are_added_up_when_children_go(make_pool):
    pool = make_pool(children=1, max_jobs_per_child=3).start()
    for line in ("count", "fail", "pid", "count", "fail", "pid"):
        assert pool.ask(line)
    pool.wait_log("step=max_jobs_per_child", 2)
    board = until(lambda: (lambda b: b.totals["jobs"] == 6 and b)(pool.board()), "six jobs in the totals")
    assert board.totals["failures"] == 2 and board.totals["taken"] == 6
    assert board.counters[:3] == (0, 10, 0)


def test_when_grown(make_pool):
    pool = make_pool(children=1, max_child_rss="250M").start()
    first = pool.ask()
    assert pool.ask() == first
    until(lambda: pool.children()[0]["rss"] > 100_000, "a first measurement")
    assert pool.ask(f"leak {300 << 20}") == first
    pool.wait_log("step=max_child_rss")
    assert pool.ask() != first


def test_when_its_time_is_up_even_if_idle(make_pool):
    pool = make_pool(children=1, max_child_lifetime="1200ms").start()
    first = pool.pids()
    pool.wait_log("step=max_child_lifetime")
    until(lambda: pool.serving() and not pool.pids() & first, "another child")
    assert "backing off" not in pool.log()


def test_not_in_the_middle_of_a_job(make_pool):
    pool = make_pool(children=1, max_child_lifetime="1500ms").start()
    assert pool.ask("sleep 2500") == "slept"
    assert re.search(r"step=max_child_lifetime jobs=1", pool.wait_log("step=max_child_lifetime.*").group())
