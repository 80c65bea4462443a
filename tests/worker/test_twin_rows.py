"""A lock statement that finds two rows for one id is an error of the setting: parked by name, and the others go on."""
import pytest

from stack.client import PARKED
from tools.jobs import commit_request, completed, message, parked_message, quiet, untouched

pytestmark = pytest.mark.own_worker


@pytest.fixture
def twins(fw):
    """The worker locks a table that may hold an id twice."""
    fw.purge(PARKED)
    fw.psql("users", "CREATE TABLE people (id bigint, deleted_at timestamptz)")
    fw.psql("users", "CREATE INDEX ON people (id)")
    fw.psql("users", "GRANT SELECT, UPDATE ON people TO PUBLIC")
    fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no", "lock_user_sql":
                                          "SELECT id::text, deleted_at::text FROM people WHERE id = $1 FOR SHARE"}})

    def put(user, rows):
        for _ in range(rows):
            fw.psql("users", "INSERT INTO people SELECT id, deleted_at FROM users WHERE id = %s", user.id)
    yield put
    fw.stack.worker.stop()
    fw.psql("users", "DROP TABLE people")
    fw.purge(PARKED)


def test_a_foreign_message_of_an_id_with_two_rows(fw, twins):
    odd, other = fw.make_user(), fw.make_user()
    for user, rows in ((odd, 2), (other, 1)):
        fw.psql("users", "UPDATE users SET deleted_at = now() WHERE id = %s", user.id)
        twins(user, rows)
        fw.publish({"userId": str(user)})
    completed(fw, other, files=3)
    properties, _ = parked_message(fw, odd)
    reason = properties.headers["x-farewell-reason"]
    assert "worker.lock_user_sql returned 2 rows for one id" in reason and "unique key" in reason
    assert fw.requests(odd) == [] and fw.ledger(odd) == []
    untouched(fw, odd)
    quiet(fw)


def test_our_own_message_of_an_id_with_two_rows(fw, twins):
    odd, other = fw.make_user(), fw.make_user()
    for user, rows in ((odd, 2), (other, 1)):
        deletion_id = commit_request(fw, user)
        twins(user, rows)
        fw.publish(message(user, deletion_id))
    completed(fw, other, files=3)
    row = fw.wait_status(odd, "parked")
    assert "worker.lock_user_sql returned 2 rows for one id" in row["last_error"]
    untouched(fw, odd)
    quiet(fw)
