"""A store that asks for less, or is too slow, is asked again after a wait, for fewer at a time; within bounds, and until told to stop."""
import time
from email.utils import formatdate

import pytest

from stack import wait_until
from tools.proxy import Proxy
from tools.s3_canned import answer, deleted, error, label, obeys
from tools.s3_tool import put_or_delete

FAILURES = 8      # requests in a row that fail before the rest is left for another time
SLOW = [error(503, "SlowDown"), error(500, "InternalError"), error(200, "InternalError"), answer(503), answer(429), answer(502, "<html>"),
        error(409, "OperationAborted"), error(400, "TooManyRequests")]
LATE = [error(400, "RequestTimeout"), answer(504), answer(408)]


def after(troubles, out):
    """A store that answers OUT so many times, and then well."""
    left = [out] * troubles
    return lambda request: left.pop() if left else obeys(request)


def sizes(server):
    return [len(r.keys) for r in server.requests]


# ---- whole requests ----

@pytest.mark.parametrize("key", ["a", "a\n"])
@pytest.mark.parametrize("out", SLOW + LATE, ids=label)
def test_trouble_that_passes(canned, out, key):
    server, tool = canned(after(2, out))
    assert tool.delete("bucket", [key]).worst == "deleted"
    assert len(server.requests) == 3


@pytest.mark.parametrize("keys", [["a", "b", "c\n"], ["a\n", "b\n", "c\n"]])
@pytest.mark.parametrize("out, asked", [(SLOW[0], FAILURES), (SLOW[4], FAILURES), (LATE[0], 3)], ids=label)
def test_trouble_that_stays(canned, out, asked, keys):
    """Bounded; then nothing counts as deleted, and nothing more is asked for."""
    server, tool = canned(lambda r: out)
    outcome = tool.delete("bucket", keys)
    assert outcome.results == ["retry"] * 3 and set(server.methods()) == {"POST" if keys[0] == "a" else "DELETE"}
    assert len(server.requests) == asked
    assert all(out.decode().split()[1] in why for why in outcome.whys)


def test_every_fifth_request_is_refused(canned):
    """It costs a few more requests, and no object is left for another time."""
    server, tool = canned(lambda r: error(503, "SlowDown") if len(server.requests) % 5 == 0 else deleted(r.keys))
    keys = [f"key {n}" for n in range(40_000)]
    assert set(tool.delete("bucket", keys).results) == {"deleted"}
    assert len(server.requests) <= 40 * 2 and max(sizes(server)) == 1000


def test_batches_shrink_and_grow_again(canned):
    server, tool = canned(after(3, SLOW[0]))
    assert tool.delete("bucket", [f"key {n}" for n in range(3000)]).worst == "deleted"
    assert sizes(server) == [1000, 500, 250, 125, 250, 500, 125, 1000, 1000]


# ---- Retry-After ----

@pytest.mark.parametrize("key", ["a", "a\n"])
@pytest.mark.parametrize("how", ["seconds", "date"])
def test_retry_after_is_honoured(canned, how, key):
    times = []

    def reply(request):
        times.append(time.monotonic())
        if len(times) > 1:
            return obeys(request)
        now = time.time() - 5000     # times are meant by the store's own clock
        after = "3" if how == "seconds" else formatdate(now + 4, usegmt=True)
        return answer(429, headers=["Retry-After: " + after, "Date: " + formatdate(now, usegmt=True)])
    _, tool = canned(reply)
    outcome = tool.delete("bucket", [key])
    assert outcome.worst == "deleted" and len(times) == 2
    assert times[1] - times[0] >= 2.9 and outcome.turns >= 6


@pytest.mark.parametrize("key", ["a", "a\n"])
@pytest.mark.parametrize("arguments", [["-D", "20000"], []])
def test_longer_than_can_be_waited(canned, arguments, key):
    """It is left for another time at once, without another request."""
    server, tool = canned(lambda r: answer(503, headers=["Retry-After: 30" if arguments else "Retry-After: 200"]))
    outcome = tool.delete("bucket", [key, "b", "c\n"], *arguments)
    assert outcome.results == ["retry"] * 3 and len(server.requests) == 1 and "503" in outcome.whys[0]


@pytest.mark.parametrize("key", ["a", "a\n"])
def test_a_wait_ends_when_told_to_stop(canned, key):
    server, tool = canned(lambda r: answer(503, headers=["Retry-After: 50"]))
    outcome = tool.delete("bucket", [key, "b\n"], "-S", "5000")
    assert outcome.worst == "stopped" and outcome.results == ["pending"] * 2 and len(server.requests) == 1


