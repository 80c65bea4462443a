"""A user who was restored and deleted again is deleted for the second deletion; the first is cancelled."""
import pytest

from tools.jobs import commit_request, completed, message, quiet

pytestmark = pytest.mark.own_worker


def test_restored_and_deleted_again(fw, wires):
    user = fw.make_user()
    wires.s3.refuse()
    wires.worker()
    first = fw.delete(user).json()["deletionId"]
    fw.wait_status(user, "retrying")
    fw.psql("users", "UPDATE users SET deleted_at = NULL WHERE id = %s", user.id)
    second = fw.delete(user).json()["deletionId"]
    assert second != first
    wires.s3.accept()

    completed(fw, user, files=3)
    fw.wait_until(lambda: [bool(r["finished_at"]) for r in fw.requests(user)] == [True, True], what="both requests to be finished")
    assert {str(r["deletion_id"]): r["status"] for r in fw.requests(user)} == {first: "cancelled", second: "completed"}
    assert {str(r["deletion_id"]): r["status"] for r in fw.ledger(user)} == {first: "cancelled", second: "completed"}
    quiet(fw)


def test_a_restored_users_request_is_nobodys_at_once(fw):
    """The guard has seen that he is active, and the ledger can't be told: the old mark that is written back meanwhile is a new deletion."""
    fw.stack.worker.configure({"worker": {"lock_timeout": "30s", "statement_timeout": "50s"}})
    user = fw.make_user()
    deletion_id = commit_request(fw, user)
    mark = fw.user_row(user)["deleted_at"]
    fw.psql("users", "UPDATE users SET deleted_at = NULL WHERE id = %s", user.id)
    connection = fw.stack.postgres.connect("worker")
    try:
        with connection.cursor() as c:
            c.execute("LOCK TABLE farewell.deletion IN EXCLUSIVE MODE")
            fw.publish(message(user, deletion_id))
            fw.wait_until(lambda: fw.requests(user)[0]["status"] == "cancelled", what="the guard to cancel the request")
            fw.psql("users", "UPDATE users SET deleted_at = %s WHERE id = %s", mark, user.id)
            second = fw.delete(user).json()
            assert second["deletionId"] != deletion_id and second["status"] == "accepted"
    finally:
        connection.rollback()
        connection.close()
    completed(fw, user, files=3)
    fw.wait_until(lambda: all(r["finished_at"] for r in fw.requests(user)), what="both requests to be finished")
    assert {str(r["deletion_id"]): r["status"] for r in fw.requests(user)} == {deletion_id: "cancelled", second["deletionId"]: "completed"}
    quiet(fw)
