"""Duplicates: a message of an old turn is superseded, the same message again does nothing, and two never work side by side."""
import time

import pytest

from stack.client import PARKED
from tools.jobs import ask, commit_request, completed, lease_held, log_lines, message, quiet, said


def test_a_message_of_an_old_turn_is_superseded(fw):
    user = fw.make_user()
    fw.stack.smtp.control(rcpt={user.email: "451 4.3.0 later"})
    deletion_id = ask(fw, user)
    fw.wait_until(lambda: (fw.ledger(user) or [{}])[0].get("turn", 0) >= 2, what="the second turn")
    before, = fw.ledger(user)
    fw.publish(message(user, deletion_id, turn=1))
    said(fw, "superseded", deletion_id, "turn=1")
    after, = fw.ledger(user)
    assert after["turn"] >= before["turn"] and after["attempts"] == after["turn"] - 1
    fw.stack.smtp.control()
    completed(fw, user, files=3)
    quiet(fw)


@pytest.mark.own_worker
def test_duplicates_of_one_message(fw):
    fw.stack.worker.configure({"worker": {"children": 6}})
    fw.stack.smtp.control(delay=2)
    user = fw.make_user()
    deletion_id = commit_request(fw, user)
    body = message(user, deletion_id)
    for _ in range(6):
        fw.publish(body)
    completed(fw, user, files=3)
    assert log_lines(fw.stack.worker, deletion_id, "another worker has this deletion in hand")
    fw.publish(body)
    quiet(fw)
    fw.wait_until(lambda: len(log_lines(fw.stack.worker, deletion_id, "finished before")) == 6, what="six echoes")
    assert len(fw.mails(user)) == 1
    assert len(log_lines(fw.stack.worker, deletion_id, "completed")) == 1


def test_a_lease_held_by_somebody_else(fw):
    user = fw.make_user()
    deletion_id = commit_request(fw, user)
    with lease_held(fw, deletion_id):
        fw.publish(message(user, deletion_id))
        said(fw, "later: another worker has this deletion in hand", deletion_id)
        time.sleep(0.3)
        assert fw.ledger(user) == [] and len(fw.objects_of(user)) == 3
    row = completed(fw, user, files=3)
    assert (row["attempts"], row["turn"]) == (0, 1)
    quiet(fw)


@pytest.mark.own_worker
def test_who_holds_a_lease_for_too_long_is_named(fw):
    fw.stack.worker.configure({"worker": {"hard_timeout": "4s", "soft_timeout": "3s", "handover_after": "2s",
                                          "s3_timeout": "1s", "smtp_timeout": "1s", "smtp_answer_timeout": "1s"}})
    user = fw.make_user()
    deletion_id = commit_request(fw, user)
    with lease_held(fw, deletion_id):
        fw.publish(message(user, deletion_id))
        said(fw, "longer than worker.hard_timeout", "pg_terminate_backend", deletion_id)
    completed(fw, user, files=3)
    quiet(fw)


def test_a_forged_turn_far_ahead_stops_nothing(fw):
    """Who may write to the broker must not be able to count a deletion's turns to where no message can be read any more."""
    fw.purge(PARKED)
    user = fw.make_user()
    fw.stack.smtp.control(rcpt={user.email: "451 4.3.0 later"})
    deletion_id = ask(fw, user)
    fw.wait_status(user, "retrying")
    fw.publish(message(user, deletion_id, turn=10 ** 9))
    said(fw, "parked: its turn is more than 1000 ahead", deletion_id)
    assert fw.ledger(user)[0]["turn"] < 1000
    fw.stack.smtp.control()
    completed(fw, user, files=3)
    fw.purge(PARKED)
    quiet(fw)
