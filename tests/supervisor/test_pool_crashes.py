"""Children that end when they should not."""
import re
import signal
import time

from tools.pool import alive, until


def test_a_death_is_told_in_words(make_pool):
    pool = make_pool(children=1).start()
    assert pool.ask("segv") == ""
    line = pool.wait_log(r"was killed by signal 11.*").group()
    assert re.search(r"was killed by signal 11 \(Segmentation fault\)(, core dumped)? after [\d.]+m?s child=\d+ slot=0 generation=1 state=busy "
                     r"step=working jobs=0 failures=0 job=segv$", line)
    assert pool.ask("exit 3") == ""
    pool.wait_log(r"ended with exit code 3 after .* job=exit 3")
    assert pool.total("crashes") == 2
    assert "backing off" not in pool.log(), "it had its first job"
    assert pool.ask().isdigit()


def test_slot_of_a_crashed_child_is_clean(make_pool):
    pool = make_pool(children=1).start()
    pool.ask("fail")
    until(lambda: pool.children()[0]["failures"] == 1, "the failure counted")
    pool.ask("segv")
    child = until(lambda: [c for c in pool.serving() if c["failures"] == 0], "a new child")[0]
    assert child["job"] == "" and child["jobs"] == 0


def test_crash_loop_backs_off(make_pool):
    pool = make_pool(children=4, start="crash").start(serving=False)
    pool.wait_log("the next demo child is started in 1 s")
    pool.wait_log("the next demo child is started in 2 s")
    assert pool.log_count("was killed by signal 11") == 2, "one child a try, not four"


def test_many_that_die_together_are_one_failure(make_pool):
    """The master hears of all of them at once, and only the next try is the second failure."""
    pool = make_pool(children=6).start()
    pool.wait_serving(6)
    pool.begin("try-later")
    pids = pool.pids()
    pool.signal(signal.SIGSTOP)
    for _ in range(6):
        pool.ask("exit 75")
    until(lambda: not any(alive(pid) for pid in pids), "all six to die")
    pool.signal(signal.SIGCONT)
    pool.wait_log("in 2 s")
    six, _, further = pool.log().partition("in 1 s")[2].partition("demo child begins")
    assert "backing off" not in six and "in 2 s" in further
    assert pool.log_count("gave up .exit code 75: a server is away or refuses us.") >= 7
    pool.begin(None)
    pool.wait_serving(6)
    assert pool.total("crashes") == 0, "one whose server is away has not crashed"
    pool.ask()
    pool.ask("exit 75")
    pool.wait_log("in 1 s", 2)


def test_those_that_live_go_on_meanwhile(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    pool.begin("crash")
    assert pool.ask("exit 3") == ""
    pool.wait_log("in 2 s")
    for _ in range(5):
        assert pool.ask().isdigit()


def test_leaving_at_once_is_a_crash_loop_too(make_pool):
    pool = make_pool(children=2, start="leave").start(serving=False)
    pool.wait_log("in 2 s")
    assert pool.log_count("ended as it should") == 2


def test_serving_and_dying_is_one_as_well(make_pool):
    pool = make_pool(children=2, start="serve-and-die").start(serving=False)
    pool.wait_log("in 2 s")
    time.sleep(1)
    assert pool.log_count("ended with exit code 1") <= 6, "those of two tries"


def test_misconfigured_at_start_gives_up(make_pool):
    pool = make_pool(start="misconfigured").start(serving=False)
    assert pool.wait() == 78
    assert "the demo does not like its settings" in pool.log()
    assert pool.log_count("demo child begins") == 1
    assert "giving up: the first child refused the configuration" in pool.log()


def test_a_server_away_at_start_does_not(make_pool):
    pool = make_pool(start="try-later").start(serving=False)
    pool.wait_log("in 1 s")
    assert pool.process.poll() is None
    pool.begin(None)
    pool.wait_serving(2)


def test_misconfigured_later_does_not(make_pool):
    pool = make_pool().start()
    pool.wait_serving(2)
    pool.begin("misconfigured")
    pool.ask("segv")
    pool.wait_log("refused the configuration .exit code 78")
    pool.wait_log("in 1 s")
    assert pool.ask().isdigit()
    pool.signal(signal.SIGTERM)
    assert pool.wait() == 0
