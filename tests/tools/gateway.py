"""What the tests of the gateway share: a queue of their own, a FastCGI client, and what must not have happened."""
import contextlib
import json
import socket
import struct
import uuid

from stack import PATIENCE


class Outbox:
    """An exchange and a queue of a test's own: what a gateway publishes there, no worker takes.

        with Outbox(stack) as outbox:
            gateway = more_gateway(outbox.settings())
            ...
            [message] = outbox.messages()      # (properties, body) of each, in order, taken out
    """

    def __init__(self, stack):
        self.stack = stack
        self.exchange = "test-" + uuid.uuid4().hex[:8]
        self.queue = self.exchange + "-queue"

    def __enter__(self):
        self.channel(lambda c: c.exchange_declare(self.exchange, "direct", durable=True))
        self.make_queue()
        return self

    def __exit__(self, *_):
        if self.stack.rabbit.is_frozen():
            self.stack.rabbit.resume()
        self.stack.rabbit.start()
        self.delete_queue()
        self.delete_exchange()

    def channel(self, do):
        connection = self.stack.rabbit.connect()
        try:
            return do(connection.channel())
        finally:
            connection.close()

    def make_queue(self, arguments=None):
        def make(channel):
            channel.queue_declare(self.queue, durable=True, arguments=arguments)
            channel.queue_bind(self.queue, self.exchange, "UserDeleted")
        self.channel(make)

    def delete_queue(self):
        self.channel(lambda c: c.queue_delete(self.queue))

    def delete_exchange(self):
        self.channel(lambda c: c.exchange_delete(self.exchange))

    def settings(self, common=None, **gateway):
        return {"common": {"exchange": self.exchange, **(common or {})}, "gateway": gateway}

    def messages(self):
        def take(channel):
            found = []
            while True:
                method, properties, body = channel.basic_get(self.queue, auto_ack=True)
                if method is None:
                    return found
                found.append((properties, json.loads(body)))
        return self.channel(take)


@contextlib.contextmanager
def trigger(fw, user, body, when="BEFORE", name="test"):
    """A trigger in PL/pgSQL on the update of this user's row alone; BEFORE, AFTER or deferred, which is called at COMMIT."""
    kind = f"CONSTRAINT TRIGGER {name} AFTER" if when == "deferred" else f"TRIGGER {name} {when}"
    timing = "DEFERRABLE INITIALLY DEFERRED" if when == "deferred" else ""
    fw.psql("users", f"CREATE OR REPLACE FUNCTION {name}_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;"
            f" DROP TRIGGER IF EXISTS {name} ON users;"  # of a run that was killed
            f" CREATE {kind} UPDATE ON users {timing} FOR EACH ROW WHEN (NEW.id = {user}) EXECUTE FUNCTION {name}_trigger()")
    try:
        yield
    finally:
        fw.psql("users", f"DROP TRIGGER {name} ON users; DROP FUNCTION {name}_trigger()")


def unchanged(fw, user):
    """The user is as before the request: not marked, and nothing was recorded."""
    return fw.user_row(user)["deleted_at"] is None and fw.requests(user) == []


def problem(answer, status, slug):
    """Asserts that the answer is this problem, with all that every problem has; returns it."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json", answer.headers
    body = answer.json()
    assert body["type"] == "urn:farewell:problem:" + slug, body
    assert body["status"] == status and body["title"] and body["detail"], body
    assert body["requestId"] == answer.headers["X-Request-Id"], body
    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.headers["Retry-After"] is not None) == (status == 503), answer.headers
    return body


def through(stack, port, which):
    """Overrides that lead the gateway's session with the user database or the broker through a proxy's port."""
    if which == "user_db":
        return {"user_db": stack.postgres.conninfo("users").replace(f"port={stack.postgres.port}", f"port={port}")}
    return {"broker": stack.rabbit.url.replace(f":{stack.rabbit.port}/", f":{port}/")}


# FastCGI, as its specification has it: nothing between the test and the program.

def record(kind, content=b"", request=1):
    return struct.pack("!BBHHBx", 1, kind, request, len(content), 0) + content


def length_of(text):
    return struct.pack("!B", len(text)) if len(text) < 128 else struct.pack("!I", len(text) | 0x80000000)


def fcgi_request(params, body=b"", role=1):
    """The bytes of a whole request; params is a dict of str or bytes."""
    raw = b""
    for name, value in params.items():
        name = name.encode() if isinstance(name, str) else name
        value = value.encode() if isinstance(value, str) else value
        raw += length_of(name) + length_of(value) + name + value
    records = [record(1, struct.pack("!HB5x", role, 0))]
    records += [record(4, raw[i:i + 60000]) for i in range(0, len(raw), 60000)] + [record(4)]
    records += [record(5, body[i:i + 60000]) for i in range(0, len(body), 60000)] + [record(5)]
    return b"".join(records)


def fcgi(path, params, body=b"", timeout=PATIENCE):
    """(headers as a dict with lower-case names, body) of the answer of the program that listens at the path."""
    return read_answer(fcgi_raw(path, fcgi_request(params, body), timeout))


def fcgi_raw(path, data, timeout=PATIENCE):
    """Sends bytes and returns all that comes back until the other side closes."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(path)
        try:
            s.sendall(data)
            while chunk := s.recv(65536):
                answer += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass
    return answer


def read_answer(data):
    out = b""
    while len(data) >= 8:
        _, kind, _, length, padding = struct.unpack("!BBHHBx", data[:8])
        if kind == 6:
            out += data[8:8 + length]
        data = data[8 + length + padding:]
    head, _, body = out.partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n") if line]
    return {name.lower(): value for name, value in lines}, body
