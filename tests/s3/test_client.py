"""The S3 client against a real store: what is deleted, what is not, and what it says about failures."""
import time

import pytest

from stack import wait_until
from tools.proxy import Proxy
from tools.s3_tool import ODD_KEYS, Outcome, feed, put_or_delete


def test_only_the_named_objects_go(s3, tool, bucket):
    named, neighbours = (sorted(set(keys)) for keys in zip(*ODD_KEYS))
    assert not set(named) & set(neighbours)
    put_or_delete(s3, bucket, named + neighbours)
    assert s3.objects(bucket) == sorted(named + neighbours)
    outcome = tool.delete(bucket, named)
    assert set(outcome.results) == {"deleted"} and outcome.worst == "deleted"
    assert s3.objects(bucket) == neighbours


def test_one_by_one_is_as_exact(s3, tool, bucket):
    """The keys that a batch can't name take the other road; a control character sends every kind of key there."""
    named = [key + "\x01" for key, _ in ODD_KEYS if len(key) < 1000]
    neighbours = [key for key, _ in ODD_KEYS if len(key) < 1000]
    put_or_delete(s3, bucket, named + neighbours)
    assert set(tool.delete(bucket, named).results) == {"deleted"}
    assert s3.objects(bucket) == sorted(neighbours)


def test_missing_objects_count_as_deleted(s3, tool, bucket):
    put_or_delete(s3, bucket, ["there", "stays"])
    assert tool.delete(bucket, ["there", "missing", "missing\n", "there"]).results == ["deleted"] * 4
    assert s3.objects(bucket) == ["stays"]


def test_dots_and_nothing_never_touch_the_bucket(s3, tool, bucket):
    outcome = tool.delete(bucket, ["", ".", "..", "x" * 1025, "\udcff"])
    assert outcome.results == ["operator"] * 5 and outcome.worst == "operator"
    assert all(outcome.whys)
    s3.client().head_bucket(Bucket=bucket)
    assert tool.delete(bucket, ["/", "//", "a/..", "../" + bucket, "../"]).worst == "deleted"
    s3.client().head_bucket(Bucket=bucket)


def test_many_objects(s3, tool, bucket):
    keys = [f"user/42/file {n} & more.txt" for n in range(2500)]
    put_or_delete(s3, bucket, keys + ["other"])
    outcome = tool.delete(bucket, keys)
    assert set(outcome.results) == {"deleted"} and len(outcome.results) == 2500
    assert s3.objects(bucket) == ["other"]


def test_a_policy_that_denies_some(s3, tool, bucket):
    put_or_delete(s3, bucket, ["free/1", "locked/1", "locked/2\n", "free/2\n"])
    s3.policy(bucket, [{"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/locked/*"}])
    outcome = tool.delete(bucket, ["free/1", "locked/1", "locked/2\n", "free/2\n"])
    assert outcome.results == ["deleted", "operator", "operator", "deleted"] and outcome.worst == "operator"
    assert "AccessDenied" in outcome.whys[1] and "s3:DeleteObject" in outcome.whys[2]
    assert s3.objects(bucket) == ["locked/1", "locked/2\n"]


@pytest.mark.parametrize("key", ["in a batch", "alone\n"])
def test_no_such_bucket(tool, key):
    outcome = tool.delete("s3c-never-made", [key, "second"])
    assert outcome.results == ["operator"] * 2
    assert "NoSuchBucket" in outcome.whys[0] and "404" in outcome.whys[0]


@pytest.mark.parametrize("wrong, word", [({"-s": "wrong"}, "SignatureDoesNotMatch"), ({"-a": "NOBODY"}, "InvalidAccessKeyId")])
def test_wrong_credentials(s3, tool, bucket, wrong, word):
    put_or_delete(s3, bucket, ["stays"])
    outcome = tool.delete(bucket, ["stays", "alone\n"], replace=wrong)
    assert outcome.results == ["operator"] * 2 and word in outcome.whys[0]
    good, why = tool.check(replace=wrong)
    assert not good and word in why
    assert s3.objects(bucket) == ["stays"]


def test_check(tool, s3):
    assert tool.check() == (True, "")
    good, why = tool.check(replace={"-e": "http://127.0.0.1:9"})
    assert not good and "no answer from the store" in why


def test_nobody_listens(tool):
    outcome = tool.delete("s3c-any", ["a", "b\n"], replace={"-e": "http://127.0.0.1:9"})
    assert outcome.results == ["retry"] * 2 and "no answer" in outcome.whys[0]


def test_a_store_that_hangs_meets_the_deadline(s3, tool, bucket):
    put_or_delete(s3, bucket, ["a", "b"])
    s3.osd.pause()
    outcome = tool.delete(bucket, ["a", "b", "c\n"], "-t", "3000")
    assert outcome.results == ["retry"] * 3 and outcome.turns >= 5
    s3.osd.resume()
    assert tool.delete(bucket, ["a", "b", "c\n"]).worst == "deleted"


@pytest.mark.parametrize("keys", [["a", "b", "c\n"], ["a\n", "b\n"]])
def test_a_store_that_hangs_is_left_when_told_to_stop(s3, tool, bucket, keys):
    s3.rgw.pause()
    try:
        outcome = tool.delete(bucket, keys, "-S", "1500")
    finally:
        s3.rgw.resume()
    assert outcome.worst == "stopped" and outcome.results[0] == "stopped"
    assert outcome.results[-1] == "pending"


def test_a_store_that_asks_for_less(s3, tool, bucket):
    """A gateway that takes one request at a time, and has one that hangs."""
    put_or_delete(s3, bucket, ["first", "second", "third"])
    gateway = s3.second_gateway("slow", "--rgw-scheduler-type=throttler", "--rgw-max-concurrent-requests=1")
    slow = gateway.endpoint
    # Whoever looked whether it is ready may still be the one request it takes.
    wait_until(lambda: tool.check(replace={"-e": slow})[0], what="the gateway to serve")
    s3.osd.pause()
    with Proxy(gateway.port) as line:
        sent = line.trap(b"<Key>first</Key>", deliver=True, do=lambda link: None)
        hanging = tool.start("-b", bucket, "-t", "600000", replace={"-e": f"http://127.0.0.1:{line.port}"})
        hanging.stdin.write(feed(["first"]))
        hanging.stdin.close()
        sent.wait()
        time.sleep(1)     # until the gateway, which has nothing else to do, has read it
        outcome = tool.delete(bucket, ["second", "third\n"], replace={"-e": slow})
        assert outcome.results == ["retry"] * 2 and "503 SlowDown" in outcome.whys[0]
        s3.osd.resume()
        assert Outcome(hanging.stdout.read().decode()).results == ["deleted"]
        hanging.wait()
    assert s3.objects(bucket) == ["second", "third"]
