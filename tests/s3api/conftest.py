"""Fixtures on a Swift of the tests' own: the tool that deletes keys, and an empty bucket."""
import uuid

import pytest

from stack.swift import ACCESS_KEY, REGION, SECRET_KEY, Swift
from tools.s3_tool import Tool


@pytest.fixture(scope="session")
def swift(request):
    swift = Swift().open()
    try:
        yield swift.start()
    finally:
        if not request.config.getoption("--keep-stack"):
            swift.down()


@pytest.fixture
def tool(swift):
    tool = Tool(swift.endpoint, ACCESS_KEY, SECRET_KEY)
    tool.options["-r"] = REGION
    tool.options["-t"] = "100000"
    return tool


@pytest.fixture
def bucket(swift):
    name = "s3c-" + uuid.uuid4().hex[:12]
    swift.client().create_bucket(Bucket=name)
    return name
