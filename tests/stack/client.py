"""What a test says to Farewell and asks of the servers, in the words of the tests: see README.md."""
import dataclasses
import http.client
import json
import socket
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import jwt
import pika

from . import farewell
from .proc import PATIENCE, wait_until

QUEUE, PARKED, EXCHANGE, KEY = "farewell.deletions", "farewell.parked", "farewell", "UserDeleted"


@dataclasses.dataclass
class User:
    id: object
    email: str
    bucket: str
    keys: list

    def __str__(self):
        return str(self.id)

    @property
    def path(self):
        return "/users/" + urllib.parse.quote(str(self.id), safe="")


class Answer:
    """An HTTP answer: .status, .headers (case-insensitive), .body, .text, .json()."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers.get('Content-Type')} {self.text[:300]!r}>"


class Client:
    """Bound to one stack and one base URL; `at(gateway)` gives the same for another instance."""

    def __init__(self, stack, url=None):
        self.stack = stack
        self.url = url or stack.nginx.url
        self.bucket = "farewell-test"

    def at(self, gateway):
        """The same helper talking to another instance (of stack.more_gateway), or to a URL."""
        return Client(self.stack, getattr(gateway, "url", gateway))

    # HTTP. The target goes out byte by byte as it is given: nothing is normalised or encoded.

    def request(self, method, target, headers=None, body=None, timeout=PATIENCE):
        where = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=timeout)
        connection._validate_path = connection._validate_method = lambda text: None
        connection._encode_request = lambda text: text.encode("latin-1")
        try:
            connection.request(method, target, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def wire(self, data, timeout=PATIENCE):
        """Sends bytes as they are and returns every byte of the answer."""
        where = urllib.parse.urlsplit(self.url)
        answer = b""
        with socket.create_connection((where.hostname, where.port), timeout) as s:
            s.sendall(data)
            while chunk := s.recv(65536):
                answer += chunk
        return answer

    def token(self, sub=None, role=None, ttl=300, key=farewell.JWT_KEY, algorithm="HS256", **claims):
        """A bearer token; sub may be a User. Claims set to None are left out; ttl < 0 has expired."""
        payload = {"sub": None if sub is None else str(sub), "role": role, "exp": int(time.time()) + ttl, **claims}
        return jwt.encode({k: v for k, v in payload.items() if v is not None}, key, algorithm=algorithm)

    def _headers(self, user, token, headers):
        if token is ...:
            token = self.token(user)
        return {**({"Authorization": "Bearer " + token} if token is not None else {}), **(headers or {})}

    def delete(self, user, token=..., headers=None, **more):
        """DELETE /users/{id}; with the user's own token unless told otherwise (None: no token)."""
        path = user.path if isinstance(user, User) else f"/users/{user}"
        return self.request("DELETE", path, self._headers(user, token, headers), **more)

    def get(self, user, token=..., headers=None, method="GET", **more):
        """GET /users/{id}/deletion."""
        path = user.path if isinstance(user, User) else f"/users/{user}"
        return self.request(method, path + "/deletion", self._headers(user, token, headers), **more)

    # The two databases.

    def psql(self, which, sql, *params):
        """The rows as dicts (or the number of rows touched); which is "users" or "worker"; %s parameters."""
        return self.stack.postgres.query(which, sql, *params)

    def value(self, which, sql, *params):
        """The first column of the first row, or None."""
        rows = self.psql(which, sql, *params)
        return next(iter(rows[0].values())) if rows else None

    def make_user(self, files=3, email=..., name="Kim Minji", locale=None, put=True, id=None):
        """A user with files: a number of them, or a list of keys, or whole s3:// paths; in the database and in S3."""
        user_id = self.value(
            "users", "INSERT INTO users (id, name, locale) VALUES (COALESCE(%s, nextval(pg_get_serial_sequence('users', 'id'))), %s, %s)"
            " RETURNING id", id, name, locale)
        if email is ...:
            email = f"user{user_id}@example.test"
        self.psql("users", "UPDATE users SET email = %s WHERE id = %s", email, user_id)
        user = User(user_id, email, self.bucket, [])
        if isinstance(files, int):
            files = [f"u{user_id}/{uuid.uuid4().hex[:6]}-{i}.bin" for i in range(files)]
        self.add_files(user, files, put)
        return user

    def make_users(self, count, files=0):
        """Many users with an address and so many files each, made all at once."""
        rows = self.psql("users", "INSERT INTO users (name, email) SELECT 'Kim', gen_random_uuid() || '@example.test'"
                         " FROM generate_series(1, %s) RETURNING id, email", count)
        users = [User(row["id"], row["email"], self.bucket, [f"u{row['id']}/{number}.bin" for number in range(files)]) for row in rows]
        own = [(user.id, key) for user in users for key in user.keys]
        self.psql("worker", "INSERT INTO user_files (user_id, file_path) SELECT * FROM unnest(%s::bigint[], %s::text[])",
                  [user for user, _ in own], [f"s3://{self.bucket}/{key}" for _, key in own])
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda row: self.stack.s3.put(self.bucket, row[1]), own))
        return users

    def add_files(self, user, keys, put=True):
        """More files of a user; one with :// in it is taken as the path itself and only put in the table."""
        paths = [k if "://" in k else f"s3://{self.bucket}/{k}" for k in keys]
        own = [k for k in keys if "://" not in k]
        if put:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda key: self.stack.s3.put(self.bucket, key), own))
        self.psql("worker", "INSERT INTO user_files (user_id, file_path) SELECT %s, unnest(%s::text[])", user.id, paths)
        user.keys += own

    def user_row(self, user):
        rows = self.psql("users", "SELECT * FROM users WHERE id = %s", getattr(user, "id", user))
        return rows[0] if rows else None

    def requests(self, user):
        """The rows of farewell.request, oldest first."""
        return self.psql("users", "SELECT * FROM farewell.request WHERE user_id = %s ORDER BY requested_at", str(user))

    def ledger(self, user):
        """The rows of farewell.deletion, oldest first."""
        return self.psql("worker", "SELECT * FROM farewell.deletion WHERE user_id = %s ORDER BY created_at", str(user))

    def status(self, user):
        """The ledger's present status of the user's newest deletion, or None."""
        rows = self.ledger(user)
        return rows[-1]["status"] if rows else None

    # S3, mail, the broker.

    def objects(self, bucket=None, prefix=""):
        return self.stack.s3.objects(bucket or self.bucket, prefix)

    def objects_of(self, user):
        """Those of the user's objects that are still there."""
        there = set(self.objects(user.bucket))
        return [k for k in user.keys if k in there]

    def mails(self, to=None):
        """Mail delivered to an address or a User, as EmailMessage."""
        return self.stack.smtp.mails(to.email if isinstance(to, User) else to)

    def queue_messages(self, name=QUEUE):
        """Messages ready in a queue (not those in somebody's hands); 0 when there is no such queue."""
        found = self.stack.rabbit.queue(name)
        return found[0] if found else 0

    def publish(self, body, exchange=EXCHANGE, routing_key=KEY, queue=None, **properties):
        """Publishes with confirm. body: bytes, text, or anything that becomes JSON. queue: straight into that queue."""
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if queue:
            exchange, routing_key = "", queue
        with self.stack.rabbit.channel() as channel:
            channel.confirm_delivery()
            properties.setdefault("delivery_mode", 2)
            properties.setdefault("content_type", "application/json")
            channel.basic_publish(exchange, routing_key, body, pika.BasicProperties(**properties), mandatory=True)

    def take_message(self, name, ack=True):
        """The next message of a queue as (method, properties, body), or None."""
        with self.stack.rabbit.channel() as channel:
            method, properties, body = channel.basic_get(name, auto_ack=ack)
            return (method, properties, body) if method else None

    def purge(self, *names):
        for name in names:
            with self.stack.rabbit.channel() as channel:
                channel.queue_purge(name)

    # Waiting.

    def wait_until(self, check, timeout=PATIENCE, what="the condition"):
        return wait_until(check, timeout, what)

    def wait_status(self, user, *wanted, timeout=PATIENCE):
        """Until the ledger says one of these (default: completed); returns its row."""
        wanted = wanted or ("completed",)

        def row():
            rows = self.ledger(user)
            return rows and rows[-1]["status"] in wanted and rows[-1]     # the very row: the next one may be another
        try:
            return wait_until(row, timeout, f"user {user} to be {' or '.join(wanted)}")
        except Exception as e:
            raise AssertionError(f"{e}; ledger: {self.ledger(user)}; requests: {self.requests(user)}\n"
                                 f"{self.stack.worker.log_tail(15)}") from None

    def wait_finished(self, user, timeout=PATIENCE):
        """Until the user DB's request has finished_at (the reconciler carries it back); returns the row."""
        wait_until(lambda: (self.requests(user) or [{}])[-1].get("finished_at"), timeout, f"request of {user} to be finished")
        return self.requests(user)[-1]
