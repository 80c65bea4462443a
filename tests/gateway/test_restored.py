"""Restored and deleted again with the very same mark: what was cancelled is nobody's deletion."""


def restore(fw, user):
    """As an application does that keeps the old mark for later; the worker then cancels."""
    return fw.psql("users", "UPDATE users u SET deleted_at = NULL FROM (SELECT id, deleted_at FROM users WHERE id = %s) old"
                   " WHERE u.id = old.id RETURNING old.deleted_at", user.id)[0]["deleted_at"]


def test_the_old_mark_written_back(fw, stack, more_gateway):
    """The whole way: cancelled by the worker, then the old deleted_at is there again, and the files go after all."""
    user = fw.make_user(files=2)
    stack.worker.kill(19)  # SIGSTOP: so that it meets the restored user
    try:
        first = fw.delete(user).json()
        mark = restore(fw, user)
    finally:
        stack.worker.resume()
    fw.wait_until(lambda: fw.requests(user)[0]["status"] == "cancelled" and fw.requests(user)[0]["finished_at"], 60, "the worker to cancel")
    fw.psql("users", "UPDATE users SET deleted_at = %s WHERE id = %s", mark, user.id)
    second = fw.delete(user)
    assert second.status == 200 and second.json()["deletionId"] != first["deletionId"], second
    assert second.json()["status"] == "accepted"
    fw.wait_until(lambda: fw.objects_of(user) == [], 60, "the files to go")
    assert [r["deletion_id"] for r in fw.requests(user)] == [first["deletionId"], second.json()["deletionId"]]


def test_a_hundred_cancelled_ones_hide_nothing(fw, outbox, more_gateway):
    """Of a user's requests only so many are read: the live one is among them."""
    user = fw.make_user(files=0)
    client = fw.at(more_gateway(outbox.settings()))
    first = client.delete(user).json()
    fw.psql("users", "INSERT INTO farewell.request (deletion_id, user_id, mark, status, requested_at, finished_at)"
            " SELECT gen_random_uuid(), %s, 'mark ' || n, 'cancelled', now() + interval '1 hour', now() FROM generate_series(1, 150) n", str(user))
    assert client.delete(user).json() == first
    assert len(outbox.messages()) == 1
