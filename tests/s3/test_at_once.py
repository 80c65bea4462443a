"""What has to be deleted by requests of its own: sixteen under way at a time, each with its own outcome."""
import threading
import time

import pytest

from tools.s3_canned import answer, error
from tools.s3_tool import put_or_delete

AT_ONCE = 16


class Store:
    """Answers well so often; from then on a request waits until so many are there, or for ever. reply() says what then."""

    def __init__(self, well, together, reply=lambda request: answer(204)):
        self.well, self.together, self.reply = well, together, reply
        self.asked = self.here = self.most = 0
        self.turn = threading.Condition()

    def __call__(self, request):
        with self.turn:
            self.asked += 1
            self.here += 1
            self.most = max(self.most, self.here)
            self.turn.notify_all()
            if self.asked > self.well:
                self.turn.wait_for(lambda: self.most >= self.together, timeout=100)
        out = self.reply(request)
        with self.turn:
            self.here -= 1
        return out


def keys(count, name=""):
    return [f"{name}{n}\n" for n in range(count)]


def test_sixteen_at_a_time(canned):
    """Only after some went well: a store that refuses all is asked once."""
    store = Store(40, AT_ONCE)
    server, tool = canned(store)
    assert set(tool.delete("bucket", keys(200)).results) == {"deleted"}
    assert store.most == AT_ONCE and server.connections <= AT_ONCE and len(server.requests) == 200


def test_one_at_first(canned):
    store = Store(0, 1, lambda r: error(403, "InvalidAccessKeyId"))
    server, tool = canned(store)
    assert set(tool.delete("bucket", keys(50)).results) == {"operator"}
    assert len(server.requests) == 1


def test_each_has_its_own_outcome(canned):
    """Whatever the order of the answers."""
    def reply(request):
        number = int(request.target.split("/")[2].removesuffix("%0A"))
        time.sleep((number * 7 % 5) / 50)
        return error(403, "AccessDenied") if number % 5 == 1 else error(404, "NoSuchKey") if number % 5 == 2 else answer(204)
    server, tool = canned(reply)
    outcome = tool.delete("bucket", keys(100))
    assert outcome.results == ["operator" if n % 5 == 1 else "deleted" for n in range(100)]
    assert sorted(r.target for r in server.requests) == sorted(f"/bucket/{n}%0A" for n in range(100))


def test_told_to_stop(canned):
    """All under way are given up, none is begun, and nothing is said of what was not asked for."""
    store = Store(40, 1000)
    server, tool = canned(store)
    process = tool.start("-b", "bucket", "-t", "600000", "-S", "8000")
    out, _ = process.communicate(b"".join(k.encode() + b"\0" for k in keys(100)), timeout=100)
    results = [line.split("\t")[0] for line in out.decode().splitlines()[:-2]]
    counts = {word: results.count(word) for word in set(results)}
    assert counts == {"deleted": 40, "stopped": AT_ONCE, "pending": 100 - 40 - AT_ONCE}, counts
    assert b"worst\tstopped" in out and len(server.requests) == 40 + AT_ONCE


def test_a_server_that_hangs_costs_no_time_out_for_each(canned):
    """Sixteen wait together, then half as many, then a quarter."""
    store = Store(40, 1000)
    server, tool = canned(store)
    outcome = tool.delete("bucket", keys(200), "-t", "2500")
    assert outcome.results.count("deleted") == 40 and outcome.results.count("retry") == 160
    assert len(server.requests) == 40 + AT_ONCE + AT_ONCE // 2 + AT_ONCE // 4


def test_a_server_that_is_gone(canned):
    """While many are under way: nobody waits for anything."""
    def reply(request):
        if len(server.requests) < 60:
            return answer(204)
        server.close()
        return None
    server, tool = canned(reply)
    outcome = tool.delete("bucket", keys(100))
    assert set(outcome.results) == {"deleted", "retry"} and outcome.results.count("deleted") >= 59 - AT_ONCE
    assert len(server.requests) < 100


@pytest.mark.parametrize("limit", [1, 3])
def test_a_server_that_takes_few_connections(canned, limit):
    """More than it takes are cut; that is nobody's fault, and all go. Whoever meets a connection that is just closing while it is
    the only one comes again, as a job does: few calls are enough, where blaming the store for each cut needs some fifty."""
    here = []

    def reply(request):
        return answer(204)
    server, tool = canned(reply)
    serve = server._serve

    def few(sock, number):
        if len(here) >= limit:
            sock.close()
            return
        here.append(number)
        try:
            serve(sock, number)
        finally:
            here.remove(number)
    server._serve = few
    left = keys(100)
    for _ in range(8):
        results = dict(zip(left, tool.delete("bucket", left).results))
        assert set(results.values()) <= {"deleted", "retry"}, results
        left = [key for key in left if results[key] != "deleted"]
        if not left:
            break
    assert not left


def test_a_real_store(s3, tool, bucket):
    named = keys(300, "user/42/")
    put_or_delete(s3, bucket, named + ["stays"])
    assert set(tool.delete(bucket, named).results) == {"deleted"}
    assert s3.objects(bucket) == ["stays"]


def test_a_real_store_that_hangs(s3, tool, bucket):
    """A gateway that is stopped in the middle: its time-outs are waited for together, and when it is back all goes."""
    named = keys(120)
    put_or_delete(s3, bucket, named)
    s3.rgw.pause()
    try:
        outcome = tool.delete(bucket, named, "-t", "2000")
    finally:
        s3.rgw.resume()
    assert outcome.results == ["retry"] * 120
    assert tool.delete(bucket, named).worst == "deleted"
    assert s3.objects(bucket) == []
