"""Too few descriptors or too little memory: at the start no mistake in the configuration (78), later a reason to replace a child."""
import os
import subprocess

import pytest

from stack import PATIENCE
from tools.pool import demo_child

pytestmark = pytest.mark.outage

EX_OSERR = 71


@pytest.fixture
def start_short(fw):
    """start_short(program, limit): a start with that limit of prlimit(1); (the process, a function that reads its log)."""
    started = []

    def start(program, limit):
        place = fw.stack.place
        log = place.path("log", f"short-{len(started)}.log")
        program.prepare()
        with open(log, "wb") as f:
            process = subprocess.Popen(["prlimit", limit, *program.argv()], env=place.environment(), stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                       cwd=place.dir, start_new_session=True, **place.as_user())
        started.append(process)

        def said():
            with open(log, errors="replace", encoding="utf-8") as f:
                return f.read()
        return process, said

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


@pytest.mark.parametrize("limit", ["--nofile=9:1024", "--nofile=11:1024"])
def test_too_few_descriptors_for_a_child(fw, make_site, start_short, limit):
    """The master has what it needs; its child is started again and again, and serves when it gets enough."""
    site = make_site(start=False, children=1)
    process, said = start_short(site.program, limit)
    fw.wait_until(lambda: "the next worker child is started in 2 s" in said(), what="the second try")
    assert process.poll() is None
    assert "mail_templates" in said() and "gave up (exit code 71: no memory or descriptors)" in said()
    set_limit(fw, process.pid, "--nofile=1024:1024")
    fw.wait_until(lambda: (site.ready() or (0, 0))[1] == 1, what="the child to serve")


def test_too_few_to_read_the_configuration(make_pool):
    without = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}     # looking for leaks takes a descriptor
    pool = make_pool(wrap=("prlimit", "--nofile=4"), env=without)
    done = subprocess.run(pool.command, env=pool.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == EX_OSERR
    assert "farewell.conf: can't be opened: Too many open files" in done.stderr
    assert "that is no fault of the configuration: the system gives no more file descriptors" in done.stderr


@pytest.fixture
def sound_allocator():
    """The address sanitizer's ends the program where malloc returns NULL."""
    with open(demo_child(), "rb") as f:
        if b"__asan_init" in f.read():
            pytest.skip("the address sanitizer does not live without memory")


def set_limit(fw, pid, limit):
    subprocess.run(["prlimit", f"--pid={pid}", limit], check=True, **fw.stack.place.as_user())


def test_a_worker_that_gets_no_memory_is_replaced(fw, make_site, sound_allocator):
    """What it had in hand comes again: from the broker, or from the reconciler if it was to be tried later."""
    site = make_site(children=2)
    before = {c["pid"] for c in site.wait_serving(2)}
    for pid in before:
        set_limit(fw, pid, "--as=1:")
    users = fw.make_users(6, files=3)
    site.ask(*users)
    site.wait_log("gave up (exit code 71: no memory or descriptors)", count=2)
    site.wait_log("backing off")
    site.wait_serving(2)
    assert not site.pids() & before
    # What was passed on without a message is the reconciler's, which is the other worker's, and otherwise waits a quarter of an hour.
    fw.stack.worker.configure({"worker": {"reconcile_after": "1s", "reconcile_every": "300ms"}})
    fw.psql("users", "UPDATE farewell.request SET reconcile_at = now() WHERE user_id = ANY (%s)", [str(u.id) for u in users])
    site.wait_done(users)


def test_a_gateway_child_that_gets_no_memory_is_replaced(fw, make_front, outbox, sound_allocator):
    front = make_front(children=2)
    before = {c["pid"] for c in front.wait_serving(2)}
    for pid in before:
        set_limit(fw, pid, "--as=1:")
    users = iter(fw.make_users(2000, files=0))

    def replaced():
        front.client.delete(next(users))
        return not front.pids() & before
    fw.wait_until(replaced, what="two other children")
    front.wait_serving(2)
    assert front.client.delete(next(users)).status == 200


def test_the_pool_backs_off_while_there_is_none(make_pool, sound_allocator):
    pool = make_pool(children=2).start()
    pool.wait_serving(2)
    subprocess.run(["prlimit", f"--pid={pool.process.pid}", "--as=1:"], check=True)   # what it starts inherits that
    for pid in pool.pids():
        subprocess.run(["prlimit", f"--pid={pid}", "--as=1:"], check=True)
    for _ in range(2):
        pool.ask("fail")
    pool.wait_log("gave up .exit code 71: no memory or descriptors.", 2)
    pool.wait_log("the next demo child is started in 1 s")
    pool.wait_log("the next demo child is started in 2 s")
    subprocess.run(["prlimit", f"--pid={pool.process.pid}", "--as=unlimited:"], check=True)
    pool.wait_serving(2)
    assert pool.ask().isdigit()
