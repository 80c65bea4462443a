"""Queues: declared with their arguments, an existing one with others is named, and topology = check only looks."""
import pytest

pytestmark = pytest.mark.outage

EX_CONFIG = 78


def own(name):
    return {"exchange": f"{name}.exchange", "queue": f"{name}.deletions", "parked_queue": f"{name}.parked", "retry_queue_prefix": f"{name}.retry"}


@pytest.fixture
def channel(fw):
    connection = fw.stack.rabbit.connect()
    yield connection.channel()
    connection.close()
    connection = fw.stack.rabbit.connect()
    for queue in ("deletions", "parked", *(f"retry.{d}" for d in ("1s", "2s", "4s", "8s"))):
        for name in ("clash", "check"):
            connection.channel().queue_delete(f"{name}.{queue}")
            connection.channel().exchange_delete(f"{name}.exchange")
    connection.close()


def gives_up(fw, worker):
    worker.start(wait=False)
    fw.wait_until(lambda: not worker.running, what=f"{worker.name} to give up: {worker.log_tail(5)}")
    assert worker.child.returncode == EX_CONFIG
    return worker.log_text()


def test_an_existing_queue_with_other_arguments(fw, channel, more_worker):
    channel.queue_declare("clash.retry.2s", durable=True)
    worker = more_worker({"common": own("clash")}, start=False)
    text = gives_up(fw, worker)
    assert "clash.retry.2s" in text and "406" in text and "inequivalent arg" in text


def test_check_only_looks(fw, channel, more_worker):
    worker = more_worker({"common": own("check"), "worker": {"topology": "check"}}, start=False)
    code, output = worker.check()
    assert code == EX_CONFIG and "check.exchange" in output
    channel.exchange_declare("check.exchange", "direct", durable=True)
    for missing in ("deletions", "parked", "retry.1s", "retry.2s", "retry.4s", "retry.8s"):
        code, output = worker.check()
        assert code == EX_CONFIG and f"check.{missing}" in output and "404" in output, output
        if missing == "retry.1s":
            assert "check.retry.1s" in gives_up(fw, worker)
        assert fw.stack.rabbit.queue(f"check.{missing}") is None
        channel.queue_declare(f"check.{missing}", durable=True, arguments={"x-queue-type": "quorum"})
    code, output = worker.check()
    assert code == 0, output
    worker.start()
