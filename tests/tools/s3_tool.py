"""Runs tests/tools/s3_delete_tool, which is lib/s3/s3.c with a command line around it."""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = os.path.join(os.environ.get("FAREWELL_BUILD") or os.path.join(TOP, "build"), "tests", "tools", "s3_delete_tool")
LOG_LINE = re.compile(r"\S+ (info|warning) ")

# Every key has a neighbour that careless handling (trimming, decoding, normalising, cutting) would take it for.
ODD_KEYS = [
    ("plain.txt", "plain.tx"), ("with space", "with+space"), ("a+b", "a b"), ("100%", "100%25"), ("%2e%2e/x", "../x"), ("%41", "A"),
    ("한글/사진.jpg", "한글/사진"), ("emoji \U0001F600", "emoji "), ("two//slashes", "two/slashes"), ("/leading", "leading"),
    ("//", "/"), ("a/../b", "b"), ("./dot", "dot"), ("trailing.", "trailing"), ("folder/", "folder"), ("...", ".hidden"),
    ("bell\x07", "bell"), ("new\nline", "newline"), ("tab\tand\rreturn", "tab and return"), ("\x01", "\x02"), ("del\x7f", "del"),
    (" lead", "lead"), ("trail ", "trail"), ("quotes\"'", "quotes"), ("<Key>&amp;</Key>", "<Key>&</Key>"), ("]]>", "]]"), ("&lt;", "<"),
    ("?delete", "?"), ("x#y", "x"), ("back\\slash", "back/slash"), ("n\u0303", "\u00f1"), ("nel\u0085", "nel"), ("ls\u2028x", "ls x"),
    ("non\ufffe", "non"), ("L" * 1024, "L" * 1023), ("한" * 341, "한" * 340), ("한" * 340 + "\n", "한" * 339 + "\n"),
]


class Outcome:
    """results: one word per key, in their order; whys: the sentences; markers: whether a delete marker was made; worst, turns and gap_ms as the tool says."""

    def __init__(self, output):
        rows = [line.split("\t") for line in output.splitlines()]
        self.text = output
        self.results = [r[0] for r in rows[:-2]]
        self.whys = [r[1] for r in rows[:-2]]
        self.markers = [r[2:] == ["marker"] for r in rows[:-2]]
        self.worst = rows[-2][1]
        self.turns, self.gap_ms = int(rows[-1][1]), int(rows[-1][2])


class Tool:
    """Without a key the tool looks for credentials itself, in the environment that run() is given as env."""

    def __init__(self, endpoint, access_key=None, secret_key=None):
        self.options = {"-e": endpoint}
        if access_key:
            self.options.update({"-a": access_key, "-s": secret_key})
        self.warnings = ""

    def start(self, *arguments, **options):
        if not os.path.exists(PATH):
            pytest.fail(f"{PATH} is missing: `make check` builds it")
        merged = {**self.options, **options.pop("replace", {})}
        argv = [PATH, *(word for pair in merged.items() for word in pair), *arguments]
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, *arguments, keys=(), may_warn=False, **options):
        """The tool's output; what it writes to standard error (a sanitizer's report) fails the test, but for log lines, and
        unless it may warn: then it is kept as .warnings."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(feed(keys), timeout=100)
        finally:
            process.kill()
        self.warnings = err.decode(errors="replace")
        strange = [line for line in self.warnings.splitlines() if not LOG_LINE.match(line)]
        harmless = not strange or may_warn and "runtime error" not in self.warnings and "Sanitizer" not in self.warnings
        assert process.returncode == 0 and harmless, (process.returncode, self.warnings)
        return out.decode()

    def delete(self, bucket, keys, *arguments, **options):
        outcome = Outcome(self.run("-b", bucket, *arguments, keys=keys, **options))
        assert len(outcome.results) == len(keys)
        for key, why in zip(keys, outcome.whys):
            assert len(key) < 4 or key not in why
        assert "-s" not in self.options or self.options["-s"] not in outcome.text
        return outcome

    def check(self, *arguments, **options):
        """What s3_check says: (True or False, why)."""
        word, _, why = self.run("-c", *arguments, **options).rstrip("\n").partition("\t")
        return word == "good", why


def feed(keys):
    return b"".join(k.encode("utf-8", "surrogateescape") + b"\0" for k in keys)


def put_or_delete(s3, bucket, keys, delete=False):
    """Makes objects with these keys in the bucket, or deletes them, with boto3."""
    client = s3.client()

    def one(key):
        if delete:
            client.delete_object(Bucket=bucket, Key=key)
        else:
            client.put_object(Bucket=bucket, Key=key, Body=b"x")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, keys))


def versioning(s3, bucket, status="Enabled"):
    s3.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def everything(s3, bucket):
    """Versions, delete markers and uploads in the bucket: {key: how many}."""
    counts = {}
    for page in s3.client().get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in page.get("Versions", []) + page.get("DeleteMarkers", []):
            counts[one["Key"]] = counts.get(one["Key"], 0) + 1
    for page in s3.client().get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for one in page.get("Uploads", []):
            counts[one["Key"]] = counts.get(one["Key"], 0) + 1
    return counts
