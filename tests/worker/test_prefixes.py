"""worker.prefixes_sql: what lies below an account's prefix goes, also without a row; a prefix that is not safe touches nothing."""
import secrets

import pytest

from stack.client import PARKED
from tools.jobs import ask, completed, quiet
from tools.s3_tool import everything, versioning


@pytest.fixture
def other(fw):
    """The same words for a bucket of the test's own."""
    fw.purge(PARKED)
    other = fw.at(fw.url)
    other.bucket = fw.stack.s3.make_bucket("farewell-p-" + secrets.token_hex(4))
    yield other
    fw.purge(PARKED)


def serve(fw, sql, **settings):
    fw.stack.worker.configure({"worker": {"children": 1, "prefixes_sql": sql, **settings}})


@pytest.mark.own_worker
@pytest.mark.parametrize("versioned", [False, True])
def test_with_rows_and_without(fw, other, versioned):
    if versioned:
        versioning(fw.stack.s3, other.bucket)
    serve(fw, f"SELECT 's3://{other.bucket}/users/' || $1 || '/'")
    user = other.make_user()
    below, prefix = [f"{n:02}" for n in range(5)] + ["a/b", "odd\n&+ %41", "row"], f"users/{user.id}/"
    twins = [f"users/{user.id}", f"users/{user.id}0/x", f"users/{user.id}x", f"users/{str(user.id)[:-1]}/x", "users/"]
    for key in [prefix + name for name in below] + twins:
        fw.stack.s3.put(other.bucket, key)
    fw.stack.s3.client().create_multipart_upload(Bucket=other.bucket, Key=prefix + "unfinished")
    if versioned:
        for key in [prefix + "00", prefix + "01"] + twins:
            fw.stack.s3.put(other.bucket, key)
        fw.stack.s3.client().delete_object(Bucket=other.bucket, Key=prefix + "01")
    fw.add_files(user, [f"s3://{other.bucket}/{prefix}row"], put=False)
    before = everything(fw.stack.s3, other.bucket)
    ask(fw, user)
    completed(other, user, files=3 + len(below) + 1)
    assert everything(fw.stack.s3, other.bucket) == {key: before[key] for key in twins}
    quiet(fw)


@pytest.mark.own_worker
def test_below_a_bucket_that_is_missing(fw, other):
    """Nobody else names it, and the store serves others: it is this account's own."""
    user = fw.make_user(files=0)
    serve(fw, f"SELECT 's3://farewell-p-there-is-none/users/' || $1 || '/' WHERE $1 = '{user.id}'")
    ask(fw, user)
    while fw.status(user) != "parked":
        served = fw.make_user(files=1)
        ask(fw, served)
        completed(fw, served, files=1)
        assert fw.ledger(user)[0]["attempts"] <= 8
    row, = fw.ledger(user)
    assert "NoSuchBucket" in row["last_error"] and row["attempts"] >= 3
    assert fw.mails(user) == []


@pytest.mark.own_worker
def test_without_any_row(fw, other):
    serve(fw, f"SELECT p FROM (VALUES ('s3://{other.bucket}/a/' || $1 || '/'), ('s3://{other.bucket}/b/' || $1 || '/')) AS t(p)",
          s3_allow=f"s3://{other.bucket}/a/{{id}}/ s3://{other.bucket}/b/{{id}}/")
    user = fw.make_user(files=0)
    for key in (f"a/{user.id}/x", f"b/{user.id}/y", f"c/{user.id}/z"):
        fw.stack.s3.put(other.bucket, key)
    ask(fw, user)
    completed(fw, user, files=2)
    assert fw.objects(other.bucket) == [f"c/{user.id}/z"]


@pytest.mark.own_worker
@pytest.mark.parametrize("prefix, word", [
    ("s3://BUCKET", "names a bucket"), ("s3://BUCKET/", "empty"), ("s3://BUCKET//", "nothing between"), ("s3://BUCKET/users/", "s3_allow"),
    ("s3://BUCKET/users/ID", "slash"), ("s3://BUCKET/users/../users/ID/", ". or .."), ("s3://BUCKET/users/ID0/", "s3_allow"), (None, "null")])
