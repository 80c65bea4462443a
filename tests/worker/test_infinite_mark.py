"""A deleted_at of infinity, with which many tables say "active", means no deletion: the guard leaves it to a person."""
import pytest

from stack.client import PARKED
from tools.jobs import ask, commit_request, completed, message, parked_message, quiet, said, untouched

pytestmark = pytest.mark.own_worker

SET = "UPDATE users SET deleted_at = %s WHERE id = %s"
WORDS = ("worker.lock_user_sql", "infinity", "NULLIF(deleted_at, 'infinity')")


@pytest.fixture(autouse=True)
def empty_parked_queue(fw):
    fw.purge(PARKED)
    yield
    fw.purge(PARKED)


@pytest.mark.parametrize("mark", ["infinity", "-infinity"])
@pytest.mark.parametrize("type", ["timestamptz", "date"])
def test_another_producers_message(fw, mark, type):
    fw.stack.worker.configure({"worker": {"children": 1, "lock_user_sql": f"SELECT id::text, deleted_at::{type}::text FROM users WHERE id = $1 FOR SHARE"}})
    active, deleted = fw.make_user(), fw.make_user()
    fw.psql("users", SET, mark, active.id)
    fw.psql("users", SET, "2024-02-29", deleted.id)
    for user in (active, deleted):
        fw.publish({"userId": str(user)})
    completed(fw, deleted, files=3)
    properties, _ = parked_message(fw, active)
    reason = properties.headers["x-farewell-reason"]
    assert all(words in reason for words in WORDS), reason
    untouched(fw, active)
    assert fw.requests(active) == [] and fw.ledger(active) == []
    quiet(fw)


@pytest.mark.parametrize("touched", ["park", "adopt"])
def test_our_own_message(fw, touched):
    """Restored by writing infinity: no such mark is adopted, and the request is not cancelled by a guess."""
    fw.stack.worker.configure({"worker": {"children": 1, "touched_mark": touched}})
    user = fw.make_user()
    deletion_id = commit_request(fw, user)
    fw.psql("users", SET, "infinity", user.id)
    fw.publish(message(user, deletion_id))
    reason = fw.wait_status(user, "parked")["last_error"]
    assert all(words in reason for words in WORDS), reason
    untouched(fw, user)
    assert "infinity" not in fw.requests(user)[0]["mark"]
    quiet(fw)


def test_a_request_that_was_made_of_it(fw):
    """By an older version, or by hand."""
    fw.stack.worker.configure({"worker": {"children": 1}})
    user = fw.make_user()
    fw.psql("users", SET, "infinity", user.id)
    ask(fw, user)
    assert all(words in fw.wait_status(user, "parked")["last_error"] for words in WORDS)
    untouched(fw, user)
    quiet(fw)


def test_the_advice_is_good(fw):
    """With NULLIF he is active, and whoever is deleted is deleted."""
    fw.stack.worker.configure({"worker": {"children": 1, "foreign_grace": "1s", "lock_user_sql":
                                          "SELECT id::text, NULLIF(deleted_at, 'infinity')::text FROM users WHERE id = $1 FOR SHARE"}})
    active, deleted = fw.make_user(), fw.make_user()
    fw.psql("users", SET, "infinity", active.id)
    fw.psql("users", SET, "now", deleted.id)
    for user in (active, deleted):
        fw.publish({"userId": str(user)})
    completed(fw, deleted, files=3)
    said(fw, "aborted: the user is active", f"user={active.id} ")
    untouched(fw, active)
    quiet(fw)
