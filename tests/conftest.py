"""Fixtures on the real stack. The words a test may use are in tests/stack/README.md."""
import os
import signal

import pytest

pytest.register_assert_rewrite("tools")  # before they are imported

from stack import Stack  # noqa: E402
from stack.client import Client  # noqa: E402
from stack.farewell import TEST_DELAYS, Program  # noqa: E402
from tools.gateway import Outbox  # noqa: E402

# What makes tests quick: short retries, and a reconciler that does not wait for a quarter of an hour. And patience with servers that
# share a machine with five other stacks.
SETTINGS = {
    "common": {"retry_delays": TEST_DELAYS},
    "gateway": {"children": 2, "connect_timeout": "8s"},
    "worker": {"reconcile_every": "1s", "connect_timeout": "30s"},
}

# Files that take minutes go first, or the last of them runs alone.
LONG = ["worker/test_slow_queue", "worker/test_handed_back", "gateway/test_standby", "worker/test_broker", "worker/test_breaker",
        "gateway/test_alarm", "worker/test_versions", "worker/test_refusing_queue", "gateway/test_triggers", "worker/test_stores",
        "worker/test_pairing", "gateway/test_publish", "worker/test_prefixes", "worker/test_row_ids", "worker/test_adoptable",
        "worker/test_allow", "worker/test_check"]


def pytest_collection_modifyitems(items):
    def place(item):
        name = item.nodeid.partition(".py")[0]
        return LONG.index(name) if name in LONG else len(LONG)
    items.sort(key=place)


def pytest_addoption(parser):
    parser.addoption("--keep-stack", action="store_true", default=bool(os.environ.get("FAREWELL_KEEP_STACK")),
                     help="leave the servers running; the next run takes them up again")


def pytest_configure(config):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stack is taken down then too


@pytest.fixture(scope="session")
def stack(request):
    """The stack of this session: real servers and both programs, started once."""
    stack = Stack.take("check", settings=SETTINGS)
    try:
        for program in (stack.gateway, stack.worker):  # of an earlier run that kept its stack: not this build's
            program.stop()
        stack.up()
        stack.s3.make_bucket("farewell-test")
        yield stack
        for program in (stack.gateway, stack.worker):  # leaks are reported at the end
            program.stop()
        reports = stack.sanitizer_reports()
        assert not reports, "\n\n".join(reports)
    finally:
        if request.config.getoption("--keep-stack"):
            for daemon in list(stack.extra):
                daemon.stop()
        else:
            stack.down()


@pytest.fixture
def fw(stack, request):
    """The helper most tests need: fw.make_user(), fw.delete(user), fw.mails(user) ...

    After the test everything is put back: servers started, faults ended, extra instances stopped. The worker runs with its usual
    settings, unless the test says with @pytest.mark.own_worker that it configures it first of all: then it may be stopped."""
    if not request.node.get_closest_marker("own_worker") and not stack.worker.running:
        stack.worker.start()
    yield Client(stack)
    stack.heal()


@pytest.fixture
def more_gateway(stack, fw):
    """more_gateway({"gateway": {...}}) starts another farewell-fcgi; fw.at(it) talks to it."""
    def start(overrides=None, **options):
        return stack.more_gateway(f"gateway{len(stack.extra) + 2}", overrides, **options)
    return start


@pytest.fixture
def more_worker(stack, fw):
    """more_worker({"worker": {...}}) starts another farewell-workerd."""
    def start(overrides=None, **options):
        return stack.more_worker(f"worker{len(stack.extra) + 2}", overrides, **options)
    return start


@pytest.fixture
def outbox(stack):
    """An exchange and a queue of the test's own: what a gateway publishes there, no worker takes."""
    with Outbox(stack) as outbox:
        yield outbox


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """No test may hang: ten minutes, or what its mark says: @pytest.mark.deadline(1800)."""
    mark = item.get_closest_marker("deadline")
    seconds = mark.args[0] if mark else 600

    def too_late(signum, frame):
        raise TimeoutError(f"the test took longer than {seconds} s")
    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds what Farewell logged during a failed test to its report."""
    outcome = yield
    report = outcome.get_result()
    stack = item.funcargs.get("stack") or getattr(item.funcargs.get("fw"), "stack", None)
    if report.failed and stack is not None:
        for daemon in (stack.gateway, stack.worker, *stack.extra):
            tail = daemon.log_tail(30)
            if tail and isinstance(daemon, Program):
                report.sections.append((f"{daemon.name} ({daemon.log})", tail))
