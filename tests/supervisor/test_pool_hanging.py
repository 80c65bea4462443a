"""Children that hang or are slow, and time that must not be held against them."""
import os
import signal
import time

from tools.pool import alive, answer, until


def test_soft_time_out_says_hurry(make_pool):
    pool = make_pool(children=1, soft_timeout="2s").start()
    first = pool.ask()
    assert pool.ask("sleep 200") == "slept"
    assert pool.ask("sleep 10000") == "hurried"
    assert pool.ask() == first
    assert pool.ask("sleep 200") == "slept", "the next job starts with all its time"


def test_hard_time_out_ends_it_with_a_backtrace(make_pool):
    pool = make_pool(children=1, soft_timeout="1s", hard_timeout="2s").start()
    assert pool.ask("hang") == ""
    line = pool.wait_log("demo child hangs: .*").group()
    assert "busy for" in line and "step=working job=hang" in line
    assert pool.wait_log(r"backtrace on signal 6 step=working job=hang\n((.*\n)*?.+\[0x[0-9a-f]+\]\n){4,}")
    assert "by its master" in pool.wait_log("was killed by signal 6 .*").group()
    assert pool.ask().isdigit()
    assert pool.total("kills") == 1 and pool.total("crashes") == 0
    assert "backing off" not in pool.log()


def test_busy_in_a_loop_is_ended_as_well(make_pool):
    pool = make_pool(children=1, soft_timeout="1s", hard_timeout="2s").start()
    assert pool.ask("spin") == ""
    pool.wait_log("backtrace on signal 6")
    assert pool.ask().isdigit()


def test_one_that_can_not_even_abort_is_killed(make_pool):
    pool = make_pool(children=1, soft_timeout="1s", hard_timeout="2s").start()
    connection = pool.send("hang")
    child = pool.wait_busy()[0]["pid"]
    os.kill(child, signal.SIGSTOP)
    assert answer(connection) == ""
    assert "by its master" in pool.wait_log("was killed by signal 9 .*").group()
    assert pool.ask().isdigit()
    assert pool.total("kills") == 1


def test_hanging_before_it_serves(make_pool):
    pool = make_pool(children=1, soft_timeout="1s", hard_timeout="2s", start="hang").start(serving=False)
    pool.wait_log("demo child hangs: starting for")
    pool.begin(None)
    pool.wait_log("backing off")
    pool.wait_serving(1)


def test_slow_job_is_reported_and_not_disturbed(make_pool):
    pool = make_pool(children=1, slow_job="300ms").start()
    with pool.send("read") as connection:
        line = pool.wait_log("demo child is slow: .*").group()
        assert "step=working job=read" in line
        pool.wait_log(r"backtrace on signal 23 step=working job=read\n((.*\n)*?.+\[0x[0-9a-f]+\]\n){4,}")
        time.sleep(1.2)
        connection.sendall(b"x")
        assert answer(connection) == "read"
    assert pool.log_count("is slow") == 1
    assert pool.total("restarts") == 0
    assert pool.ask("sleep 900") == "slept"
    pool.wait_log("is slow", 2)


def test_told_to_leave_but_does_not(make_pool):
    pool = make_pool(children=2, stop_timeout="700ms").start()
    pool.wait_serving(2)
    oldest = min(pool.children(), key=lambda child: child["started_ms"])["pid"]
    os.kill(oldest, signal.SIGSTOP)
    pool.signal(signal.SIGTTOU)
    pool.wait_log(f"demo child hangs: idle for .* child={oldest}")
    os.kill(oldest, signal.SIGCONT)
    until(lambda: oldest not in pool.pids(), "its end")
    pool.wait_log("was killed by signal 6 .*by its master")


def test_a_master_that_stood_still_blames_nobody(make_pool):
    """As after a suspension of the machine; but patience ends in the end."""
    pool = make_pool(children=1, hard_timeout="3s", soft_timeout="2900ms").start()
    connection = pool.send("hang")
    child = pool.wait_busy()[0]["pid"]
    pool.signal(signal.SIGSTOP)
    time.sleep(3.1)
    pool.signal(signal.SIGCONT)
    pool.wait_log("the master did not run for")
    time.sleep(0.3)
    assert "hangs" not in pool.log() and alive(child)
    assert answer(connection) == ""
    pool.wait_log("hangs: busy for")