@pytest.mark.parametrize("end", ["", "\n"])
def test_no_request_begins_after_the_deadline(canned, end):
    """But the first: a job that has little time left gets something done."""
    def reply(request):
        time.sleep(1)
        return obeys(request)
    server, tool = canned(reply)
    outcome = tool.delete("bucket", [f"{n}{end}" for n in range(4)], "-k", "1", "-D", "1")
    assert outcome.worst == "stopped" and outcome.results == ["deleted"] + ["pending"] * 3 and len(server.requests) == 1


# ---- some keys of a batch ----

def test_only_the_keys_with_trouble_are_asked_again(canned):
    def reply(request):
        if len(server.requests) == 1:
            return deleted(["a", "c"], [("b", "SlowDown"), ("d", "InternalError"), ("e", "AccessDenied")])
        return deleted(request.keys)
    server, tool = canned(reply)
    assert tool.delete("bucket", ["a", "b", "c", "d", "e"]).results == ["deleted"] * 4 + ["operator"]
    assert [r.keys for r in server.requests] == [["a", "b", "c", "d", "e"], ["b", "d"]]


def test_a_key_whose_trouble_stays(canned):
    server, tool = canned(lambda r: deleted([k for k in r.keys if k != "bad"], [("bad", "InternalError")] if "bad" in r.keys else []))
    outcome = tool.delete("bucket", ["bad", "good", "later 1", "later 2"], "-k", "2")
    assert outcome.results == ["retry"] + ["deleted"] * 3 and "InternalError" in outcome.whys[0]
    assert server.methods() == ["POST"] * len(server.requests) and len(server.requests) == 1 + FAILURES + 1


def test_every_fifth_key_is_refused(canned):
    """Drawn anew for each request: what is left grows fewer, and all go."""
    def reply(request):
        refused = [k for k in request.keys if hash((k, len(server.requests))) % 5 == 0]
        return deleted(set(request.keys) - set(refused), [(k, "SlowDown") for k in refused])
    server, tool = canned(reply)
    assert set(tool.delete("bucket", [f"key {n}" for n in range(1000)]).results) == {"deleted"}
    assert sizes(server)[0] == 1000 and sizes(server) == sorted(sizes(server), reverse=True)


# ---- time-outs ----

def test_a_batch_that_times_out_is_halved(canned):
    """A store that is done in time with one key only: it is found out, kept, and all goes."""
    def reply(request):
        time.sleep(1.5 if len(request.keys) == 1 else 100)
        return deleted(request.keys)
    server, tool = canned(reply)
    assert tool.delete("bucket", ["a", "b", "c", "d"], "-k", "4", "-t", "4000").results == ["deleted"] * 4
    assert sizes(server) == [4, 2, 1, 1, 1, 1]


def test_a_slow_line_to_a_real_store(s3, tool, bucket):
    """A thousand keys never pass in one time-out, again and again; in parts they do."""
    there = [f"{n:04} " + "x" * 200 for n in (0, 300, 600, 999)]
    put_or_delete(s3, bucket, there + ["stays"])
    keys = [f"{n:04} " + "x" * 200 for n in range(1000)]
    with Proxy(s3.rgw.port) as line:
        line.throttle(22_000, way="up")      # about 90 keys a second
        outcome = tool.delete(bucket, keys, "-t", "4000", replace={"-e": f"http://127.0.0.1:{line.port}"})
    assert set(outcome.results) == {"deleted"}
    assert s3.objects(bucket) == ["stays"]


# ---- real ones ----

def test_a_gateway_that_takes_one_request_at_a_time(s3, tool, bucket):
    """Single requests go as many at once as it takes; what it refused is asked again."""
    named = [f"{n}\n" for n in range(60)]
    put_or_delete(s3, bucket, named + ["stays"])
    gateway = s3.second_gateway("slow", "--rgw-scheduler-type=throttler", "--rgw-max-concurrent-requests=1")
    wait_until(lambda: tool.check(replace={"-e": gateway.endpoint})[0], what="the gateway to serve")
    outcome = tool.delete(bucket, named, replace={"-e": gateway.endpoint})
    assert [why for why in outcome.whys if why] == []
    assert set(outcome.results) == {"deleted"}
    assert s3.objects(bucket) == ["stays"]
