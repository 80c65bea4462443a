"""Fixtures on the tool that deletes keys: at the real store, in a bucket of the test's own, and at one that answers as told."""
import subprocess

import pytest

from stack.s3 import ACCESS_KEY, SECRET_KEY
from tools.s3_canned import ACCESS, SECRET, Canned
from tools.s3_tool import Tool, put_or_delete


@pytest.fixture
def s3(stack, fw):
    return stack.s3


@pytest.fixture
def tool(s3):
    return Tool(s3.endpoint, ACCESS_KEY, SECRET_KEY)


@pytest.fixture
def bucket(s3, request):
    """An empty bucket of the test's own, gone afterwards."""
    name = "s3c-" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:40].rstrip("-")
    s3.make_bucket(name)
    yield name
    s3.osd.resume()
    s3.policy(name, None)
    put_or_delete(s3, name, s3.objects(name), delete=True)
    s3.client().delete_bucket(Bucket=name)


@pytest.fixture
def canned():
    servers = []

    def start(reply, **options):
        server = Canned(reply, **options)
        servers.append(server)
        return server, Tool(server.endpoint, ACCESS, SECRET)
    yield start
    for server in servers:
        server.close()


@pytest.fixture
def certificate(tmp_path):
    path = tmp_path / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key", "-out", tmp_path / "cert",
                    "-days", "2", "-subj", "/CN=store", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    path.write_bytes((tmp_path / "key").read_bytes() + (tmp_path / "cert").read_bytes())
    return path
