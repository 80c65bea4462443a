"""farewell-workerd -t tries the buckets that the settings name, and says what to grant."""
import secrets

import pytest

EX_CONFIG = 78
ASKED = ", versioning ok, list of uploads ok, abort of uploads ok"     # what s3_versions = all needs


@pytest.fixture
def bucket(fw):
    """Makes buckets; gone afterwards."""
    client, made = fw.stack.s3.client(), []

    def make(name, deny=None):
        name = f"{name}-{secrets.token_hex(4)}"
        made.append(fw.stack.s3.make_bucket(name))
        if deny:
            fw.stack.s3.policy(name, [{"Effect": "Deny", "Principal": "*", "Action": deny, "Resource": f"arn:aws:s3:::{name}/*"}])
        return name
    yield make
    for name in made:
        fw.stack.s3.policy(name, None)
        client.delete_bucket(Bucket=name)


def check(more_worker, allow=None, stores=None, **worker):
    settings = {"worker": {"s3_allow": allow, **worker}, **(stores or {})}
    return more_worker(settings, start=False).check()


def test_a_line_for_each_bucket(fw, more_worker, bucket):
    good, denied, versions = bucket("good"), bucket("denied", "s3:DeleteObject"), bucket("versions")
    client = fw.stack.s3.client()
    client.put_bucket_versioning(Bucket=versions, VersioningConfiguration={"Status": "Enabled"})
    fw.stack.s3.put(good, "users/1/mine")
    code, output = check(more_worker, f"s3://{good}/users/{{id}}/ s3://{denied}/a/{{id}} s3://{versions} s3://missing-bucket/x/ s3://of-{{id}}/")
    assert code == EX_CONFIG, output
    assert f"bucket {good}: delete ok, multi-object delete ok{ASKED}\n" in output
    assert f"bucket {denied}: delete refused, multi-object delete refused{ASKED}\n" in output
    for what in ("delete", "multi-object delete"):
        line, = [x for x in output.splitlines() if f"bucket {denied} in the store" in x and f"): {what}: " in x]
        assert "AccessDenied" in line and line.endswith(f"grant s3:DeleteObject on arn:aws:s3:::{denied}/a/*"), line
        assert "(worker.s3_endpoint, " in line and ".conf:" in line, line
    assert f"bucket {versions}: delete ok, multi-object delete ok, versioning ok, list of versions ok, list of uploads ok, abort of uploads ok\n" in output
    assert "there is no such bucket there; fix worker.s3_allow, or the store's endpoint" in output
    assert "bucket of-{id}: not tried, its name depends on the account" in output
    assert fw.stack.s3.objects(good) == ["users/1/mine"]
    left = client.list_object_versions(Bucket=versions)
    assert left.get("Versions", []) == [] and left.get("DeleteMarkers", []) == [], "what was tried leaves nothing behind"
    fw.stack.s3.empty(good)


def test_all_is_well(fw, more_worker, bucket):
    good = bucket("good")
    code, output = check(more_worker, f"s3://{good}/users/{{id}}/ s3://{good}/more")
    assert code == 0 and output.count(f"bucket {good}: delete ok, multi-object delete ok{ASKED}\n") == 2, output


@pytest.mark.parametrize("action, what, settings", [
    ("s3:GetBucketVersioning", "versioning", {}), ("s3:ListBucketVersions", "list of versions", {}),
    ("s3:ListBucketMultipartUploads", "list of uploads", {}), ("s3:ListBucket", "list of objects", {"s3_verify": "yes"})])
def test_what_listing_takes(fw, more_worker, bucket, action, what, settings):
    name = bucket("listed")
    fw.stack.s3.client().put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    fw.stack.s3.policy(name, [{"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{name}"}])
    code, output = check(more_worker, f"s3://{name}/users/{{id}}/", **settings)
    line, = [x for x in output.splitlines() if f"bucket {name} in the store" in x]
    assert code == EX_CONFIG and f"): {what}: " in line and line.endswith(f"grant {action} on arn:aws:s3:::{name}"), output
    code, output = check(more_worker, f"s3://{name}/users/{{id}}/", s3_versions="current", **settings)
    assert (code == 0) == (what != "list of objects") and "versioning" not in output, output


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
@pytest.mark.parametrize("action, what", [("s3:DeleteObjectVersion", "multi-object delete"), ("s3:AbortMultipartUpload", "abort of uploads")])
def test_what_deleting_versions_takes(fw, more_worker, bucket, action, what, status):
    """What is tried leaves nothing behind."""
    name, client = bucket("versions", action), fw.stack.s3.client()
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    code, output = check(more_worker, f"s3://{name}/users/{{id}}/")
    line, = [x for x in output.splitlines() if f"bucket {name} in the store" in x and f"): {what}: " in x]
    assert code == EX_CONFIG and line.endswith(f"grant {action} on arn:aws:s3:::{name}/users/*"), output
    left = client.list_object_versions(Bucket=name)
    assert left.get("Versions", []) + left.get("DeleteMarkers", []) == []


def test_the_removal_of_a_marker_may_be_refused(fw, more_worker, bucket):
    name = bucket("versions", "s3:DeleteObjectVersion")
    client = fw.stack.s3.client()
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    code, output = check(more_worker, f"s3://{name}/", s3_versions="current")
    assert code == 0 and "left a delete marker whose removal was refused (s3:DeleteObjectVersion)" in output, output
    fw.stack.s3.policy(name, None)
    for marker in client.list_object_versions(Bucket=name)["DeleteMarkers"]:
        client.delete_object(Bucket=name, Key=marker["Key"], VersionId=marker["VersionId"])


def test_stores_are_named(fw, more_worker, bucket):
    mine, wrong = bucket("mine"), fw.stack.secret_file("wrong", "wrong")
    block = {key: more_worker(start=False).sections()["worker"]["s3_" + key] for key in ("endpoint", "access_key", "secret_key_file")}
    closed = fw.stack.place.port("closed")
    code, output = check(more_worker, stores={
        'store "eu"': {**block, "buckets": f"{mine} no-such-bucket-of-eu pattern-*"},
        'store "us"': {**block, "secret_key_file": wrong, "buckets": "us"},
        'store "away"': {**block, "endpoint": f"http://127.0.0.1:{closed}", "buckets": "away"}})
    assert code == EX_CONFIG
    assert f"bucket {mine}: delete ok, multi-object delete ok{ASKED}\n" in output, output
    for store, words in {"eu": "bucket no-such-bucket-of-eu in store \"eu\" (store \"eu\", ", "us": 'fix secret_key_file of store "us"',
                         "away": "no answer from the store"}.items():
        assert [x for x in output.splitlines() if words in x and f'(store "{store}", ' in x and ".conf:" in x], (store, output)
    assert "bucket us" not in output and "bucket away" not in output and "pattern" not in output
