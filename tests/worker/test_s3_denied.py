"""What only an operator can fix is tried three times and then parked with the reason, the rest deleted; unless it fails everybody."""
import secrets

import pytest

from stack.client import PARKED, QUEUE
from tools.jobs import ask, completed, parked_message, quiet, said, together

pytestmark = pytest.mark.outage


@pytest.fixture
def denied(fw):
    """The same words for a bucket of its own with a policy against deleting locked/*."""
    fw.purge(PARKED)
    other = fw.at(fw.url)
    other.bucket = fw.stack.s3.make_bucket("farewell-denied")
    other.stack.s3.policy(other.bucket, [{"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject",
                                          "Resource": f"arn:aws:s3:::{other.bucket}/locked/*"}])
    yield other
    other.stack.s3.policy(other.bucket, None)
    fw.purge(PARKED)


def test_denied_objects_and_missing_buckets(fw, denied):
    locked = denied.make_user(files=["locked/one", "free/a", "locked/two", "free/b", "free/c"])
    astray = fw.make_user(files=2)
    fw.add_files(astray, ["s3://there-is-no-such-bucket/a", "s3://there-is-no-such-bucket/b"], put=False)
    neighbour = denied.make_user(files=["locked/neighbour", "free/neighbour"])

    def per_key_refusal():
        denied.delete(locked)
        while not denied.ledger(locked) or denied.ledger(locked)[0]["status"] != "parked":
            other = denied.make_user(files=["free/" + secrets.token_hex(4)])  # the bucket serves others meanwhile
            denied.delete(other)
            completed(denied, other, files=1)
        row = denied.wait_status(locked, "parked")
        assert "AccessDenied" in row["last_error"] and row["attempts"] >= 3 and row["files_deleted"] == 3
        assert denied.objects_of(locked) == [k for k in locked.keys if k.startswith("locked/")]
        assert fw.mails(locked) == []

    def no_such_bucket():
        """Nobody else names it, and the store serves others: it is this account's own."""
        fw.delete(astray)
        while not fw.ledger(astray) or fw.ledger(astray)[0]["status"] != "parked":
            other = fw.make_user(files=1)
            fw.delete(other)
            completed(fw, other, files=1)
        row, = fw.ledger(astray)
        assert "NoSuchBucket" in row["last_error"] and row["attempts"] >= 3 and row["files_deleted"] == 2
        assert fw.objects_of(astray) == [] and fw.mails(astray) == []

    together(per_key_refusal, no_such_bucket)
    assert denied.objects_of(neighbour) == neighbour.keys
    properties, body = parked_message(fw, locked)
    assert "AccessDenied" in properties.headers["x-farewell-reason"]
    said(fw, "parked", f"user={locked.id} ")
    denied.stack.s3.policy(denied.bucket, None)  # a person fixes it, and moves the message back
    fw.publish(body, queue=QUEUE)
    fw.stack.s3.make_bucket("there-is-no-such-bucket")
    _, body = parked_message(fw, astray)
    fw.publish(body, queue=QUEUE)
    completed(denied, locked, files=5)
    completed(fw, astray, files=4)
    fw.stack.s3.client().delete_bucket(Bucket="there-is-no-such-bucket")
    assert denied.objects_of(neighbour) == neighbour.keys
    quiet(fw)


@pytest.mark.own_worker
def test_what_fails_everybody_parks_nobody(fw, denied):
    """A missing bucket that more than one account names, and a bucket that lets nobody delete, while the store serves others."""
    fw.stack.worker.configure({"worker": {"children": 1}})
    first, second = fw.make_user(files=0), fw.make_user(files=0)
    for user in (first, second):
        fw.add_files(user, [f"s3://nobody-has-this-bucket/{user.id}"], put=False)
    locked = denied.make_user(files=["locked/by-policy"])
    for user in (first, second, locked):
        ask(fw, user)
    while any(not fw.ledger(user) or fw.ledger(user)[0]["cause_attempts"] < 4 for user in (first, second, locked)):
        other = fw.make_user(files=1)
        ask(fw, other)
        completed(fw, other, files=1)
        assert not any(row["status"] == "parked" for user in (first, second, locked) for row in fw.ledger(user))
    for user, bucket in ((first, "nobody-has-this-bucket"), (second, "nobody-has-this-bucket"), (locked, denied.bucket)):
        said(fw, f"bucket {bucket} has served no other deletion", f"user={user.id} ")
    denied.stack.s3.policy(denied.bucket, None)
    fw.stack.s3.make_bucket("nobody-has-this-bucket")
    for user in (first, second):
        completed(fw, user, files=1)
    completed(denied, locked, files=1)
    fw.stack.s3.client().delete_bucket(Bucket="nobody-has-this-bucket")
    quiet(fw)
