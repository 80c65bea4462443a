"""The S3 client against OpenStack Swift, a store that was written by others and checks MD5 and region."""
import base64
import hashlib

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
import requests

from stack.swift import ACCESS_KEY, REGION, SECRET_KEY
from tools.proxy import Proxy
from tools.s3_tool import ODD_KEYS, put_or_delete


def there(swift, bucket, keys):
    """Those of the keys that have an object; a listing can't name them all."""
    client, found = swift.client(), []
    for key in keys:
        try:
            client.head_object(Bucket=bucket, Key=key)
            found.append(key)
        except client.exceptions.ClientError as e:
            assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 404, (key, e)
    return found


def post_delete(swift, bucket, body, md5):
    """A DeleteObjects as boto3 would send it, but with this Content-MD5 (None: without): (status, body)."""
    headers = {"Content-MD5": md5, "x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
    request = botocore.awsrequest.AWSRequest("POST", f"{swift.endpoint}/{bucket}?delete=", data=body,
                                             headers={k: v for k, v in headers.items() if v is not None})
    credentials = botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY)
    botocore.auth.S3SigV4Auth(credentials, "s3", REGION).add_auth(request)
    answer = requests.post(request.url, data=body, headers=dict(request.headers), timeout=100)
    return answer.status_code, answer.text


def test_only_the_named_objects_go(swift, tool, bucket):
    named, neighbours = (sorted(set(keys)) for keys in zip(*ODD_KEYS))
    put_or_delete(swift, bucket, named + neighbours)
    assert there(swift, bucket, named + neighbours) == named + neighbours
    outcome = tool.delete(bucket, named)
    assert set(outcome.results) == {"deleted"}, outcome.text
    assert there(swift, bucket, named + neighbours) == neighbours


def test_one_by_one_is_as_exact(swift, tool, bucket):
    """A control character sends every kind of key there."""
    pairs = ODD_KEYS[::3]
    named, neighbours = [key + "\x01" for key, _ in pairs if len(key) < 1000], [key for key, _ in pairs if len(key) < 1000]
    put_or_delete(swift, bucket, named + neighbours)
    outcome = tool.delete(bucket, named)
    assert set(outcome.results) == {"deleted"}, outcome.text
    assert there(swift, bucket, named + neighbours) == neighbours


def test_missing_objects_count_as_deleted(swift, tool, bucket):
    put_or_delete(swift, bucket, ["there", "stays"])
    assert tool.delete(bucket, ["there", "missing", "missing\n", "there"]).results == ["deleted"] * 4
    assert there(swift, bucket, ["there", "stays"]) == ["stays"]


def test_dots_and_nothing_never_touch_the_bucket(swift, tool, bucket):
    assert tool.delete(bucket, ["", ".", "..", "x" * 1025]).results == ["operator"] * 4
    assert tool.delete(bucket, ["/", "//", "a/..", "../" + bucket, "../"]).worst == "deleted"
    swift.client().head_bucket(Bucket=bucket)


def test_batches_are_taken(swift, tool, bucket):
    """With their MD5: what is refused as a batch would be deleted one by one, and nobody would see it."""
    keys = [f"user/42/file {n} & more.txt" for n in range(240)]
    put_or_delete(swift, bucket, keys + ["other"])
    with Proxy(swift.proxy.port) as line:
        batches, singles = (line.trap(method, deliver=True, times=1000, do=lambda link: None) for method in (b"POST /", b"DELETE /"))
        outcome = tool.delete(bucket, keys, "-k", "100", replace={"-e": f"http://127.0.0.1:{line.port}"})
    assert (set(outcome.results), batches.hits, singles.hits) == ({"deleted"}, 3, 0)
    assert swift.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.parametrize("key", ["in a batch", "alone\n"])
def test_no_such_bucket(tool, key):
    outcome = tool.delete("s3c-never-made", [key, "second"])
    assert outcome.results == ["operator"] * 2
    assert "NoSuchBucket" in outcome.whys[0] and "404" in outcome.whys[0]


@pytest.mark.parametrize("wrong, word", [({"-s": "wrong"}, "SignatureDoesNotMatch"), ({"-a": "farewell:nobody"}, "403")])
def test_wrong_credentials(swift, tool, bucket, wrong, word):
    put_or_delete(swift, bucket, ["stays"])
    for keys in (["stays"], ["stays\n", "alone\n"]):
        outcome = tool.delete(bucket, keys, replace=wrong)
        assert outcome.results == ["operator"] * len(keys) and word in outcome.whys[0], outcome.text
    good, why = tool.check(replace=wrong)
    assert not good and word in why
    assert there(swift, bucket, ["stays"]) == ["stays"]


def test_wrong_region(swift, tool, bucket):
    """The store names the right one, which is followed; but nothing else is deleted on the way."""
    put_or_delete(swift, bucket, ["goes", "alone\n", "stays"])
    for key in ("goes", "alone\n"):
        outcome = tool.delete(bucket, [key], replace={"-r": "us-east-1"})
        assert outcome.results == ["deleted"], outcome.text
    assert there(swift, bucket, ["goes", "alone\n", "stays"]) == ["stays"]


def test_the_md5_of_a_batch_is_checked(swift, bucket):
    """By this store, so that every batch that it takes had the right one."""
    put_or_delete(swift, bucket, ["stays"])
    body = b"<Delete><Object><Key>stays</Key></Object></Delete>"
    right = base64.b64encode(hashlib.md5(body).digest()).decode()
    wrong = base64.b64encode(hashlib.md5(body + b" ").digest()).decode()
    assert [post_delete(swift, bucket, body, md5)[0] for md5 in (wrong, None)] == [400, 400]
    assert "BadDigest" in post_delete(swift, bucket, body, wrong)[1]
    assert there(swift, bucket, ["stays"]) == ["stays"]
    assert post_delete(swift, bucket, body, right)[0] == 200
    assert there(swift, bucket, ["stays"]) == []


def test_check(tool):
    assert tool.check() == (True, "")


def test_objects_that_can_not_be_reached(swift, tool, bucket):
    """Each key has an error of its own inside a 200."""
    keys = ["a", "b", "c\n"]
    put_or_delete(swift, bucket, keys)
    swift.object.kill()
    try:
        outcome = tool.delete(bucket, keys)
    finally:
        swift.object.start()
    assert outcome.results == ["retry"] * 3, outcome.text
    assert there(swift, bucket, keys) == keys
    assert tool.delete(bucket, keys).results == ["deleted"] * 3
    assert there(swift, bucket, keys) == []


def test_all_versions_go(swift, tool, bucket):
    """Versions, delete markers, and nothing of the neighbours'."""
    client = swift.client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    named, neighbours = ["a", "a/b c+d", "한글", "gone"], ["a/", "a/b c d", "한"]
    for _ in range(3):
        put_or_delete(swift, bucket, named + neighbours)
    put_or_delete(swift, bucket, ["gone"], delete=True)
    assert set(tool.delete(bucket, named, "-E").results) == {"deleted"}
    left = client.list_object_versions(Bucket=bucket)
    assert sorted(v["Key"] for v in left.get("Versions", []) + left.get("DeleteMarkers", [])) == sorted(neighbours * 3)
