"""A user who was restored and deleted again is deleted for the second deletion; the first is cancelled."""
from tools.jobs import completed, quiet


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
