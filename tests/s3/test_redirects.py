"""A bucket in another region: an answer that names the place is followed once, within the domain, and remembered."""
import re

import pytest

from tools.s3_canned import ACCESS, SECRET, answer, deleted, error
from tools.s3_tool import Outcome, Tool, feed

HERE, THERE = "s3.eu-1.stores.localhost", "s3.eu-2.stores.localhost"  # a name below localhost is this host's


class Region:
    """A store of two regions: asked about a bucket by the name of HERE it answers MOVED, by that of THERE, and signed for it, well."""

    def __init__(self, canned, moved, there=THERE, region="eu-2"):
        self.moved, self.there, self.region = moved, there, region
        self.server, _ = canned(self.reply)
        self.tool = Tool(f"http://{HERE}:{self.server.port}", ACCESS, SECRET)

    def reply(self, request):
        if self.asked(request) != (self.there, self.region):
            return self.moved
        return deleted(request.keys) if request.method == "POST" else answer(204)

    @staticmethod
    def asked(request):
        """The host, and the region signed for."""
        return request.headers["host"].rpartition(":")[0], request.headers["authorization"].split("/")[-3]

    def delete(self, keys, *arguments):
        """(the tool's outcome, what it logged)"""
        process = self.tool.start("-b", "media", "-r", "eu-1", *arguments)
        out, err = process.communicate(feed(keys), timeout=100)
        assert process.returncode == 0
        return Outcome(out.decode()), err.decode()

    def places(self):
        return [self.asked(r) for r in self.server.requests]


def moved(status, code, endpoint=None, region=None, header=None, location=None):
    more = (f"<Endpoint>{endpoint}</Endpoint>" if endpoint else "") + (f"<Region>{region}</Region>" if region else "")
    headers = ([f"x-amz-bucket-region: {header}"] if header else []) + ([f"Location: {location}"] if location else [])
    return error(status, code, more, headers) if code else answer(status, headers=headers)


@pytest.mark.parametrize("name, out", {
    "as Amazon's 301": moved(301, "PermanentRedirect", f"media.{THERE}", header="eu-2"),
    "region in the body": moved(301, "PermanentRedirect", THERE, region="eu-2"),
    "region in the header only": moved(301, None, header="eu-2"),
    "region in the host's name only": moved(301, "PermanentRedirect", THERE),
    "as Amazon's 307": moved(307, "TemporaryRedirect", f"media.{THERE}", location=f"http://media.{THERE}/key"),
    "Location only, and another scheme": moved(307, None, location=f"https://media.{THERE}/key"),
}.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_followed_once_and_remembered(canned, name, out):
    store = Region(canned, out)
    outcome, log = store.delete(["a", "b", "c\n"], "-k", "1")
    assert outcome.results == ["deleted"] * 3, outcome.text
    assert store.places() == [(HERE, "eu-1")] + [(THERE, "eu-2")] * 3
    assert [r.target for r in store.server.requests] == ["/media?delete="] * 3 + ["/media/c%0A"]
    line, = re.findall(r"bucket media is in region eu-2: its requests go to .*", log)
    assert THERE in line and line.endswith("for some minutes") == out.startswith(b"HTTP/1.1 307")


def test_signed_again_for_the_region_that_is_named(canned):
    store = Region(canned, moved(400, "AuthorizationHeaderMalformed", region="eu-2"), there=HERE)
    outcome, _ = store.delete(["a", "b"], "-k", "1")
    assert outcome.worst == "deleted"
    assert store.places() == [(HERE, "eu-1"), (HERE, "eu-2"), (HERE, "eu-2")]


def test_virtual_hosts(canned):
    store = Region(canned, moved(301, "PermanentRedirect", f"media.{THERE}", header="eu-2"), there=f"media.{THERE}")
    outcome, _ = store.delete(["a"], "-v")
    assert outcome.worst == "deleted"
    assert store.places() == [(f"media.{HERE}", "eu-1"), (f"media.{THERE}", "eu-2")]


@pytest.mark.parametrize("endpoint", ["s3.eu-2.stores.localhost.evil.example", "evil.example", "127.0.0.1", "10.0.0.1", f"{THERE}:1", "localhost"])
def test_elsewhere_is_not_followed(canned, endpoint):
    store = Region(canned, moved(301, "PermanentRedirect", endpoint, header="eu-2"))
    outcome, log = store.delete(["a", "b"])
    assert outcome.worst == "operator" and store.places() == [(HERE, "eu-1")]
    assert all("PermanentRedirect" in why and f"it names {endpoint}" in why for why in outcome.whys), outcome.whys
    assert log.count("which is not followed") == 1 and endpoint in log


def test_a_redirect_that_leads_nowhere_is_not_followed_again(canned):
    """What it leads to sends on, too: the answer counts, and nothing is remembered."""
    store = Region(canned, moved(301, "PermanentRedirect", THERE, header="eu-3"))
    outcome, log = store.delete(["a"])
    assert outcome.worst == "operator" and "is in region" not in log
    assert store.places() == [(HERE, "eu-1"), (THERE, "eu-3")]


def test_a_temporary_redirect_that_leads_nowhere_heals_by_time(canned):
    store = Region(canned, moved(307, "TemporaryRedirect", "s3.eu-3.stores.localhost"))
    outcome, _ = store.delete(["a"])
    assert outcome.worst == "retry" and "TemporaryRedirect" in outcome.whys[0]
