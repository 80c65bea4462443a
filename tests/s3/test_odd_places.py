"""Where things are not as usual: no MD5, clocks that differ, a bucket whose requester pays."""
import base64
import datetime
import hashlib
import os
import subprocess
from email.utils import format_datetime

import pytest

from tools.s3_canned import answer, check_signature, deleted, error, obeys, time_of
from tools.s3_tool import Outcome, feed, put_or_delete

TOOLS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools")


# ---- no MD5 ----

@pytest.fixture
def no_md5(tmp_path):
    """The environment of a program whose libcrypto has no MD5."""
    library = tmp_path / "no_md5.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, os.path.join(TOOLS, "no_md5.c")], check=True)
    # The sanitizer wants to be the first, but does not mind.
    return {**os.environ, "LD_PRELOAD": str(library), "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


def test_without_md5_the_body_has_another_checksum(canned, no_md5):
    server, tool = canned(obeys)
    assert tool.delete("bucket", ["a", "b\n"], env=no_md5).worst == "deleted"
    post, single = server.requests
    assert "content-md5" not in post.headers and post.headers["x-amz-sdk-checksum-algorithm"] == "SHA256"
    assert post.headers["x-amz-checksum-sha256"] == base64.b64encode(hashlib.sha256(post.body).digest()).decode()
    assert not {"content-md5", "x-amz-checksum-sha256", "x-amz-sdk-checksum-algorithm"} & set(single.headers)
    for request in server.requests:
        check_signature(request, server.endpoint + request.target)
        assert ("x-amz-checksum-sha256" in request.headers["authorization"]) == (request is post)


def test_without_md5_a_real_store(s3, tool, bucket, no_md5):
    put_or_delete(s3, bucket, ["a", "b", "stays"])
    assert tool.delete(bucket, ["a", "b"], env=no_md5).results == ["deleted"] * 2
    assert s3.objects(bucket) == ["stays"]


# ---- clocks ----

class Clock:
    """A store whose clock is AHEAD seconds of this machine's, and which takes what is within five minutes of it. SAYS is how far
    ahead its Date is; None: it has none."""

    def __init__(self, ahead, *says):
        self.ahead, self.says = (s if s is None else datetime.timedelta(seconds=s) for s in (ahead, *(says or (ahead,))))

    def __call__(self, request):
        now = datetime.datetime.now(datetime.timezone.utc)
        if abs(time_of(request) - now - self.ahead) < datetime.timedelta(minutes=5):
            return obeys(request)
        date = [] if self.says is None else ["Date: " + format_datetime(now + self.says, usegmt=True)]
        return error(403, "RequestTimeTooSkewed", headers=date)


def run(tool, keys, *arguments):
    """The outcome, and what was written to the log."""
    process = tool.start("-b", "bucket", *arguments)
    out, err = process.communicate(feed(keys), timeout=100)
    assert process.returncode == 0
    return Outcome(out.decode()), err.decode()


@pytest.mark.parametrize("ahead, words", [(7200, "7200 s behind"), (-7200, "7200 s ahead of"), (82_800, "82800 s behind")])
def test_the_clock_is_corrected(canned, ahead, words):
    """With one request more in all, and said once."""
    server, tool = canned(Clock(ahead))
    outcome, log = run(tool, ["a", "b", "c\n", "d\n"], "-k", "1")
    assert outcome.results == ["deleted"] * 4 and server.methods() == ["POST"] * 3 + ["DELETE"] * 2
    line, = log.splitlines()
    about = int(words.split()[0])
    assert any(words.replace(str(about), str(s)) in line for s in range(about - 60, about + 61)), line
    for request in server.requests[1:]:
        check_signature(request, server.endpoint + request.target, ahead=datetime.timedelta(seconds=ahead))


def test_the_clock_is_corrected_for_single_requests(canned):
    server, tool = canned(Clock(7200))
    outcome, log = run(tool, [f"{n}\n" for n in range(50)])
    assert outcome.results == ["deleted"] * 50 and len(server.requests) == 51 and len(log.splitlines()) == 1


def test_the_check_corrects_the_clock(canned):
    clock = Clock(7200)
    _, tool = canned(lambda r: error(403, "AccessDenied") if b"AccessDenied" in (out := clock(r)) or out.startswith(b"HTTP/1.1 2") else out)
    process = tool.start("-c")
    out, err = process.communicate(timeout=100)
    assert out.startswith(b"good") and len(err.splitlines()) == 1


@pytest.mark.parametrize("clock", [Clock(90_000), Clock(7200, None), Clock(7200, 0)],
                         ids=["more than a day", "no date", "a date that explains nothing"])
@pytest.mark.parametrize("key", ["a", "a\n"])
def test_a_clock_that_can_not_be_corrected(canned, clock, key):
    server, tool = canned(clock)
    outcome = tool.delete("bucket", [key, "b", "c\n"])
    assert outcome.results == ["retry"] * 3 and "clock" in outcome.whys[0] and len(server.requests) == 1


@pytest.mark.parametrize("key", ["a", "a\n"])
def test_a_store_that_does_not_know_its_own_time(canned, key):
    """What it says is tried once."""
    dates = []

    def reply(request):
        dates.append(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=len(dates) + 1))
        return error(403, "RequestTimeTooSkewed", headers=["Date: " + format_datetime(dates[-1], usegmt=True)])
    server, tool = canned(reply)
    outcome, _ = run(tool, [key])
    assert outcome.results == ["retry"] and len(server.requests) == 2


