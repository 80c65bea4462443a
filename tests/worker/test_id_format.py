"""A request with a user id that the worker's common.id_format does not have is parked once, in ledger and request, and can be replayed."""
import time
import uuid

import pytest

from stack.client import PARKED, QUEUE
from tools.jobs import commit_request, completed, forget_the_unfinished, log_lines, message, parked_message, quiet, said

pytestmark = pytest.mark.own_worker

REASON = "common.id_format"
QUICK = {"worker": {"reconcile_after": "1s", "reconcile_every": "300ms", "absent_user": "park"}}


def request_of_text(fw):
    """What a gateway with id_format = text commits: (user id, deletion id)."""
    user_id, deletion_id = f"al-{uuid.uuid4().hex[:12]}", str(uuid.uuid4())
    fw.psql("users", "INSERT INTO farewell.request (deletion_id, user_id, mark, published_at) VALUES (%s, %s, 'then', now())", deletion_id, user_id)
    return user_id, deletion_id


def rows(fw, deletion_id):
    """The statuses, turns and reasons of the ledger and of the request."""
    ledger = fw.psql("worker", "SELECT status, turn, last_error FROM farewell.deletion WHERE deletion_id = %s", deletion_id)
    request = fw.psql("users", "SELECT status, last_error FROM farewell.request WHERE deletion_id = %s", deletion_id)
    return ledger, request


def parked_with(fw, deletion_id, turn, reason):
    """Both say so of that turn; the request still has what was said of the one before until it hears of this one."""
    def is_so():
        ledger, request = rows(fw, deletion_id)
        both = [(row["status"], reason in (row["last_error"] or "")) for row in (*ledger, *request)]
        return both == [("parked", True)] * 2 and ledger[0]["turn"] == turn
    fw.wait_until(is_so, what=f"turn {turn} to be parked in ledger and request for {reason!r}: {rows(fw, deletion_id)}")


def test_parked_once_and_replayed(fw):
    forget_the_unfinished(fw)       # whose users may be gone
    fw.purge(PARKED)
    worker = fw.stack.worker.configure(QUICK)
    user_id, deletion_id = request_of_text(fw)
    since = len(worker.log_text())
    fw.publish(message(user_id, deletion_id))
    parked_with(fw, deletion_id, 2, REASON)
    said(fw, "parked", REASON, f"deletion={deletion_id}", f"user={user_id} ", since=since)
    time.sleep(4)       # the reconciler would look several times
    assert not log_lines(worker, "published again", deletion_id, since=since)
    assert fw.stack.rabbit.queue(PARKED)[0] == 1
    worker.configure({**QUICK, "common": {"id_format": "text"}})
    _, body = parked_message(fw, user_id)
    fw.publish(body, queue=QUEUE)
    parked_with(fw, deletion_id, 3, "there is no row of this user")    # the guard was asked
    worker.configure(QUICK)
    fw.purge(PARKED)
    quiet(fw)


def test_of_no_request_or_of_another_it_touches_no_deletion(fw):
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {**QUICK["worker"], "reconciler": "no"}})
    user, ghost = fw.make_user(), str(uuid.uuid4())
    deletion_id = commit_request(fw, user)
    for which in (deletion_id, ghost):
        fw.publish(message("al-1", which))
        said(fw, "parked", REASON, f"deletion={which}")
        fw.wait_until(lambda: fw.queue_messages(PARKED) == 1, what="the parked message")
        fw.purge(PARKED)
        assert fw.psql("worker", "SELECT status FROM farewell.deletion WHERE deletion_id = %s", which) == []
    fw.publish(message(user, deletion_id))
    assert completed(fw, user, files=3)["turn"] == 1
    quiet(fw)
