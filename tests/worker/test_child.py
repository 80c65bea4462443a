"""Ends of processes: TERM finishes what is in hand, and children leave when their master is killed."""
import os
import signal
import time

import pytest

from stack.client import QUEUE
from stack.proc import stat_of
from tools.jobs import ask, completed, log_lines, quiet

pytestmark = pytest.mark.outage


@pytest.mark.own_worker
def test_term_finishes_what_is_in_hand(fw):
    fw.stack.worker.configure({"worker": {"children": 1}})
    user, next_one = fw.make_user(), fw.make_user()
    fw.stack.smtp.control(delay=4)
    ask(fw, user)
    fw.wait_until(lambda: (fw.ledger(user) or [{}])[0].get("mail") == "sending", what="the mail to be on its way")
    time.sleep(0.3)
    ask(fw, next_one)  # waits behind it, and stays
    fw.stack.worker.stop()
    row, = fw.ledger(user)
    assert (row["status"], row["mail"], row["turn"], row["attempts"]) == ("completed", "sent", 1, 0), row
    assert len(fw.mails(user)) == 1
    assert fw.stack.rabbit.queue(QUEUE) == (1, 0) and fw.ledger(next_one) == []
    fw.stack.smtp.control()
    fw.stack.worker.start()
    completed(fw, next_one)
    quiet(fw)


def test_term_while_idle(fw):
    """Nobody waits for stop_timeout, and nobody has to be killed."""
    worker = fw.stack.worker.start()
    since = len(worker.log_text())
    worker.stop()
    assert worker.child.returncode == 0
    assert log_lines(worker, "ended", since=since) and not log_lines(worker, "stop_timeout is over", since=since)


def test_pause_and_resume(fw):
    fw.stack.worker.start()
    user = fw.make_user()
    os.kill(fw.stack.worker.pid, signal.SIGUSR2)
    fw.wait_until(lambda: fw.stack.rabbit.queue(QUEUE)[1] == 0, what="the children to stop consuming")
    ask(fw, user)
    time.sleep(0.5)
    assert fw.stack.rabbit.queue(QUEUE) == (1, 0) and fw.ledger(user) == []
    os.kill(fw.stack.worker.pid, signal.SIGUSR2)
    completed(fw, user, files=3)
    assert fw.stack.rabbit.queue(QUEUE) == (0, 2)


@pytest.mark.own_worker
def test_master_killed(fw, wires):
    worker = wires.worker()
    user = fw.make_user()
    wires.s3.hold()
    ask(fw, user)
    fw.wait_status(user, "running")
    children = fw.wait_until(lambda: len(pids := worker.children()) == 3 and pids, what="both workers and the reconciler")
    os.kill(worker.pid, signal.SIGKILL)
    fw.wait_until(lambda: not any(stat_of(pid) for pid in children), what="the children to leave")
    row, = fw.ledger(user)
    assert row["turn"] == 2 and len(fw.objects_of(user)) == 3
    wires.s3.release()
    worker.start()
    completed(fw, user, files=3)
    assert not log_lines(worker, "Sanitizer")
    quiet(fw)
