"""The S3 client against answers that a real store gives too seldom, or never should."""
import base64
import hashlib
import time
from urllib.parse import unquote

import pytest

from tools.s3_canned import answer, check_signature, deleted, error

BOMB = ('<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        "<DeleteResult><Deleted><Key>&b;</Key></Deleted></DeleteResult>")


def obeys(request):
    """What a good store answers."""
    return deleted(request.keys) if request.method == "POST" else answer(204)


def batches_get(out):
    """A store that answers every multi-object delete with OUT and single deletes well."""
    return lambda request: out if request.method == "POST" else answer(204)


def label(value):
    """An answer in a test's name: status and code."""
    if isinstance(value, bytes):
        status, _, rest = value.decode().removeprefix("HTTP/1.1 ").partition(" ")
        return status[:3] + "-" + (rest.partition("<Code>")[2].partition("<")[0] or "plain")
    return None


# ---- what is sent ----

def test_requests_are_signed_as_botocore_would(canned):
    server, tool = canned(obeys)
    assert tool.delete("bucket", ["a &<>", "한글", "x/../y\n", "alone\t%+"]).worst == "deleted"
    assert [r.method for r in server.requests] == ["POST", "DELETE", "DELETE"]
    post, first, second = server.requests
    assert post.target == "/bucket?delete=" and sorted(post.keys) == ["a &<>", "한글"]
    assert post.headers["content-md5"] == base64.b64encode(hashlib.md5(post.body).digest()).decode()
    assert first.target == "/bucket/x/../y%0A" and second.target == "/bucket/alone%09%25%2B"
    for request in server.requests:
        check_signature(request, server.endpoint + request.target)
        assert request.headers["host"] == f"127.0.0.1:{server.port}" and request.headers["user-agent"] == "farewell-test"
        assert "expect" not in request.headers
    assert server.connections == 1


def test_bucket_in_the_host_name(canned):
    server, tool = canned(obeys)
    assert tool.delete("my-bucket", ["a", "b\n"], "-v", replace={"-e": f"http://localhost:{server.port}"}).worst == "deleted"
    assert [r.target for r in server.requests] == ["/?delete=", "/b%0A"]
    for request in server.requests:
        assert request.headers["host"] == f"my-bucket.localhost:{server.port}"
        check_signature(request, f"http://my-bucket.localhost:{server.port}{request.target}")


def test_batches_keep_both_limits(canned):
    server, tool = canned(obeys)
    keys = [f"{n:04}" + "&" * 1020 for n in range(400)] + [f"short {n}" for n in range(2200)]
    assert tool.delete("bucket", keys).worst == "deleted"
    assert sorted(k for r in server.requests for k in r.keys) == sorted(keys)
    assert all(len(r.body) <= 1_000_000 and len(r.keys) <= 1000 for r in server.requests)
    assert len(server.requests) <= 6 and all("expect" not in r.headers for r in server.requests)


def test_the_proxy_of_the_environment_is_not_asked(canned):
    server, tool = canned(obeys)
    dead = "http://127.0.0.1:9"
    assert tool.delete("bucket", ["a"], env={"http_proxy": dead, "all_proxy": dead, "HTTP_PROXY": dead}).worst == "deleted"
    assert len(server.requests) == 1


@pytest.mark.parametrize("bucket, keys", [("bucket", ["", ".", "..", "\udcff", "x" * 1025]), ("", ["a"]), ("..", ["a"]), ("a/b", ["c"]),
                                          ("Bucket", ["a"]), ("buc?ket", ["a"])])
def test_what_is_not_safe_is_not_sent(canned, bucket, keys):
    server, tool = canned(obeys)
    outcome = tool.delete(bucket, keys)
    assert set(outcome.results) == {"operator"} and all(outcome.whys) and not server.requests


def test_longest_key_alone(canned):
    server, tool = canned(obeys)
    key = "\n" * 1024
    assert tool.delete("bucket", [key]).worst == "deleted"
    assert unquote(server.requests[0].target) == "/bucket/" + key


# ---- what comes back ----

def test_only_what_is_mentioned_is_deleted(canned):
    """The rest is asked for again, one by one, and only that."""
    server, tool = canned(lambda r: deleted(["a", "A", "other"], [("b", "InternalError")]) if r.method == "POST" else error(503, "SlowDown"))
    outcome = tool.delete("bucket", ["a", "b", "c", "d", "a"])
    assert outcome.results == ["deleted", "retry", "retry", "retry", "deleted"]
    assert [r.target for r in server.requests] == ["/bucket?delete=", "/bucket/c"]
    assert server.requests[0].keys == ["a", "b", "c", "d"]


def test_mentioned_twice_the_failure_counts(canned):
    _, tool = canned(lambda r: deleted(["a"], [("a", "AccessDenied")]))
    assert tool.delete("bucket", ["a"]).results == ["operator"]


@pytest.mark.parametrize("out, word", [
    (error(200, "InternalError"), "200 InternalError"),
    (answer(200, deleted(["a", "b"]).split(b"\r\n\r\n")[1][:-5]), "cut short"),
    (answer(200, deleted(["a", "b"]).split(b"\r\n\r\n")[1][:150], length=5000), "no answer"),
    (answer(200, BOMB), "cut short"), (answer(200, ""), "cut short"), (answer(200, "<html>welcome</html>"), "cut short"),
    (answer(200, deleted(["a", "b"]).split(b"\r\n\r\n")[1] + b" " * 9_000_000), "longer than"),
    (answer(202, deleted(["a", "b"]).split(b"\r\n\r\n")[1]), "202"),
    (None, "no answer"), (b"nonsense\r\n\r\n", "no answer"),
    (error(500, "InternalError"), "500"), (error(503, "SlowDown"), "SlowDown"), (answer(502, "<html>"), "502"), (answer(429), "429"),
    (error(403, "RequestTimeTooSkewed"), "clock"), (error(400, "RequestTimeout"), "RequestTimeout"),
], ids=label)
def test_no_whole_answer_means_another_time(canned, out, word):
    """Nothing counts as deleted, and nothing more is asked for."""
    def reply(request):
        if out is not None and b"Content-Length: 5000" in out or out == b"nonsense\r\n\r\n":
            request.sock.sendall(out)
            return None
        return out
    server, tool = canned(reply)
    outcome = tool.delete("bucket", ["a", "b", "c\n"])
    assert outcome.results == ["retry"] * 3 and all(word in why for why in outcome.whys)
    assert server.methods() == ["POST"]


@pytest.mark.parametrize("out, word", [
    (error(403, "AccessDenied"), "s3:DeleteObject"), (error(404, "NoSuchBucket"), "NoSuchBucket"), (answer(403), "403"),
    (error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"), "the bucket is in eu-west-1"),
    (error(400, "InvalidBucketName"), "InvalidBucketName"), (error(301, "PermanentRedirect"), "s3_region"),
], ids=label)
def test_what_a_person_must_mend(canned, out, word):
    server, tool = canned(lambda r: out)
    outcome = tool.delete("bucket", ["a", "b", "c\n"], "-k", "1")
    assert outcome.results == ["operator"] * 3 and word in outcome.whys[2] and server.methods() == ["POST"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(canned, status):
    other, _ = canned(obeys)
    server, tool = canned(lambda r: answer(status, headers=[f"Location: {other.endpoint}/bucket?delete="]))
    for keys in (["a"], ["a\n"]):
        outcome = tool.delete("bucket", keys)
        assert outcome.results == ["operator"] and "s3_endpoint" in outcome.whys[0]
    assert not other.requests and len(server.requests) == 2


@pytest.mark.parametrize("out, posts", [(error(501, "NotImplemented"), 1), (answer(405), 1), (error(400, "NotImplemented"), 1),
                                        (error(400, "MalformedXML"), 3), (error(404, "NoSuchKey"), 3), (answer(411), 3)], ids=label)
def test_a_store_without_batches(canned, out, posts):
    """One by one; where the store can't at all, without asking again."""
    server, tool = canned(batches_get(out))
    assert tool.delete("bucket", ["a", "b", "c", "d", "e"], "-k", "2").results == ["deleted"] * 5
    assert server.methods().count("POST") == posts and server.methods().count("DELETE") == 5


@pytest.mark.parametrize("out, result", [
    (answer(204), "deleted"), (answer(200), "deleted"), (error(404, "NoSuchKey"), "deleted"), (answer(404), "retry"),
    (answer(200, "<html>welcome</html>"), "retry"), (error(200, "InternalError"), "retry"), (error(404, "NoSuchBucket"), "operator"),
    (error(403, "AccessDenied"), "operator"), (error(405, "MethodNotAllowed"), "operator"), (error(400, "Whatever"), "retry"),
], ids=label)
def test_single_deletes(canned, out, result):
    _, tool = canned(lambda r: out)
    assert tool.delete("bucket", ["a\n"]).results == [result]


def test_one_bad_object_does_not_hold_up_the_others(canned):
    server, tool = canned(lambda r: error(500, "InternalError") if "bad" in r.target else answer(204))
    outcome = tool.delete("bucket", ["bad1\n", "bad2\n", "good\n", "bad3\n", "good\t"])
    assert outcome.results == ["retry", "retry", "deleted", "retry", "deleted"]
    outcome = tool.delete("bucket", [f"bad{n}\n" for n in range(10)])
    assert outcome.results == ["retry"] * 10 and len(server.requests) == 5 + 3


def test_a_failure_after_a_good_batch(canned):
    server, tool = canned(lambda r: deleted(r.keys) if "a" in r.keys else error(503, "SlowDown"))
    assert tool.delete("bucket", ["a", "b", "c", "d"], "-k", "2").results == ["deleted", "deleted", "retry", "retry"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("key", ["a", "a\n"])
def test_a_silent_server(canned, key):
    _, tool = canned(lambda r: time.sleep(60) or b"")
    outcome = tool.delete("bucket", [key], "-t", "2500")
    assert outcome.results == ["retry"] and "timed out" in outcome.whys[0] and outcome.turns >= 4
    assert tool.delete("bucket", [key], "-S", "700").results == ["stopped"]


def test_an_answer_in_drops(canned):
    """Each byte in good time, the whole too late; the pump keeps turning."""
    def drip(request):
        for byte in deleted(request.keys):
            request.sock.sendall(bytes([byte]))
            time.sleep(0.05)
        return b""
    _, tool = canned(drip)
    outcome = tool.delete("bucket", ["a"], "-t", "2000")
    assert outcome.results == ["retry"] and outcome.turns >= 5
    assert tool.delete("bucket", ["a"], "-S", "1000").results == ["stopped"]


# ---- TLS, and the check of the settings ----

def test_tls_is_verified(canned, certificate):
    server, tool = canned(obeys, certificate=certificate)
    refused = tool.delete("bucket", ["a"])
    assert refused.results == ["retry"] and "certificate" in refused.whys[0] and not server.requests
    assert tool.delete("bucket", ["a"], "-A", str(certificate)).results == ["deleted"]
    wrong_name = tool.delete("bucket", ["a"], "-A", str(certificate), replace={"-e": f"https://localhost:{server.port}"})
    assert wrong_name.results == ["retry"] and len(server.requests) == 1


@pytest.mark.parametrize("out, good", [
    (answer(200, "<ListAllMyBucketsResult/>"), True), (error(403, "AccessDenied"), True), (error(403, "SignatureDoesNotMatch"), False),
    (answer(200, "<html/>"), False), (answer(403), False), (error(503, "SlowDown"), False), (answer(404), False),
], ids=label)
def test_check(canned, out, good):
    _, tool = canned(lambda r: out)
    assert tool.check()[0] == good


def test_a_missing_ca_file_is_named(canned):
    _, tool = canned(obeys)
    assert tool.run("-c", "-A", "/does/not/exist").startswith("refused\ts3_ca_file")
