"""HUP: a new configuration, and children that are replaced a few at a time."""
import os
import signal
import threading
import time

from stack import PATIENCE
from tools.pool import answer, until


def generation(pool, number, count):
    until(lambda: {child["generation"] for child in pool.children()} == {number} and len(pool.serving()) == count,
          f"{count} children of generation {number}")


def test_rolls_over_under_load_without_a_failed_job(make_pool):
    pool = make_pool(children=4).start()
    pool.wait_serving(4)
    answers, ended = [], threading.Event()

    def load():
        while not ended.is_set():
            answers.append(pool.ask("sleep 20"))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    fewest = 4
    for number in (2, 3):
        until(lambda enough=20 * (number - 1): len(answers) > enough, "some load")
        pool.signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE
        while {child["generation"] for child in pool.children()} != {number}:
            fewest = min(fewest, len(pool.serving()))
            assert len(pool.pids()) <= 5, "one more than there should be, at most"
            assert time.monotonic() < end
    generation(pool, 3, 4)
    ended.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {"slept"}
    assert fewest == 4, "never fewer than there should be"
    assert pool.total("crashes") == 0 and pool.total("restarts") == 0 and pool.total("reloads") == 2
    assert pool.log_count("warning|error") == 0


def test_new_settings_count(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    pool.configure(children=5, max_jobs_per_child=1)
    pool.signal(signal.SIGHUP)
    generation(pool, 2, 5)
    pool.ask()
    pool.wait_log("step=max_jobs_per_child")
    pool.configure(children=1)
    pool.signal(signal.SIGHUP)
    until(lambda: len(pool.pids()) == 1, "one child left")
    generation(pool, 3, 1)


def test_spare_children_are_rolled_too(make_pool):
    settings = dict(children=None, start_children=4, min_spare=1, max_spare=4, max_children=4)
    pool = make_pool(**settings, env={"DEMO_AUX": "1"}).start()
    pool.wait_serving(4)
    until(lambda: pool.pids("aux"), "the aux child")
    pool.signal(signal.SIGHUP)
    until(lambda: {child["generation"] for child in pool.children()} == {2} and len(pool.serving()) >= 3, "a new generation")
    until(lambda: [child["generation"] for child in pool.children("aux")] == [2], "the aux child's replacement")
    assert pool.total("restarts") == 0 and pool.log_count("warning|error") == 0


def test_busy_children_finish_first(make_pool):
    pool = make_pool(children=1).start()
    job = pool.send("read")
    old = pool.wait_busy()[0]["pid"]
    pool.signal(signal.SIGHUP)
    until(lambda: [c for c in pool.serving() if c["generation"] == 2], "a new child")
    assert pool.ask() != str(old)
    assert old in pool.pids()
    job.sendall(b"x")
    assert answer(job) == "read"
    until(lambda: old not in pool.pids(), "the old child's end")


def test_broken_file_keeps_the_old(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    before = pool.pids()
    with open(pool.path("farewell.conf"), "a") as f:
        f.write("nonsense = 1\n")
    pool.signal(signal.SIGHUP)
    pool.wait_log("configuration not reloaded")
    assert "nonsense" in pool.log()
    time.sleep(0.3)
    assert pool.pids() == before and pool.ask().isdigit()
    assert pool.total("reloads") == 0 and pool.total("reloads_refused") == 1


def test_the_programs_own_check_counts(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    before = pool.pids()
    open(pool.path("refuse"), "w").close()
    pool.signal(signal.SIGHUP)
    pool.wait_log("configuration not reloaded")
    assert "the demo refuses" in pool.log()
    os.unlink(pool.path("refuse"))
    pool.common["run_dir"] = "/"
    pool.configure(children=2)
    with open(pool.path("farewell.conf")) as f:
        text = f.read().replace(f'run_dir = "{pool.dir}"', "", 1)
    with open(pool.path("farewell.conf"), "w") as f:
        f.write(text)
    pool.signal(signal.SIGHUP)
    pool.wait_log("common.run_dir can't change")
    pool.wait_log("configuration not reloaded", 2)
    assert pool.pids() == before


def test_refused_by_the_first_child_goes_back(make_pool):
    pool = make_pool(children=3).start()
    pool.wait_serving(3)
    before = pool.pids()
    pool.begin("misconfigured")
    pool.configure(children=5)
    pool.signal(signal.SIGHUP)
    pool.wait_log("going on with the old one")
    pool.begin(None)
    assert pool.pids() & before == before
    assert "backing off" not in pool.log()
    os.kill(before.pop(), signal.SIGKILL)
    until(lambda: len(pool.serving()) == 3 and pool.total("crashes") == 2, "the replacement")
    assert {child["generation"] for child in pool.children()} == {1}
    pool.signal(signal.SIGHUP)
    generation(pool, 3, 5)


def test_a_first_child_without_its_server_leaves_the_old_ones_serving(make_pool):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    before = pool.pids()
    pool.begin("try-later")
    pool.signal(signal.SIGHUP)
    pool.wait_log("those with the old one go on")
    pool.wait_log("in 1 s")
    assert pool.pids() >= before and pool.ask().isdigit()
    pool.begin(None)
    generation(pool, 2, 2)


def test_twice_in_a_row_and_before_anything_serves(make_pool):
    pool = make_pool(children=2, start="wait 700").start(serving=False)
    pool.wait_log("demo child begins")
    pool.signal(signal.SIGHUP)
    pool.wait_log("generation=2")
    pool.begin("wait 300")
    pool.signal(signal.SIGHUP)
    generation(pool, 3, 2)
    pool.signal(signal.SIGHUP)
    generation(pool, 4, 2)
    assert pool.total("crashes") == 0
    assert pool.stop() == 0
