"""A bucket that the settings look for in another store than it was in: the same name there is not taken for it."""
import secrets

import boto3
import botocore.config
import pytest

from stack.s3 import ACCESS_KEY, REGION, SECRET_KEY
from tools.jobs import ask, completed, forget_the_unfinished, log_lines, quiet, said

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

KEY, SECRET = "TENANTSTOREKEY", "tenant-store-secret"


def client(endpoint, key, secret):
    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret,
                        config=botocore.config.Config(s3={"addressing_style": "path"}))


class Twins:
    """A bucket of one name in two stores: a tenant's user has names of his own."""

    def __init__(self, fw):
        s3 = fw.stack.s3
        s3.place.run(["radosgw-admin", "-c", s3.conf, "--no-mon-config", "user", "create", "--tenant=moving", "--uid=mover",
                      "--display-name=Mover", f"--access-key={KEY}", f"--secret={SECRET}"], check=False)
        self.fw, self.bucket = fw, "twin-" + secrets.token_hex(4)
        self.there, self.here = client(s3.endpoint, KEY, SECRET), client(s3.endpoint, ACCESS_KEY, SECRET_KEY)
        for store in (self.there, self.here):
            store.create_bucket(Bucket=self.bucket)
        self.block = {"endpoint": s3.endpoint, "access_key": KEY, "secret_key_file": fw.stack.secret_file("mover", SECRET), "buckets": "twin-*"}

    def user(self, store):
        """With a file in the bucket of that store."""
        user = self.fw.make_user(files=0)
        store.put_object(Bucket=self.bucket, Key=f"{user}", Body=b"x")
        self.fw.add_files(user, [f"s3://{self.bucket}/{user}"], put=False)
        return user

    def is_known(self, store):
        """From now on, by a first deletion from there, with the worker's settings."""
        user = self.user(store)
        self.fw.delete(user)
        completed(self.fw, user, files=1)

    def keys(self, store):
        return sorted(o["Key"] for o in store.list_objects_v2(Bucket=self.bucket).get("Contents", []))

    def deny(self, denied):
        if not denied:
            self.there.delete_bucket_policy(Bucket=self.bucket)
            return
        self.there.put_bucket_policy(Bucket=self.bucket, Policy='{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*",'
                                     f' "Action": "s3:DeleteObject", "Resource": "arn:aws:s3::moving:{self.bucket}/*"}}]}}')

    def moved(self, block=""):
        """As doc/S3.md says."""
        self.fw.psql("worker", "UPDATE farewell.bucket SET store = %s WHERE bucket = %s", block, self.bucket)


@pytest.fixture
def twins(fw):
    twins = Twins(fw)
    yield twins
    fw.stack.worker.stop()
    forget_the_unfinished(fw)  # a failed test's
    fw.psql("worker", "DELETE FROM farewell.bucket WHERE bucket = %s", twins.bucket)


def worker(fw, *blocks, **settings):
    return fw.stack.worker.configure({"worker": {"children": 1, "reconcile_after": "1s", "reconcile_every": "300ms", **settings},
                                      **{f'store "{name}"': block for name, block in blocks}})


def waits(fw, user):
    row = fw.wait_until(lambda: (r := fw.ledger(user)) and r[0]["status"] == "retrying" and r[0], what="the deletion to wait")
    assert 'was looked for in store "tenant" until now, and is in the default store by these settings' in row["last_error"], row
    assert row["finished_at"] is None and row["files_deleted"] == 0 and not fw.mails(user)


def test_a_block_is_left_out(fw, twins):
    """Nobody is told "deleted", whoever has asked before; the block is back, and all go."""
    worker(fw, ("tenant", twins.block))
    twins.is_known(twins.there)
    twins.deny(True)
    waiting = twins.user(twins.there)
    fw.delete(waiting)
    fw.wait_until(lambda: (r := fw.ledger(waiting)) and r[0]["status"] == "retrying", what="the refusal")
    worker(fw)
    others = [twins.user(twins.there) for _ in range(4)]
    for user in others:
        fw.delete(user)
    for user in others:
        waits(fw, user)
    fw.wait_until(lambda: "was looked for in store" in fw.ledger(waiting)[0]["last_error"] or fw.ledger(waiting)[0]["attempts"] > 1, what="its next attempt")
    assert twins.keys(twins.there) == sorted(str(u) for u in (waiting, *others))
    elsewhere = fw.make_user(files=1)
    fw.delete(elsewhere)
    completed(fw, elsewhere, files=1)
    twins.deny(False)
    worker(fw, ("tenant", twins.block))
    for user in (waiting, *others):
        completed(fw, user, files=1)
    assert twins.keys(twins.there) == []
    quiet(fw)


def test_a_bucket_has_moved(fw, twins):
    """What S3.md says lets it go on, without a new start."""
    worker(fw, ("tenant", twins.block))
    twins.is_known(twins.there)
    worker(fw)
    user = twins.user(twins.here)
    fw.delete(user)
    waits(fw, user)
    assert "its row in farewell.bucket" in said(fw, "is in the default store by these settings", twins.bucket)
    twins.moved()
    completed(fw, user, files=1)
    assert twins.keys(twins.here) == []
    quiet(fw)


