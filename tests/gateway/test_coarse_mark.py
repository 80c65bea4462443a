"""A mark that is no time, a date or yes and no: who was restored and is deleted again has a new deletion all the same."""
import time

import pytest


COLUMNS = {"date": "now()", "boolean": "true"}


@pytest.fixture(params=COLUMNS)
def settings(fw, request):
    """(settings of the gateway, of the worker) for a table with such a column."""
    fw.psql("users", f"DROP TABLE IF EXISTS coarse_users; CREATE TABLE coarse_users (id bigint PRIMARY KEY, deleted_at {request.param})")
    lock = "SELECT id::text, deleted_at::text FROM coarse_users WHERE id = $1 FOR NO KEY UPDATE"
    mark = f"UPDATE coarse_users SET deleted_at = {COLUMNS[request.param]} WHERE id = $1 AND deleted_at IS NULL RETURNING deleted_at::text"
    yield {"lock_user_sql": lock, "mark_user_sql": mark}, {"lock_user_sql": lock, "user_contact_sql": "SELECT NULL, NULL, NULL WHERE $1::text IS NULL"}
    fw.psql("users", "DROP TABLE coarse_users")


def new_user(fw):
    user = time.time_ns() // 1000
    fw.psql("users", "INSERT INTO coarse_users VALUES (%s)", user)
    return user


def restore(fw, user):
    fw.psql("users", "UPDATE coarse_users SET deleted_at = NULL WHERE id = %s", user)


def test_each_restored_user_has_a_new_deletion(fw, stack, settings):
    """After a completed one, and after one that the worker has not begun: three deletions of one mark, and all files go."""
    gateway, worker = settings
    stack.gateway.configure({"gateway": gateway})
    stack.worker.configure({"worker": worker})
    user, ids, keys = new_user(fw), [], []

    def delete():
        keys.append(f"coarse/{user}-{len(ids)}")
        stack.s3.put(fw.bucket, keys[-1])
        fw.psql("worker", "INSERT INTO user_files (user_id, file_path) VALUES (%s, %s)", user, f"s3://{fw.bucket}/{keys[-1]}")
        answer = fw.delete(user)
        assert answer.status == 200, answer
        ids.append(answer.json()["deletionId"])

    def status(deletion_id):
        return fw.value("users", "SELECT status FROM farewell.request WHERE deletion_id = %s AND finished_at IS NOT NULL", deletion_id)

    delete()
    fw.wait_until(lambda: status(ids[0]) == "completed", what="the first to be completed")
    restore(fw, user)
    stack.worker.stop()
    delete()
    restore(fw, user)
    delete()
    assert len(set(ids)) == 3
    assert fw.delete(user).json()["deletionId"] == ids[2], "a repeat is the same deletion"
    stack.worker.start()
    fw.wait_until(lambda: status(ids[2]) == "completed", what="the last to be completed")
    fw.wait_until(lambda: status(ids[1]) == "cancelled", what="the one before to be cancelled")
    assert status(ids[0]) == "completed"
    assert [key for key in keys if key in fw.objects(prefix="coarse/")] == []
    assert fw.delete(user).json()["deletionId"] == ids[2]


def test_the_check_warns_of_it(more_gateway, settings):
    code, output = more_gateway({"gateway": settings[0]}, start=False).check()
    assert code == 0 and "coarse_users.deleted_at is a " in output, output


def test_the_check_says_nothing_of_a_time(more_gateway):
    code, output = more_gateway({}, start=False).check()
    assert code == 0 and "is a " not in output, output
