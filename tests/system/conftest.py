"""A stack of programs in which the crash points are built in, and the rounds on it."""
import os
import subprocess

import pytest

from stack import Stack, place
from tools.crash import KEEPING, PREFIXES_SQL, SETTINGS, Rounds


@pytest.fixture(scope="module")
def crash_stack():
    """A stack of programs in which the points are built in; with the sanitizers, if the tests are run with these."""
    build, options = "build-crash", ["--crash-points"]
    if os.environ.get("FAREWELL_BUILD", "").endswith("-asan"):
        build, options = build + "-asan", [*options, "--asan"]
    subprocess.run([os.path.join(place.TOP, "dev"), "build", *options], check=True, capture_output=True)
    stack = Stack.take("crash", settings=SETTINGS, build=os.path.join(place.TOP, build))
    try:
        stack.cases = {}         # of all rounds: parkings are known from the beginning
        stack.start_servers()
        stack.stage()
        stack.s3.make_bucket("farewell-test")
        stack.s3.make_bucket(KEEPING)
        stack.s3.client().put_bucket_versioning(Bucket=KEEPING, VersioningConfiguration={"Status": "Enabled"})
        stack.postgres.query("worker", PREFIXES_SQL)
        yield stack
        reports = stack.sanitizer_reports()
        assert not reports, "\n\n".join(reports)
    finally:
        stack.down()


@pytest.fixture(scope="module")
def rounds(crash_stack):
    rounds = Rounds(crash_stack)
    yield rounds
    rounds.close()
