"""What a store's listings may say wrong: nothing is called deleted for it, and nothing of others is."""
import urllib.parse
from xml.sax.saxutils import escape

import pytest

from tools.s3_canned import answer, deleted, error

VERSIONED = answer(200, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
NONE = answer(200, "<VersioningConfiguration/>")


def query(request):
    return {k: v[0] for k, v in urllib.parse.parse_qs(urllib.parse.urlsplit(request.target).query, keep_blank_values=True).items()}


def versions(entries, truncated="false", more="", encoding="<EncodingType>url</EncodingType>"):
    return answer(200, f"<ListVersionsResult>{encoding}<IsTruncated>{truncated}</IsTruncated>{more}" + "".join(
        f"<Version><Key>{k}</Key>" + (f"<VersionId>{v}</VersionId>" if v else "") + "</Version>" for k, v in entries) + "</ListVersionsResult>")


def uploads(entries=()):
    return answer(200, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>" + "".join(
        f"<Upload><Key>{k}</Key><UploadId>{u}</UploadId></Upload>" for k, u in entries) + "</ListMultipartUploadsResult>")


def store(canned, listing, versioning=VERSIONED, delete=None):
    """A store whose listing of versions is `listing(query)`; its server and the tool."""
    def reply(request):
        asked = query(request)
        if "versioning" in asked:
            return versioning
        if "uploads" in asked:
            return uploads()
        if "versions" in asked:
            return listing(asked)
        return (delete or (lambda r: answer(204) if r.method == "DELETE" else named(r)))(request)
    return canned(reply)


def pairs(request):
    """What a multi-object delete names: (key, version)."""
    from xml.etree import ElementTree
    ns = "{http://s3.amazonaws.com/doc/2006-03-01/}"
    return [(o.findtext(ns + "Key"), o.findtext(ns + "VersionId")) for o in ElementTree.fromstring(request.body).iter(ns + "Object")]


def named(request):
    """A DeleteResult that says that all that was named is gone."""
    return answer(200, "<DeleteResult>" + "".join(
        f"<Deleted><Key>{escape(k)}</Key>" + (f"<VersionId>{v}</VersionId>" if v else "") + "</Deleted>" for k, v in pairs(request)) + "</DeleteResult>")


def deletions(server):
    return [pair for r in server.requests if r.method == "POST" for pair in pairs(r)]


