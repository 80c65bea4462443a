"""Fixtures on a mail server of the test's own."""
import subprocess

import pytest

from tools.mail_servers import RealServer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    crt, key = str(directory / "smtp.crt"), str(directory / "smtp.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-keyout", key, "-out", crt, "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return crt, key


@pytest.fixture(scope="module")
def real_server(tmp_path_factory, certificate):
    server = RealServer(str(tmp_path_factory.mktemp("smtp")), certificate)
    yield server
    server.close()


@pytest.fixture
def server(real_server):
    real_server.clear()
    yield real_server
    real_server.clear()
