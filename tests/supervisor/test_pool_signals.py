"""What the master's signals do; HUP has a file of its own."""
import os
import re
import signal
import time

from tools.pool import alive, answer, until


def test_term_finishes_what_is_in_hand(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    job = pool.send("read")
    pool.wait_busy()
    idle = next(child["pid"] for child in pool.children() if child["state"] == 2)
    pool.signal(signal.SIGTERM)
    until(lambda: not alive(idle), "the idle child's end")
    assert pool.process.poll() is None
    job.sendall(b"x")
    assert answer(job) == "read"
    assert pool.wait() == 0
    for name in ("demo.pid", "demo.scoreboard"):
        assert not os.path.exists(pool.path(name))
    assert pool.log_count("warning") == 0


def test_term_says_hurry(make_pool):
    pool = make_pool(children=1).start()
    job = pool.send("sleep 15000")
    pool.wait_busy()
    pool.signal(signal.SIGTERM)
    assert answer(job) == "hurried"
    assert pool.wait() == 0


def test_stop_timeout_kills(make_pool):
    pool = make_pool(children=1, stop_timeout="700ms").start()
    job = pool.send("hang")
    pool.wait_busy()
    pool.signal(signal.SIGTERM)
    assert answer(job) == ""
    assert pool.wait() == 0
    assert "stop_timeout is over: killing the 1 children" in pool.log()


def test_second_term_and_int_are_at_once(make_pool):
    for signals in ([signal.SIGTERM, signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGINT]):
        pool = make_pool(children=2, stop_timeout="10m").start()
        pool.send("hang")
        pool.wait_busy()
        for number in signals[:-1]:
            pool.signal(number)
            pool.wait_log("stopping: ")      # or two TERMs could be one
        pool.signal(signals[-1])
        assert pool.wait() == 0
        assert "stopping at once" in pool.log()


def test_usr1_reopens_logs_everywhere(make_pool):
    pool = make_pool(children=2)
    pool.common["log_file"] = pool.path("file.log")
    pool.configure(children=2)
    pool.start(serving=False)
    until(lambda: len(re.findall("demo child begins", pool.log("file.log"))) == 2, "both children in the log")
    os.rename(pool.path("file.log"), pool.path("old.log"))
    pool.signal(signal.SIGUSR1)
    until(lambda: os.path.exists(pool.path("file.log")) and "log reopened" in pool.log("file.log"), "the new file")

    def new_file(pid):
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") == pool.path("file.log") for fd in os.listdir(f"/proc/{pid}/fd"))

    for pid in pool.pids() | {pool.master()}:
        until(lambda pid=pid: new_file(pid), "every process at the new file")


def test_usr2_pauses_and_resumes(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    pool.signal(signal.SIGUSR2)
    pool.wait_log("paused")
    until(lambda: [child["step"] for child in pool.children()] == ["paused"] * 2, "both children pausing")
    job = pool.send("pid")
    time.sleep(0.5)
    assert [child["taken"] for child in pool.children()] == [0, 0]
    # One that comes now pauses as well.
    os.kill(pool.children()[0]["pid"], signal.SIGKILL)
    until(lambda: pool.total("restarts") == 1 and len(pool.serving()) == 2, "its replacement")
    time.sleep(0.3)
    assert [child["taken"] for child in pool.children()] == [0, 0]
    pool.signal(signal.SIGUSR2)
    pool.wait_log("resumed")
    assert answer(job).isdigit()


def test_the_masters_death_ends_the_children(make_pool):
    pool = make_pool(children=3).start()
    pool.wait_serving(3)
    job = pool.send("sleep 15000")
    pool.wait_busy()
    pids = pool.pids()
    pool.signal(signal.SIGKILL)
    assert answer(job) == "hurried"
    for pid in pids:
        until(lambda pid=pid: not alive(pid), "the children's end")
    pool.wait()
    # What it left behind hinders nobody.
    pool.start()
    assert pool.ask().isdigit()


def test_signals_to_the_whole_group_do_no_harm(make_pool):
    """Ctrl-C at a terminal and a supervisor that signals a whole group reach the children too."""
    pool = make_pool(children=2, wrap=("setsid",)).start()
    pool.wait_serving(2)
    for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1):
        os.killpg(pool.master(), number)
        time.sleep(0.2)
    pool.wait_serving(2)
    assert pool.total("crashes") == 0
    assert pool.log_count("warning") == 0
    os.killpg(pool.master(), signal.SIGTERM)
    assert pool.wait() == 0
