"""A database that is away is not the job's failure: nothing is counted, nothing parked, and the job goes on by itself."""
import time

import pytest

from stack.client import QUEUE
from tools.jobs import ask, completed, log_lines, quiet, said
from tools.proxy import COMMIT_ANSWER

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

# Bind of the prepared statement of that name, not its Parse after a reconnect.
BEGIN, BUCKET, PROGRESS, COMPLETE, SENDING, STAMP, REPORT = (
    b"\x00" + name + b"\x00" for name in (b"begin_job", b"bucket", b"progress", b"complete", b"sending", b"stamp_start", b"report"))


def uncounted(row):
    assert (row["attempts"], row["turn"], row["last_error"]) == (0, 1, None), row


def test_databases_away_before_and_in_a_job(fw, wires):
    # Time-outs for a hanging child that are shorter than the outage: waiting for a server is no hanging.
    wires.worker(handover_after="3s", soft_timeout="4s", hard_timeout="6s", s3_timeout="5s", smtp_timeout="1s", smtp_answer_timeout="1s")
    before = fw.wait_until(lambda: len(pids := fw.stack.worker.children()) == 3 and pids, what="both workers and the reconciler")
    users = {}
    for wire in (wires.users, wires.ledger):
        users[wire] = fw.make_user()
        wire.refuse()
        wire.cut()
        ask(fw, users[wire])
    said(fw, "can't connect", str(wires.users.port))
    time.sleep(6.5)
    wires.users.accept()
    said(fw, "can't connect", str(wires.ledger.port))
    time.sleep(0.5)
    for user in users.values():
        assert len(fw.objects_of(user)) == 3
    wires.ledger.accept()
    for user in users.values():
        uncounted(completed(fw, user, files=3))
    assert fw.stack.worker.children() == before, "a child was taken for a hanging one"
    quiet(fw)


def lost_at(fw, wire, times, *place, **how):
    """A job during which the connection is cut at that place so many times, more often than there may be starts."""
    user = fw.make_user()
    trap = wire.cut_at(*place, times=times, **how)
    ask(fw, user)
    uncounted(completed(fw, user, files=3))
    assert trap.left == 0
    wire.calm()


def test_ledger_lost_again_and_again(fw, wires):
    wires.worker()
    lost_at(fw, wires.ledger, 1, BEGIN)
    lost_at(fw, wires.ledger, 2, BEGIN, deliver=True)
    lost_at(fw, wires.ledger, 2, PROGRESS)
    lost_at(fw, wires.ledger, 1, COMMIT_ANSWER, way="down")
    lost_at(fw, wires.ledger, 2, SENDING)
    quiet(fw)


def test_ledger_lost_at_the_first_file(fw, wires):
    """A child asks once where a bucket is."""
    wires.worker(children=1)
    lost_at(fw, wires.ledger, 2, BUCKET)
    quiet(fw)


def test_ledger_lost_after_the_mail(fw, wires):
    wires.worker(children=1)
    for deliver in (False, True):  # the record of the mail is lost; only its answer is lost
        user = fw.make_user()
        trap = wires.ledger.cut_at(COMPLETE, deliver=deliver)
        ask(fw, user)
        trap.wait()
        uncounted(completed(fw, user, files=3))  # one mail
    quiet(fw)


def test_user_database_lost_again_and_again(fw, wires):
    wires.worker()
    lost_at(fw, wires.users, 1, STAMP)
    lost_at(fw, wires.users, 2, COMMIT_ANSWER, way="down")
    lost_at(fw, wires.users, 2, REPORT)
    quiet(fw)


def test_databases_that_hang(fw, wires):
    wires.worker(lock_timeout="1s", statement_timeout="2s")
    for wire in (wires.users, wires.ledger):
        user = fw.make_user()
        wire.hold()
        ask(fw, user)
        said(fw, "no answer in time", f"user={user.id} ")
        wire.release()
        uncounted(completed(fw, user, files=3))
    quiet(fw)


def test_told_to_stop_while_a_database_is_away(fw, wires):
    wires.worker(children=1, reconciler="no")
    user = fw.make_user()
    wires.ledger.refuse()
    wires.ledger.cut()
    ask(fw, user)
    said(fw, "can't connect", str(wires.ledger.port))
    since = len(fw.stack.worker.log_text())
    fw.stack.worker.stop()
    assert not log_lines(fw.stack.worker, "stop_timeout is over", since=since)
    fw.wait_until(lambda: fw.stack.rabbit.queue(QUEUE) == (1, 0), what="the message that was handed back")
    wires.ledger.accept()
    fw.stack.worker.start()
    uncounted(completed(fw, user, files=3))
    quiet(fw)
