"""An exchange that is deleted, or a binding that is removed, on a system where nothing else happens: put back without a restart."""
import pytest

from stack.client import EXCHANGE, KEY, QUEUE
from tools.jobs import completed, log_lines, quiet, said

OWN = {"exchange": "gone.exchange", "queue": "gone.deletions", "parked_queue": "gone.parked", "retry_queue_prefix": "gone.retry"}
RETRY = [f"gone.retry.{delay}" for delay in ("1s", "2s", "4s", "8s")]


@pytest.fixture
def channel(fw):
    connection = fw.stack.rabbit.connect()
    yield connection.channel()
    connection.close()


@pytest.mark.own_worker
@pytest.mark.parametrize("what", ["exchange", "binding"])
def test_it_is_put_back(fw, channel, what):
    fw.stack.worker.configure({"worker": {"reconcile_every": "2s"}})
    user, pid = fw.make_user(files=1), fw.stack.worker.pid
    since = len(fw.stack.worker.log_text())
    if what == "exchange":
        channel.exchange_delete(EXCHANGE)
    else:
        channel.queue_unbind(QUEUE, EXCHANGE, KEY)
    assert fw.delete(user).status in (503, 200)     # 200: the reconciler was quicker than we were
    fw.wait_until(lambda: fw.delete(user).status == 200, what="DELETE to be 200 again")
    completed(fw, user, files=1)
    assert fw.stack.worker.pid == pid and not log_lines(fw.stack.worker, "has ended", since=since)
    quiet(fw)


@pytest.mark.own_worker
def test_a_retry_queue_is_put_back(fw, channel):
    fw.stack.worker.configure({"worker": {"reconcile_every": "300ms"}})
    channel.queue_delete("farewell.retry.8s")
    fw.stack.rabbit.wait_queue("farewell.retry.8s")


def test_check_says_once_what_is_missing(fw, channel, more_worker):
    """With topology = check nothing is declared; what is missing is said once, and that it is there again."""
    channel.exchange_declare(OWN["exchange"], "direct", durable=True)
    for queue in (OWN["queue"], OWN["parked_queue"], *RETRY):
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(OWN["queue"], OWN["exchange"], KEY)
    try:
        fw.stack.worker.stop()     # so that this one's reconciler leads
        worker = more_worker({"common": OWN, "worker": {"topology": "check", "reconcile_every": "300ms"}})
        channel.exchange_delete(OWN["exchange"])
        missing = "the broker lacks something"
        fw.wait_until(lambda: log_lines(worker, missing, OWN["exchange"], "404"), what="the log to say what is missing")
        since = len(worker.log_text())
        channel.queue_delete(RETRY[2])
        channel.exchange_declare(OWN["exchange"], "direct", durable=True)
        fw.wait_until(lambda: log_lines(worker, missing, RETRY[2], "404", since=since), what="the log to say what else is missing")
        channel.queue_declare(RETRY[2], durable=True, arguments={"x-queue-type": "quorum"})
        fw.wait_until(lambda: log_lines(worker, "exchange and queues are as they should be again"), what="the log to say that it is there")
        assert len(log_lines(worker, missing, OWN["exchange"])) == 1 and len(log_lines(worker, missing, RETRY[2])) == 1
    finally:
        connection = fw.stack.rabbit.connect()
        for queue in (OWN["queue"], OWN["parked_queue"], *RETRY):
            connection.channel().queue_delete(queue)
        connection.channel().exchange_delete(OWN["exchange"])
        connection.close()
