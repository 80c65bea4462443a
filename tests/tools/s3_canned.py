"""A server on a free port that answers as a test says, and keeps what it was asked."""
import datetime
import hashlib
import socket
import ssl
import threading
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS, SECRET = "CANNEDKEY", "canned/secret+=="
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Request:
    def __init__(self, method, target, headers, body, connection):
        self.method, self.target, self.headers, self.body, self.connection = method, target, headers, body, connection

    @property
    def keys(self):
        """The keys a multi-object delete names."""
        return [k.text for k in ElementTree.fromstring(self.body).iter(NAMESPACE + "Key")]


def answer(status, body="", headers=(), length=None):
    """An HTTP answer; LENGTH is what Content-Length says when that is not the truth."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error(status, code, more="", headers=()):
    return answer(status, f"<?xml version=\"1.0\"?><Error><Code>{code}</Code>{more}</Error>", headers)


def deleted(keys, failed=()):
    """A DeleteResult that mentions KEYS as deleted and FAILED, pairs of key and code, as not."""
    return answer(200, '<?xml version="1.0" encoding="UTF-8"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                  + "".join(f"<Deleted><Key>{escape(k)}</Key></Deleted>" for k in keys)
                  + "".join(f"<Error><Key>{escape(k)}</Key><Code>{c}</Code></Error>" for k, c in failed) + "</DeleteResult>")


def obeys(request):
    """What a good store answers."""
    return deleted(request.keys) if request.method == "POST" else answer(204)


def label(value):
    """An answer in a test's name: status and code."""
    if isinstance(value, bytes):
        status, _, rest = value.decode().removeprefix("HTTP/1.1 ").partition(" ")
        return status[:3] + "-" + (rest.partition("<Code>")[2].partition("<")[0] or "plain")
    return None


def time_of(request):
    """When it was signed, as it says itself."""
    return datetime.datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)


def check_signature(request, url, ahead=datetime.timedelta()):
    """Signs the request anew with botocore and compares; AHEAD is how far the store's clock is ahead."""
    authorization = request.headers["authorization"]
    signed = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed)
    again = AWSRequest(method=request.method, url=url, data=request.body, headers={n: request.headers[n] for n in signed})
    again.context["timestamp"] = request.headers["x-amz-date"]
    auth = S3SigV4Auth(Credentials(ACCESS, SECRET), "s3", "us-east-1")
    assert authorization.endswith("Signature=" + auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again))
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(request.body).hexdigest()
    assert abs(time_of(request) - datetime.datetime.now(datetime.timezone.utc) - ahead) < datetime.timedelta(minutes=10)


class Canned:
    """reply(request) gives the bytes of an answer, or None to close the connection; it may also write by itself to `sock`."""

    def __init__(self, reply, certificate=None):
        self.reply, self.requests, self.connections = reply, [], 0
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.endpoint = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def methods(self):
        return [r.method for r in self.requests]

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock, number):
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock, sock.makefile("rb") as stream:
                while (request := self._read(stream, number)) is not None:
                    self.requests.append(request)
                    request.sock = sock
                    out = self.reply(request)
                    if out is None:
                        return
                    sock.sendall(out)
                    if not out:
                        return
        except OSError:
            pass

    @staticmethod
    def _read(stream, number):
        line = stream.readline().decode().split()
        if len(line) != 3:
            return None
        headers = {}
        while (header := stream.readline().decode().rstrip("\r\n")):
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return Request(line[0], line[1], headers, stream.read(int(headers.get("content-length", 0))), number)