def test_a_block_was_forgotten(fw, twins):
    """Where there is no such bucket nothing is remembered: the block is enough."""
    twins.here.delete_bucket(Bucket=twins.bucket)
    worker(fw)
    user = twins.user(twins.there)
    fw.delete(user)
    fw.wait_until(lambda: (r := fw.ledger(user)) and r[0]["status"] == "retrying", what="a refusal")
    assert not fw.psql("worker", "SELECT * FROM farewell.bucket WHERE bucket = %s", twins.bucket)
    worker(fw, ("tenant", twins.block))
    completed(fw, user, files=1)
    quiet(fw)


def test_a_bucket_that_was_there_is_not_forgotten(fw, twins):
    """A store that says once that it has no such bucket may be mistaken: a key that is wrong for a moment is another tenant's."""
    worker(fw, ("tenant", twins.block))
    twins.is_known(twins.there)
    worker(fw, ("tenant", {**twins.block, "access_key": ACCESS_KEY, "secret_key_file": fw.stack.secret_file("again", SECRET_KEY)}))
    twins.here.delete_bucket(Bucket=twins.bucket)
    user = twins.user(twins.there)
    fw.delete(user)
    fw.wait_until(lambda: (r := fw.ledger(user)) and r[0]["attempts"] > 0, what="a failure")
    twins.here.create_bucket(Bucket=twins.bucket)
    worker(fw)
    fw.wait_until(lambda: "until now" in (fw.ledger(user)[0]["last_error"] or ""), what="the refusal")
    assert twins.keys(twins.there) == [str(user)] and not fw.mails(user)
    worker(fw, ("tenant", twins.block))
    completed(fw, user, files=1)
    quiet(fw)


def test_whoever_still_has_the_old_settings_stops_there(fw, twins):
    """The row says from one page to the next what counts, in a child that has used the bucket, too."""
    worker(fw)
    twins.is_known(twins.here)
    twins.moved("tenant")
    user = twins.user(twins.there)
    fw.delete(user)
    row = fw.wait_until(lambda: (r := fw.ledger(user)) and r[0]["status"] == "retrying" and r[0], what="the deletion to wait")
    assert 'was looked for in store "tenant" until now, and is in the default store' in row["last_error"] and not fw.mails(user)
    worker(fw, ("tenant", twins.block))
    completed(fw, user, files=1)
    assert twins.keys(twins.there) == []
    quiet(fw)


def test_a_bucket_moves_during_a_job(fw, wires, twins):
    """After the page in hand nothing more is asked of the old store."""
    wires.worker(children=1, files_page=1, reconcile_after="1s", reconcile_every="300ms")
    user = fw.make_user(files=0)
    keys = [f"{user}/{n}" for n in range(3)]
    for key in keys:
        twins.here.put_object(Bucket=twins.bucket, Key=key, Body=b"x")
    fw.add_files(user, [f"s3://{twins.bucket}/{key}" for key in keys], put=False)
    wires.s3.hold()
    ask(fw, user)
    fw.wait_until(lambda: fw.psql("worker", "SELECT FROM farewell.bucket WHERE bucket = %s", twins.bucket), what="the first page")
    twins.moved("tenant")
    wires.s3.release()
    row = fw.wait_until(lambda: (r := fw.ledger(user)) and r[0]["status"] == "retrying" and r[0], what="the deletion to wait")
    assert row["files_deleted"] == 1 and "until now" in row["last_error"] and twins.keys(twins.here) == keys[1:], row
    twins.moved("")
    completed(fw, user, files=3)
    quiet(fw)


def test_below_a_prefix(fw, twins):
    prefixes = {"prefixes_sql": f"SELECT 's3://{twins.bucket}/below/' || $1 || '/'"}
    worker(fw, ("tenant", twins.block), **prefixes)
    users = [fw.make_user(files=0) for _ in range(2)]
    for user in users:
        twins.there.put_object(Bucket=twins.bucket, Key=f"below/{user}/1", Body=b"x")
    fw.delete(users[0])
    completed(fw, users[0])
    worker(fw, **prefixes)
    fw.delete(users[1])
    waits(fw, users[1])
    assert twins.keys(twins.there) == [f"below/{users[1]}/1"]
    worker(fw, ("tenant", twins.block), **prefixes)
    completed(fw, users[1])
    assert twins.keys(twins.there) == []
    quiet(fw)


def test_the_check_says_so(fw, twins):
    running = worker(fw, ("tenant", twins.block))
    user = twins.user(twins.there)
    fw.delete(user)
    completed(fw, user, files=1)
    assert not [x for x in running.check()[1].splitlines() if twins.bucket in x and "until now" in x]
    running.configure({"worker": {"children": 1}}, restart=False)
    code, output = running.check()
    line, = [x for x in output.splitlines() if twins.bucket in x and "until now" in x]
    assert code != 0 and " error " in line and "farewell.bucket" in line, output


def test_the_right_is_missing(fw, twins):
    """Nothing is asked of a store before it is known which it is."""
    fw.stack.postgres.admin("REVOKE INSERT ON farewell.bucket FROM farewell", database="worker_db")
    try:
        worker(fw, ("tenant", twins.block))
        user = twins.user(twins.there)
        fw.delete(user)
        said(fw, "in which store it was is not known", "permission denied", twins.bucket)
        assert twins.keys(twins.there) == [str(user)] and fw.ledger(user)[0]["files_deleted"] == 0
    finally:
        fw.stack.postgres.admin("GRANT INSERT ON farewell.bucket TO farewell", database="worker_db")
    completed(fw, user, files=1)
    assert not log_lines(fw.stack.worker, "Sanitizer")
    quiet(fw)
