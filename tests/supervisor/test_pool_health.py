"""-H: how the program that runs is, by its scoreboard."""
import signal
import subprocess

from tools.pool import answer, until

AWAY = 8  # enum scoreboard_flag


def health(pool):
    done = subprocess.run([*pool.command, "-H"], env=pool.env, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout + done.stderr


def test_children_that_serve(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    assert health(pool) == (0, "2 demo children are ready\n")


def test_one_at_work_is_well(make_pool):
    pool = make_pool(children=1).start()
    with pool.send("read"):
        pool.wait_busy()
        assert health(pool) == (0, "1 demo child is ready\n")


def test_children_that_wait_for_a_server_are_not(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    jobs = []
    for count in (1, 2):
        jobs.append(pool.send("away"))
        until(lambda count=count: sum(child["flags"] & AWAY != 0 for child in pool.children()) == count, f"{count} away")
        assert health(pool) == [(0, "1 demo child is ready\n"), (1, "0 demo children are ready\n")][count - 1]
    open(pool.path("back"), "w").close()
    for job in jobs:
        assert answer(job) == "back"
    until(lambda: health(pool) == (0, "2 demo children are ready\n"), "both back")


def test_before_any_serves(make_pool):
    pool = make_pool(start="wait 15000").start(serving=False)
    pool.wait_log("demo child begins")
    assert health(pool) == (1, "0 demo children are ready\n")


def test_nobody_runs(make_pool):
    pool = make_pool()
    code, said = health(pool)
    assert code == 1 and pool.path("demo.scoreboard") in said
    pool.start()
    pool.signal(signal.SIGKILL)
    pool.wait()
    code, said = health(pool)
    assert code == 1 and "its master has ended" in said