def test_an_unsafe_prefix_touches_nothing(fw, other, prefix, word):
    user = fw.make_user(files=0)
    path = prefix and prefix.replace("BUCKET", other.bucket).replace("ID", str(user.id))
    good, bad = f"s3://{other.bucket}/users/{user.id}/", "NULL" if path is None else f"'{path}'"
    serve(fw, f"SELECT p FROM (VALUES ('{good}'), ({bad})) AS t(p) WHERE $1::text IS NOT NULL", s3_allow=f"s3://{other.bucket}/users/{{id}}/")
    keys = sorted([f"users/{user.id}/x", f"users/{user.id}0/x", "users/x", "x"])
    for key in keys:
        fw.stack.s3.put(other.bucket, key)
    ask(fw, user)
    row = fw.wait_status(user, "parked")
    assert word in row["last_error"] and "prefix 2" in row["last_error"] and row["files_deleted"] == 0, row
    assert fw.objects(other.bucket) == keys and fw.mails(user) == []


@pytest.mark.own_worker
@pytest.mark.parametrize("allowed", [None, "s3://BUCKET", "s3://BUCKET/users/"])
def test_a_prefix_that_does_not_name_the_account(fw, other, allowed):
    """As of an empty column: it may be everybody's."""
    user = fw.make_user(files=0)
    keys = sorted([f"users/{user.id}/x", "users/1234567/x"])
    for key in keys:
        fw.stack.s3.put(other.bucket, key)
    serve(fw, f"SELECT 's3://{other.bucket}/users/' || left($1::text, 0)", s3_allow=allowed and allowed.replace("BUCKET", other.bucket))
    ask(fw, user)
    row = fw.wait_status(user, "parked")
    assert "does not have the account's id between slashes" in row["last_error"] and row["files_deleted"] == 0, row
    assert fw.objects(other.bucket) == keys and fw.mails(user) == []


@pytest.mark.own_worker
def test_page_by_page_turn_by_turn(fw, other, wires):
    """A job that takes too long hands itself over, with what it has done counted."""
    wires.worker(children=1, prefixes_sql=f"SELECT 's3://{other.bucket}/users/' || $1 || '/'", files_page=2, handover_after="400ms")
    user = fw.make_user(files=0)
    for n in range(9):
        fw.stack.s3.put(other.bucket, f"users/{user.id}/{n}")
    wires.s3.delay(0.1)
    ask(fw, user)
    row = completed(fw, user, files=9)
    assert row["turn"] > 1 and fw.objects(other.bucket) == []


@pytest.mark.own_worker
def test_the_guard_looks_before_each_page(fw, other, wires):
    """A user who is restored while the second page is listed keeps what is on it."""
    wires.worker(children=1, reconciler="no", prefixes_sql=f"SELECT 's3://{other.bucket}/users/' || $1 || '/'", files_page=2)
    user = fw.make_user(files=0)
    keys = [f"users/{user.id}/{n}" for n in range(5)]
    for key in keys:
        fw.stack.s3.put(other.bucket, key)
    listing = wires.s3.hold_at(b"&marker=")
    ask(fw, user)
    listing.wait()
    fw.psql("users", "UPDATE users SET deleted_at = NULL WHERE id = %s", user.id)
    wires.s3.release()
    row = fw.wait_status(user, "cancelled")
    assert row["files_deleted"] == 2 and fw.objects(other.bucket) == keys[2:] and fw.mails(user) == []


def test_the_check_asks_for_its_form(fw):
    worker = fw.stack.worker
    for sql, word in (("SELECT 1, $1::text", "returns 2 columns"), ("SELECT 'x'", "takes 0 parameters"), ("SELEKT", "worker.prefixes_sql"),
                      ("SELECT 's3://media/' || $1 || '/'", "are good"), ("", "are good")):
        worker.overrides = {"worker": {"prefixes_sql": sql}}
        code, said = worker.check()
        assert word in said and (code == 0) == (word == "are good"), (sql, said)