def test_the_date_of_another_error_is_nothing_to_us(canned):
    date = "Date: " + format_datetime(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2), usegmt=True)
    server, tool = canned(lambda r: error(403, "AccessDenied", headers=[date]))
    assert tool.delete("bucket", ["a"]).results == ["operator"] and len(server.requests) == 1
    check_signature(server.requests[0], server.endpoint + server.requests[0].target)


# ---- who pays ----

@pytest.mark.parametrize("arguments", [["-p"], []])
def test_the_requester_pays(canned, arguments):
    server, tool = canned(obeys)
    assert tool.delete("bucket", ["a", "b\n"], *arguments).worst == "deleted"
    assert [r.headers.get("x-amz-request-payer") for r in server.requests] == (["requester"] if arguments else [None]) * 2
    for request in server.requests:
        check_signature(request, server.endpoint + request.target)
        assert ("x-amz-request-payer" in request.headers["authorization"]) == bool(arguments)


# ---- versions ----

def tell(outcome):
    """Result, and whether a delete marker was made, of each."""
    return [(row[0], "marker" in row) for row in (line.split("\t") for line in outcome.text.splitlines()[:-2])]


def test_versions_in_a_batch(canned):
    """Each is matched by key and version id; a marker that was deleted is no marker that was made."""
    result = ("<DeleteResult><Deleted><Key>a</Key><VersionId>1</VersionId></Deleted>"
              "<Deleted><Key>a</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>9</DeleteMarkerVersionId></Deleted>"
              "<Deleted><Key>b</Key><VersionId>3</VersionId><DeleteMarker>true</DeleteMarker>"
              "<DeleteMarkerVersionId>3</DeleteMarkerVersionId></Deleted>"
              "<Error><Key>c</Key><VersionId>4</VersionId><Code>AccessDenied</Code></Error></DeleteResult>")
    server, tool = canned(lambda r: answer(200, result) if r.method == "POST" else error(404, "NoSuchVersion"))
    outcome, _ = run(tool, ["a", "2/+ &", "a", "1", "a", "", "b", "3", "c", "4"], "-V")
    assert tell(outcome) == [("deleted", False), ("deleted", False), ("deleted", True), ("deleted", False), ("operator", False)]
    post, single = server.requests
    assert b"<Key>a</Key></Object>" in post.body and b"<Key>a</Key><VersionId>2/+ &amp;</VersionId></Object>" in post.body
    assert single.target == "/bucket/a?versionId=2%2F%2B%20%26"      # the one that was not mentioned
    check_signature(single, server.endpoint + single.target)


def test_versions_one_by_one(canned):
    server, tool = canned(lambda r: answer(204, headers=["x-amz-delete-marker: true", "x-amz-version-id: 9"]))
    outcome, _ = run(tool, ["a\n", "", "a\n", "9"], "-V")
    assert tell(outcome) == [("deleted", True), ("deleted", False)]
    assert [r.target for r in server.requests] == ["/bucket/a%0A", "/bucket/a%0A?versionId=9"]


def test_a_real_versioned_bucket(s3, tool, bucket):
    s3.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = (s3.client().put_object(Bucket=bucket, Key="a", Body=b"x")["VersionId"] for _ in range(2))
    outcome, _ = run(tool, ["a", first, "a", ""], "-V", "-b", bucket)
    assert tell(outcome) == [("deleted", False), ("deleted", True)]
    left = s3.client().list_object_versions(Bucket=bucket)
    assert [v["VersionId"] for v in left["Versions"]] == [second]
    marker, = left["DeleteMarkers"]
    outcome, _ = run(tool, ["a", marker["VersionId"], "a", second], "-V", "-b", bucket)
    assert tell(outcome) == [("deleted", False)] * 2
    assert "Versions" not in s3.client().list_object_versions(Bucket=bucket)
