"""The guard fails closed: what is absent or ambiguous neither goes on nor is forgotten; a person is told."""
import uuid

import pytest

from stack.client import PARKED, QUEUE
from tools.jobs import ask, commit_request, completed, message, parked_message, quiet, said, untouched


@pytest.fixture(autouse=True)
def empty_parked_queue(fw):
    fw.purge(PARKED)
    yield
    fw.purge(PARKED)


@pytest.mark.own_worker
def test_a_request_that_was_seen_and_is_gone(fw):
    """A later turn, or a row in the ledger, of a request that the user database has not: restored, failed over, or another one."""
    fw.stack.worker.configure({"worker": {"reconciler": "no"}})     # which may find out first
    later, known = fw.make_user(), fw.make_user()
    fw.publish(message(later, str(uuid.uuid4()), turn=2))
    assert "the request was seen before" in fw.wait_status(later, "parked")["last_error"]
    deletion_id = str(uuid.uuid4())
    fw.psql("worker", "INSERT INTO farewell.deletion (deletion_id, user_id) VALUES (%s, %s)", deletion_id, str(known.id))
    fw.publish(message(known, deletion_id))
    assert "the request was seen before" in fw.wait_status(known, "parked")["last_error"]
    for user in (later, known):
        untouched(fw, user)
        parked_message(fw, user)


def test_a_mark_that_was_written_again(fw):
    """The application's own handler writes deleted_at once more."""
    user = fw.make_user()
    deletion_id = commit_request(fw, user)
    fw.psql("users", "UPDATE users SET deleted_at = deleted_at + interval '1 second' WHERE id = %s", user.id)
    fw.publish(message(user, deletion_id))
    assert "deleted_at was written again" in fw.wait_status(user, "parked")["last_error"]
    assert len(fw.objects_of(user)) == 3
    _, body = parked_message(fw, user)
    fw.stack.worker.configure({"worker": {"touched_mark": "adopt"}})
    fw.publish(body, queue=QUEUE)
    completed(fw, user, files=3)
    assert fw.requests(user)[0]["mark"] == fw.value("users", "SELECT (deleted_at AT TIME ZONE 'UTC')::text || '+00' FROM users WHERE id = %s", user.id)


def test_a_type_of_the_mark_that_changed_cancels_nobody(fw):
    fw.stack.worker.stop()
    users = [fw.make_user() for _ in range(3)]
    for user in users:
        ask(fw, user)
    fw.psql("users", "ALTER TABLE users ALTER deleted_at TYPE timestamptz(3)")
    try:
        fw.stack.worker.start()
        for user in users:
            assert fw.wait_status(user, "parked")["finished_at"] is None
    finally:
        fw.psql("users", "ALTER TABLE users ALTER deleted_at TYPE timestamptz")


@pytest.mark.own_worker
def test_a_row_that_is_absent_on_purpose(fw):
    fw.stack.worker.configure({"worker": {"absent_user": "continue"}})
    user = fw.make_user()
    deletion_id = commit_request(fw, user)
    fw.psql("users", "DELETE FROM users WHERE id = %s", user.id)
    fw.publish(message(user, deletion_id))
    completed(fw, user, mail="none", files=3)


def test_an_id_column_that_grew_under_the_worker(fw):
    """integer -> bigint: a session prepared before refuses the new ids, one prepared after doesn't."""
    fw.stack.worker.stop()
    big = 2 ** 40
    fw.psql("users", "ALTER TABLE users ALTER id TYPE integer")
    fw.stack.worker.start()
    try:
        first = fw.make_user()
        ask(fw, first)
        completed(fw, first)  # statements are prepared with an integer
        fw.psql("users", "ALTER TABLE users ALTER id TYPE bigint")
        user = fw.make_user()
        fw.psql("worker", "UPDATE user_files SET user_id = %s WHERE user_id = %s", big, user.id)
        fw.psql("users", "UPDATE users SET id = %s WHERE id = %s", big, user.id)
        user.id = big
        ask(fw, user)
        completed(fw, user, files=3)
    finally:
        fw.psql("users", "ALTER TABLE users ALTER id TYPE bigint")


def test_restored_and_the_same_mark_again(fw):
    """A cancelled request is nobody's same deletion."""
    user = fw.make_user()
    deletion_id = commit_request(fw, user)
    mark = fw.value("users", "SELECT deleted_at FROM users WHERE id = %s", user.id)
    fw.psql("users", "UPDATE users SET deleted_at = NULL WHERE id = %s", user.id)
    fw.publish(message(user, deletion_id))
    fw.wait_status(user, "cancelled")
    fw.wait_finished(user)
    fw.psql("users", "UPDATE users SET deleted_at = %s WHERE id = %s", mark, user.id)
    fw.publish({"userId": str(user.id)})  # another producer's message finds no live request, and makes one
    fw.wait_until(lambda: sorted(r["status"] for r in fw.ledger(user)) == ["cancelled", "completed"], what="a second deletion")
    assert fw.objects_of(user) == []
    quiet(fw)
