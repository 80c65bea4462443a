"""The S3 client in buckets that keep versions: everything of exactly the named keys goes, and nothing of their neighbours."""
import datetime
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.s3_tool import ODD_KEYS, everything, put_or_delete, versioning


def upload(s3, bucket, key):
    """An unfinished upload with a part in it."""
    client = s3.client()
    begun = client.create_multipart_upload(Bucket=bucket, Key=key)
    client.upload_part(Bucket=bucket, Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"part")


@pytest.fixture
def emptied(s3, bucket):
    """The bucket, of which every version goes before it does."""
    yield bucket
    client = s3.client()
    s3.policy(bucket, None)
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in page.get("Versions", []) + page.get("DeleteMarkers", []):
            client.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for one in page.get("Uploads", []):
            client.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])


def test_versions_markers_and_near_twins(s3, tool, emptied):
    """A version of before versioning, three of after it, a delete marker, and what was put while it is suspended."""
    named, neighbours = (sorted(set(keys)) for keys in zip(*ODD_KEYS))
    put_or_delete(s3, emptied, named + neighbours)
    versioning(s3, emptied)
    for _ in range(2):
        put_or_delete(s3, emptied, named + neighbours)
    put_or_delete(s3, emptied, named[::2] + neighbours[::2], delete=True)
    versioning(s3, emptied, "Suspended")
    put_or_delete(s3, emptied, named[::3] + neighbours[::3])
    upload(s3, emptied, named[3])
    upload(s3, emptied, neighbours[3])
    before = everything(s3, emptied)
    assert set(before) == set(named + neighbours)
    outcome = tool.delete(emptied, named, "-E")
    assert set(outcome.results) == {"deleted"}, outcome.text
    assert everything(s3, emptied) == {key: n for key, n in before.items() if key in neighbours}


def test_many_versions_of_many_neighbours(s3, tool, emptied):
    """More than a page of versions, here of 25, between them and behind them those of others."""
    versioning(s3, emptied)
    named = [f"users/42/{n:02}" for n in range(40)] + ["users/42", "users/42/00/"]
    others = [key + "~" for key in named[::4]] + ["users/4", "users/421", "users/42/", "users/43/x"]
    for _ in range(3):
        put_or_delete(s3, emptied, named)
    put_or_delete(s3, emptied, others)
    before = everything(s3, emptied)
    outcome = tool.delete(emptied, named, "-E", "-l", "25", "-t", "200000")
    assert set(outcome.results) == {"deleted"} and len(outcome.results) == len(named), outcome.text
    assert everything(s3, emptied) == {key: before[key] for key in others}


def test_one_key_with_more_versions_than_a_page(s3, tool, emptied):
    versioning(s3, emptied)
    for key in ["a/b"] * 27 + ["a/", "a/bc"] * 3:
        s3.put(emptied, key)
    assert set(tool.delete(emptied, ["a/b", "a/a"], "-E", "-l", "10").results) == {"deleted"}
    assert everything(s3, emptied) == {"a/": 3, "a/bc": 3}


def test_uploads_in_a_bucket_without_versions(s3, tool, bucket):
    for key in ("up", "up/", "up.load", "upper", "odd\nkey &+", "odd\nkey &"):
        upload(s3, bucket, key)
    s3.put(bucket, "up")
    s3.put(bucket, "upper")
    assert tool.delete(bucket, ["up", "odd\nkey &+", "up.load"], "-E").results == ["deleted"] * 3
    assert everything(s3, bucket) == {"up/": 1, "upper": 2, "odd\nkey &": 1}
    for page in s3.client().get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for one in page.get("Uploads", []):
            s3.client().abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])


@pytest.mark.parametrize("action, word", [
    ("s3:GetBucketVersioning", "s3:GetBucketVersioning"), ("s3:ListBucketVersions", "s3:ListBucketVersions"),
    ("s3:DeleteObjectVersion", "s3:DeleteObjectVersion"), ("s3:ListBucketMultipartUploads", "s3:ListBucketMultipartUploads"),
    ("s3:AbortMultipartUpload", "s3:AbortMultipartUpload")])
def test_a_denied_permission_is_named(s3, tool, emptied, action, word):
    versioning(s3, emptied)
    put_or_delete(s3, emptied, ["a", "b", "a"])
    upload(s3, emptied, "b")
    s3.policy(emptied, [{"Effect": "Deny", "Principal": "*", "Action": action,
                         "Resource": [f"arn:aws:s3:::{emptied}", f"arn:aws:s3:::{emptied}/*"]}])
    outcome = tool.delete(emptied, ["a", "b"], "-E")
    assert outcome.worst == "operator" and "operator" == outcome.results[1], outcome.text
    assert word in outcome.whys[1] and "AccessDenied" in outcome.whys[1], outcome.text
    s3.policy(emptied, None)
    assert tool.delete(emptied, ["a", "b"], "-E").results == ["deleted"] * 2
    assert everything(s3, emptied) == {}


@pytest.fixture
def locking(s3, request):
    """A bucket in which objects can be locked."""
    name = "s3lock-" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:40].rstrip("-")
    s3.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    yield name


def test_an_object_lock_until_its_date(s3, tool, locking):
    until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=20)
    client = s3.client()
    client.put_object(Bucket=locking, Key="locked", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    put_or_delete(s3, locking, ["locked", "free"])
    outcome = tool.delete(locking, ["free", "locked"], "-E")
    assert outcome.results == ["deleted", "locked"] and until.strftime("%Y-%m-%dT%H:%M:%SZ") in outcome.whys[1], outcome.text
    assert everything(s3, locking) == {"locked": 1}, "the version that is not locked went"
    time.sleep(max(0, (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) + 2)
    assert tool.delete(locking, ["free", "locked"], "-E").results == ["deleted"] * 2
    assert everything(s3, locking) == {}
    client.delete_bucket(Bucket=locking)


def test_a_legal_hold(s3, tool, locking):
    client = s3.client()
    put_or_delete(s3, locking, ["held", "free"])
    client.put_object_legal_hold(Bucket=locking, Key="held", LegalHold={"Status": "ON"})
    outcome = tool.delete(locking, ["free", "held"], "-E")
    assert outcome.results == ["deleted", "operator"] and "legal hold" in outcome.whys[1], outcome.text
    client.put_object_legal_hold(Bucket=locking, Key="held", LegalHold={"Status": "OFF"})
    assert tool.delete(locking, ["free", "held"], "-E").results == ["deleted"] * 2
    client.delete_bucket(Bucket=locking)


def test_without_versions_asked_for_a_marker_is_noticed(s3, tool, emptied):
    versioning(s3, emptied)
    put_or_delete(s3, emptied, ["a", "b"])
    outcome = tool.delete(emptied, ["a", "b\n"])
    assert outcome.results == ["deleted"] * 2 and outcome.markers == [True, True], outcome.text
    assert everything(s3, emptied) == {"a": 2, "b": 1, "b\n": 1}
