"""The guard: the worker acts only on what the user database holds as committed, whatever a message says."""
import time
import uuid

import pytest

from stack.client import PARKED
from tools.jobs import LOCK, MARK, REQUEST, ask, commit_request, completed, message, queues_empty, quiet, row_held, said, together, untouched

pytestmark = pytest.mark.own_worker

RESTORE = "UPDATE users SET deleted_at = NULL WHERE id = %s"


def test_a_message_is_only_a_hint(fw):
    fw.stack.worker.configure({"worker": {"children": 8, "lock_timeout": "5s"}})

    def no_request():
        user, deletion_id = fw.make_user(), str(uuid.uuid4())
        fw.publish(message(user, deletion_id))
        said(fw, "aborted", deletion_id)
        untouched(fw, user)
        assert fw.ledger(user) == []

    def marked_but_no_request():
        user, deletion_id = fw.make_user(), str(uuid.uuid4())
        fw.psql("users", MARK, user.id)
        fw.publish(message(user, deletion_id))
        said(fw, "aborted", deletion_id)
        untouched(fw, user)

    def request_of_somebody_else():
        user, other = fw.make_user(), fw.make_user()
        deletion_id = commit_request(fw, other)
        fw.psql("users", MARK, user.id)
        fw.publish(message(user, deletion_id))
        said(fw, "parked: the message names another user than its request", deletion_id, f"user={user.id} ")
        untouched(fw, user)
        fw.publish(message(other, deletion_id))
        completed(fw, other, files=3)

    def restored():
        user = fw.make_user()
        deletion_id = commit_request(fw, user)
        fw.psql("users", RESTORE, user.id)
        fw.publish(message(user, deletion_id))
        fw.wait_status(user, "cancelled")
        request = fw.wait_finished(user)
        assert (request["status"], request["started_at"]) == ("cancelled", None)
        untouched(fw, user)
        assert fw.user_row(user)["deleted_at"] is None

    def row_removed_altogether():
        user = fw.make_user()
        deletion_id = commit_request(fw, user)
        fw.psql("users", "DELETE FROM users WHERE id = %s", user.id)
        fw.publish(message(user, deletion_id))
        assert "worker.absent_user" in fw.wait_status(user, "parked")["last_error"]
        assert len(fw.objects_of(user)) == 3

    def id_that_nobody_has():
        deletion_id = str(uuid.uuid4())
        fw.publish(message("9223372036854775807", deletion_id))
        said(fw, "aborted", deletion_id)

    def finished_before():
        user = fw.make_user()
        deletion_id = ask(fw, user)
        completed(fw, user)
        fw.publish(message(user, deletion_id))
        said(fw, "finished before", deletion_id)
        assert len(fw.mails(user)) == 1

    parked = fw.queue_messages(PARKED)
    together(no_request, marked_but_no_request, request_of_somebody_else, restored, row_removed_altogether,
             id_that_nobody_has, finished_before)
    queues_empty(fw)
    assert fw.queue_messages(PARKED) == parked + 2


def test_the_rows_lock_is_waited_for(fw):
    fw.stack.worker.configure({"worker": {"children": 8, "lock_timeout": "5s"}})

    def while_the_gateway_has_not_committed(commit):
        user, deletion_id = fw.make_user(), str(uuid.uuid4())
        with row_held(fw, user) as gateway:
            gateway.execute(MARK, (user.id,))
            gateway.execute(REQUEST, (deletion_id, user.id))
            fw.publish(message(user, deletion_id))
            fw.wait_until(lambda: fw.psql("users", "SELECT FROM pg_stat_activity WHERE application_name = 'farewell-workerd'"
                                          " AND wait_event_type = 'Lock'"), what="the guard to wait")
            time.sleep(0.5)
            untouched(fw, user)
            if commit:
                gateway.connection.commit()
        return user, deletion_id

    def committed_at_last():
        user, _ = while_the_gateway_has_not_committed(True)
        completed(fw, user, files=3)

    def rolled_back_at_last():
        user, deletion_id = while_the_gateway_has_not_committed(False)
        said(fw, "aborted", deletion_id)
        untouched(fw, user)
        assert fw.ledger(user) == []

    def locked_for_longer_than_lock_timeout():
        user = fw.make_user()
        deletion_id = commit_request(fw, user)
        with row_held(fw, user, LOCK):
            fw.publish(message(user, deletion_id))
            said(fw, "failed, attempt 1", "55P03", deletion_id)
            untouched(fw, user)
        completed(fw, user, files=3)

    together(committed_at_last, rolled_back_at_last, locked_for_longer_than_lock_timeout)
    quiet(fw)