@pytest.mark.parametrize("listing, result, word", [
    (lambda q: versions([("A", "1")], "true"), "retry", "does not get on"),
    (lambda q: versions([], "true"), "retry", "does not get on"),
    (lambda q: versions([("b", "1"), ("a", "1")]), "operator", "order"),
    (lambda q: versions([("a", "")]), "operator", "no id"),
    (lambda q: answer(200, "<ListVersionsResult><Version><Key>a</Key>"), "retry", "can't be read"),
    (lambda q: answer(200, "<ListVersionsResult/>"), "retry", "can't be read"),
    (lambda q: answer(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"), "retry", "can't be read"),
    (lambda q: error(500, "InternalError"), "retry", "InternalError"),
    (lambda q: error(403, "AccessDenied"), "operator", "s3:ListBucketVersions")])
def test_a_listing_that_proves_nothing(canned, listing, result, word):
    server, tool = store(canned, listing)
    outcome = tool.delete("media", ["a", "b"], "-E")
    assert outcome.results == [result] * 2 and word in outcome.whys[0], outcome.text
    assert deletions(server) == []


@pytest.mark.parametrize("keys", [["u/a", "u/b"], ["u/a"]])
def test_a_listing_of_what_was_not_asked_for(canned, keys):
    """A store, or a proxy before it, that heeds no prefix: what it does not list is there all the same."""
    server, tool = store(canned, lambda q: versions([("neighbour", "1")]))
    outcome = tool.delete("media", keys, "-E")
    assert outcome.results == ["operator"] * len(keys) and "not asked for" in outcome.whys[0], outcome.text
    assert deletions(server) == []


def test_only_named_keys_by_their_ids(canned):
    server, tool = store(canned, lambda q: versions([("a", "1"), ("a", "2"), ("a%2Fb", "3"), ("ab", "4"), ("b", "null")]))
    assert tool.delete("media", ["a", "b", "c"], "-E").results == ["deleted"] * 3
    assert sorted(deletions(server)) == [("a", "1"), ("a", "2"), ("b", "null")]


def test_a_page_that_ends_within_a_key(canned):
    """The key is listed again from its first version, whatever place the store names."""
    left = [("a", "1"), ("b", "1"), ("b", "2"), ("b", "3"), ("c", "1")]

    def listing(asked):
        after = asked.get("key-marker", "")
        rest = [e for e in left if e[0] > after]
        return versions(rest[:2], str(len(rest) > 2).lower(), "<NextKeyMarker>zzz</NextKeyMarker>")

    def delete(request):
        left[:] = [e for e in left if e not in pairs(request)]
        return named(request)
    server, tool = store(canned, listing, delete=delete)
    assert tool.delete("media", ["b", "c"], "-E").results == ["deleted"] * 2
    assert left == [("a", "1")] and ("a", "1") not in deletions(server)


def test_far_apart_among_others(canned):
    """A page that is full of others': the keys are then asked for one by one."""
    others = [(f"k{n:05}", "1") for n in range(20000)]
    mine = [(f"k{n:05}x", "1") for n in range(0, 20000, 1000)]
    everything = sorted(others + mine)

    def listing(asked):
        rest = [e for e in everything if e[0].startswith(asked.get("prefix", "")) and e[0] > asked.get("key-marker", "")]
        most = int(asked["max-keys"])
        return versions(rest[:most], str(len(rest) > most).lower())
    server, tool = store(canned, listing)
    outcome = tool.delete("media", [k for k, _ in mine], "-E")
    assert set(outcome.results) == {"deleted"} and sorted(deletions(server)) == mine, outcome.text
    asked = [q for q in map(query, server.requests) if "versions" in q]
    assert len(asked) < 30 and len([q for q in asked if int(q["max-keys"]) == 1000]) <= 2, len(asked)


def test_a_store_that_encodes_without_saying_so(canned):
    server, tool = store(canned, lambda q: versions([("a%20b", "1"), ("c+d", "2")], encoding=""))
    assert tool.delete("media", ["a b", "c d"], "-E").results == ["deleted"] * 2
    assert sorted(deletions(server)) == [("a b", "1"), ("c d", "2")]


@pytest.mark.parametrize("unknown", [error(501, "NotImplemented"), error(405, "MethodNotAllowed"), error(400, "NotImplemented")])
def test_a_store_that_knows_neither_versions_nor_uploads(canned, unknown):
    server, tool = canned(lambda r: deleted(r.keys) if r.method == "POST" else unknown)
    assert tool.delete("media", ["a", "b"], "-E").results == ["deleted"] * 2
    assert server.methods() == ["GET", "GET", "POST"]


@pytest.mark.parametrize("status", [405, 501])
@pytest.mark.parametrize("word", ["versioning", "uploads"])
def test_a_proxy_does_not_say_what_a_store_knows(canned, status, word):
    """A page of its own, once, in the place of the store's answer: nothing counts as deleted."""
    page = answer(status, "<html><body>Not Allowed</body></html>", ["Content-Type: text/html"])

    def reply(request):
        if request.method == "POST":
            return deleted(request.keys)
        if word in request.target:
            return page
        return uploads() if "uploads" in request.target else NONE
    server, tool = canned(reply)
    assert set(tool.delete("media", ["a", "b"], "-E").results) == {"retry"}


def test_a_marker_in_the_answer_says_that_versions_remain(canned):
    """The bucket has no versioning when it is asked, and has it when it deletes."""
    def delete(request):
        if any(version for _, version in pairs(request)):
            return named(request)
        return answer(200, "<DeleteResult><Deleted><Key>a</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m</DeleteMarkerVersionId>"
                      "</Deleted><Deleted><Key>b</Key></Deleted></DeleteResult>")
    server, tool = store(canned, lambda q: versions([("a", "m"), ("a", "1"), ("ab", "7")]), NONE, delete)
    outcome = tool.delete("media", ["a", "b"], "-E")
    assert outcome.results == ["deleted"] * 2 and outcome.markers == [False, False], outcome.text
    assert deletions(server)[2:] == [("a", "1"), ("a", "m")]


def test_verifying_takes_keys_as_they_are_said(canned):
    """AWS writes the space of another's key as a plus."""
    def reply(request):
        if request.method == "POST":
            return deleted(request.keys)
        return answer(200, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
                      "<Contents><Key>a+b</Key></Contents><Contents><Key>c%2Bd</Key></Contents></ListBucketResult>")
    _, tool = canned(reply)
    outcome = tool.delete("media", ["a+b", "c+d"], "-y")
    assert outcome.results == ["deleted", "retry"] and "s3_verify" in outcome.whys[1], outcome.text
