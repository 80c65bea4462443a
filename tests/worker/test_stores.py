"""Several object stores: each has its own buckets, credentials and troubles, and an account may have objects in all of them."""
import os
import secrets
import signal

import boto3
import botocore.config
import pytest

from stack.client import PARKED
from stack.s3 import REGION
from tools.jobs import completed, forget_the_unfinished, parked_message, quiet, said

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

KEY, SECRET = "SECONDSTOREKEY", "second-store-secret"


@pytest.fixture
def other(fw):
    """A second store: a radosgw with a user of its own, and a bucket that only he may use, and that comes before the other in rows sorted by it. The worker knows both stores."""
    s3 = fw.stack.s3
    s3.place.run(["radosgw-admin", "-c", s3.conf, "--no-mon-config", "user", "create", "--uid=second", "--display-name=Second",
                  f"--access-key={KEY}", f"--secret={SECRET}"], check=False)
    gateway = s3.second_gateway("other-store")
    gateway.client = boto3.client("s3", endpoint_url=s3.endpoint, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                                  config=botocore.config.Config(s3={"addressing_style": "path"}))
    gateway.bucket = "aside-" + secrets.token_hex(4)
    gateway.client.create_bucket(Bucket=gateway.bucket)
    gateway.block = {"endpoint": gateway.endpoint, "access_key": KEY, "secret_key_file": fw.stack.secret_file("second", SECRET),
                     "buckets": "aside-*"}
    gateway.objects = lambda: sorted(o["Key"] for o in gateway.client.list_objects_v2(Bucket=gateway.bucket).get("Contents", []))
    yield gateway
    fw.stack.worker.stop()
    forget_the_unfinished(fw)  # a failed test's: nobody else's worker knows this store
    fw.psql("worker", "DELETE FROM farewell.bucket WHERE bucket = %s", gateway.bucket)


def worker(fw, other, block=(), **settings):
    return fw.stack.worker.configure({"worker": {"children": 2, **settings}, 'store "other"': {**other.block, **dict(block)}})


def user_of_both(fw, other, files=3):
    """With so many files in each store."""
    user = fw.make_user(files=files)
    keys = [f"{user.id}/{n}" for n in range(files)]
    for key in keys:
        other.client.put_object(Bucket=other.bucket, Key=key, Body=b"x")
    fw.add_files(user, [f"s3://{other.bucket}/{key}" for key in keys], put=False)
    return user


def others_complete(fw, count):
    for _ in range(count):
        user = fw.make_user(files=2)
        fw.delete(user)
        completed(fw, user, files=2)


def test_an_account_in_two_stores(fw, other):
    worker(fw, other)
    user = user_of_both(fw, other)
    fw.delete(user)
    completed(fw, user, files=6)
    assert other.objects() == []
    quiet(fw)


def test_one_store_away(fw, other):
    """Nobody is charged, what lies in the other store goes, and other accounts go on."""
    worker(fw, other, children=1)
    other.stop()
    user = user_of_both(fw, other)
    fw.delete(user)
    row = fw.wait_until(lambda: (r := fw.ledger(user)) and r[0]["status"] == "retrying" and r[0], what="the deletion to wait")
    assert row["attempts"] == 0 and row["files_deleted"] == 3 and "no answer from the store" in row["last_error"], row
    assert fw.objects_of(user) == [] and len(other.objects()) == 3 and fw.mails(user) == []
    said(fw, 'store "other" is away', "files in other stores are deleted")
    others_complete(fw, 6)
    second = user_of_both(fw, other)
    fw.delete(second)
    fw.wait_until(lambda: fw.objects_of(second) == [], what="the second one's files in the other store to go")
    version = fw.ledger(user)[0]["version"]
    fw.wait_until(lambda: fw.ledger(user)[0]["version"] >= version + 2, what="further looks")
    health = [fw.stack.worker.place.run(fw.stack.worker.argv("-H"), check=False).returncode for _ in range(5)]
    assert health == [0] * 5, "who goes on with the other store is ready"
    other.start()
    for waiting in (user, second):
        row = completed(fw, waiting, files=6)
        assert (row["attempts"], row["turn"], row["starts"]) == (0, 1, 0), "nobody is charged"
    assert other.objects() == []
    quiet(fw)


def test_one_store_hangs(fw, other):
    worker(fw, other, children=1, s3_timeout="1s")
    other.pause()
    waiting = [user_of_both(fw, other) for _ in range(4)]
    for user in waiting:
        fw.delete(user)
    others_complete(fw, 4)
    for user in waiting:
        fw.wait_until(lambda: fw.objects_of(user) == [], what="the files in the other store to go")
    assert len(other.objects()) == 12
    other.resume()
    for user in waiting:
        completed(fw, user, files=6)
    assert other.objects() == []
    quiet(fw)


def test_a_store_that_refuses_us_is_not_the_others_trouble(fw, other):
    since = len(fw.stack.worker.log_text())
    worker(fw, other, block={"secret_key_file": fw.stack.secret_file("wrong", "wrong")})
    user = user_of_both(fw, other)
    fw.delete(user)
    said(fw, 'store "other" is away', 'fix secret_key_file of store "other"', since=since)
    others_complete(fw, 3)
    assert len(other.objects()) == 3
    row, = fw.ledger(user)
    assert row["attempts"] == 0 and row["status"] == "retrying", row
    worker(fw, other)
    completed(fw, user, files=6)
    quiet(fw)


def test_a_bucket_of_no_store(fw, other):
    """Without a default store: parked with the settings that would change it, and the rest is deleted."""
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"s3_endpoint": None, "s3_access_key": None, "s3_secret_key_file": None},
                               'store "other"': other.block})
    user = user_of_both(fw, other)
    fw.delete(user)
    row = fw.wait_status(user, "parked")
    assert row["files_deleted"] == 3 and fw.bucket in row["last_error"] and "worker.s3_endpoint" in row["last_error"], row
    assert fw.objects_of(user) == user.keys and other.objects() == [] and fw.mails(user) == []
    fw.stack.worker.configure({'store "other"': other.block})
    _, body = parked_message(fw, user)
    fw.publish(body)
    completed(fw, user, files=6)
    quiet(fw)


def test_a_store_comes_and_goes_with_a_reload(fw, other):
    """What is wrong in a block keeps the old configuration; what is right gives the children the new store."""
    running = worker(fw, other, block={"buckets": "elsewhere-*"})
    since = len(running.log_text())

    def reload(buckets, words):
        running.configure({"worker": {"children": 2}, 'store "other"': {**other.block, "buckets": buckets}}, restart=False)
        os.kill(running.pid, signal.SIGHUP)
        said(fw, words, since=since)
    reload("a*b*c", 'store "other" buckets: has a pattern with more than one *')
    said(fw, "configuration not reloaded", since=since)
    before = set(running.children())
    reload("aside-*", "configuration reloaded")
    fw.wait_until(lambda: not before & set(running.children()), what="the children of the old configuration to leave")
    user = user_of_both(fw, other)
    fw.delete(user)
    completed(fw, user, files=6)
    quiet(fw)
