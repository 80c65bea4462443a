"""The store hangs: the broker's connection is kept by heartbeats, and TERM hands the job over within stop_timeout."""
import time

import pytest

from stack.client import QUEUE
from tools.jobs import ask, completed, log_lines, quiet, said

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]


def test_heartbeats_go_on_while_the_store_hangs(fw):
    fw.stack.worker.configure({"worker": {"broker_heartbeat": "2s"}})
    user, began = fw.make_user(), len(fw.stack.worker.log_text())
    fw.stack.s3.osd.pause()
    try:
        ask(fw, user)
        fw.wait_status(user, "running")
        time.sleep(11)
        assert fw.stack.rabbit.queue(QUEUE) == (0, 2)
    finally:
        fw.stack.s3.osd.resume()
    row = completed(fw, user, files=3)
    assert (row["attempts"], row["turn"]) == (0, 1)
    text = fw.stack.worker.log_text()[began:]
    assert "come again" not in text and "broker:" not in text


def test_told_to_stop_while_the_store_hangs(fw, wires):
    # One child, whose connection for publishing has been idle for longer than the broker suffers.
    wires.worker(broker_heartbeat="2s", stop_timeout="30s", children=1, reconciler="no")
    first, user = fw.make_user(), fw.make_user()
    wires.s3.refuse()
    ask(fw, first)
    fw.wait_status(first, "retrying")
    wires.s3.accept()
    completed(fw, first)
    wires.s3.hold()
    ask(fw, user)
    fw.wait_status(user, "running")
    time.sleep(7)

    since = len(fw.stack.worker.log_text())
    fw.stack.worker.stop()
    row, = fw.ledger(user)
    assert (row["status"], row["turn"], row["starts"]) == ("running", 2, 0)
    assert fw.stack.rabbit.queue(QUEUE) == (1, 0), "the job was not handed over"
    said(fw, "handed over", f"user={user.id} ")
    for words in ("killed", "stop_timeout is over"):
        assert not log_lines(fw.stack.worker, words, since=since)

    wires.s3.release()
    fw.stack.worker.start()
    completed(fw, user, files=3)
    quiet(fw)
