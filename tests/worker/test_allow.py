"""worker.s3_allow: a row that names another account's objects, or another bucket, touches nothing, and the others go on."""
import pytest

from stack.client import PARKED, QUEUE
from tools.jobs import ask, completed, log_lines, parked_message, quiet, untouched

pytestmark = pytest.mark.own_worker


@pytest.fixture
def own(fw):
    """The worker with {id} in a prefix and in a bucket's name."""
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"children": 1, "s3_allow": "s3://%s/u{id}/ s3://farewell-user-{id}" % fw.bucket}})
    yield
    fw.purge(PARKED)


def twins(fw):
    """Two users of whose ids one begins with the other."""
    user = fw.make_user()
    twin = fw.make_user(id=user.id * 10**9 + 7)    # far from what other tests are given
    return user, twin


def test_rows_that_name_other_peoples_objects(fw, own):
    user, twin = twins(fw)
    bystander, other_bucket = fw.make_user(), fw.stack.s3.make_bucket("farewell-others")
    fw.stack.s3.put(other_bucket, f"u{user.id}/x")
    fw.stack.s3.put(fw.bucket, f"u{user.id}x")
    foreign = [f"s3://{fw.bucket}/{key}" for key in bystander.keys + twin.keys]
    foreign += [f"s3://{other_bucket}/u{user.id}/x", f"s3://{fw.bucket}/u{user.id}x", f"s3://{fw.bucket}/u{user.id}/../{bystander.keys[0]}"]
    fw.add_files(user, foreign, put=False)
    own_bucket = fw.stack.s3.make_bucket(f"farewell-user-{user.id}")
    fw.stack.s3.put(own_bucket, "in-a-bucket-of-his-own")
    fw.add_files(user, [f"s3://{own_bucket}/in-a-bucket-of-his-own"], put=False)
    fw.add_files(user, [f"zz/{user.id}"])  # not below u{id}/ either

    since = len(fw.stack.worker.log_text())
    fw.delete(user)
    row = fw.wait_status(user, "parked")
    assert row["files_deleted"] == 4 and "worker.s3_allow" in row["last_error"] and "file row" in row["last_error"], row
    assert "bucket " in row["last_error"] and "/" not in row["last_error"].split("bucket ")[1].split(" ")[0]
    assert fw.objects_of(user) == [f"zz/{user.id}"] and fw.objects(own_bucket) == []
    for one in (twin, bystander):
        untouched(fw, one)
    assert fw.objects(other_bucket) == [f"u{user.id}/x"] and fw.objects(prefix=f"u{user.id}x") == [f"u{user.id}x"]
    assert fw.mails(user) == []
    left = fw.psql("worker", "SELECT file_path FROM user_files WHERE user_id = %s AND deleted_at IS NULL", user.id)
    assert sorted(r["file_path"] for r in left) == sorted(foreign + [f"s3://{fw.bucket}/zz/{user.id}"])
    named = log_lines(fw.stack.worker, "a file can't be deleted", f"user={user.id} ", since=since)
    assert len(named) == len(left) and not any(key in line for key in bystander.keys + twin.keys for line in named)

    # The twin and the bystander are deleted as ever; a person removes the rows and moves the message back.
    for one in (twin, bystander):
        ask(fw, one)
        completed(fw, one, files=3)
    fw.psql("worker", "DELETE FROM user_files WHERE user_id = %s AND deleted_at IS NULL", user.id)
    _, body = parked_message(fw, user)
    fw.publish(body, queue=QUEUE)
    fw.wait_status(user, "completed")
    assert len(fw.mails(user)) == 1
    fw.stack.s3.client().delete_bucket(Bucket=own_bucket)
    for bucket in (other_bucket,):
        fw.stack.s3.client().delete_object(Bucket=bucket, Key=f"u{user.id}/x")
        fw.stack.s3.client().delete_bucket(Bucket=bucket)
    quiet(fw)


def test_unset_is_warned_of_once_and_malformed_is_refused(fw):
    worker = fw.stack.worker
    worker.overrides = {"worker": {"s3_allow": None}}
    code, said = worker.check()
    assert code == 0 and said.count("worker.s3_allow is not set") == 1 and "are good" in said, said
    worker.overrides = {"worker": {"s3_allow": "s3://%s/u{id}/" % fw.bucket}}
    code, said = worker.check()
    assert code == 0 and "s3_allow" not in said, said
    for wrong in ("", "s3://", "s3://media/{ID}/", "s3://media/{user}/", "s3://media/*"):
        worker.overrides = {"worker": {"s3_allow": wrong}}
        code, said = worker.check()
        line = 1 + next(n for n, text in enumerate(open(worker.conf)) if "s3_allow" in text)
        assert code == 78 and f"{worker.conf}:{line}: worker.s3_allow: " in said, (wrong, said)
    since = len(worker.log_text())
    worker.configure({"worker": {"children": 2}})
    assert len(log_lines(worker, "worker.s3_allow is not set", since=since)) == 1
