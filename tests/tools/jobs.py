"""Words for the tests of the worker: a deletion asked for without the gateway, and several scenarios at the same time."""
import contextlib
import datetime
import re
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor

from stack import PATIENCE
from stack.client import PARKED, QUEUE
from tools.proxy import Proxy

RETRY_QUEUES = ["farewell.retry." + delay for delay in ("1s", "2s", "4s", "8s")]

LOCK = "SELECT id FROM users WHERE id = %s FOR NO KEY UPDATE"
MARK = "UPDATE users SET deleted_at = now() WHERE id = %s AND deleted_at IS NULL"
REQUEST = ("INSERT INTO farewell.request (deletion_id, user_id, mark, published_at)"
           " SELECT %s, id::text, deleted_at::text, now() FROM users WHERE id = %s")
UTC = "SET timezone = 'UTC'"  # the mark is a time as text


def message(user, deletion_id, turn=1):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"userId": str(user), "deletionId": deletion_id, "requestedAt": now, "turn": turn}


def commit_request(fw, user, deletion_id=None, left_alone=False):
    """What the gateway commits: the mark and the request. Returns the deletion id; no message is sent. LEFT_ALONE: nor by the reconciler."""
    deletion_id = deletion_id or str(uuid.uuid4())
    connection = fw.stack.postgres.connect("users")
    try:
        with connection, connection.cursor() as c:
            c.execute(UTC)
            c.execute(LOCK, (user.id,))
            c.execute(MARK, (user.id,))
            c.execute(REQUEST, (deletion_id, user.id))
            if left_alone:
                c.execute("UPDATE farewell.request SET reconcile_at = now() + interval '1 hour' WHERE deletion_id = %s", (deletion_id,))
    finally:
        connection.close()
    return deletion_id


def ask(fw, user, turn=1):
    """A committed request and its message; returns the deletion id."""
    deletion_id = commit_request(fw, user)
    fw.publish(message(user, deletion_id, turn))
    return deletion_id


def delivered_too_often(fw):
    """A user whose message the broker has delivered in vain more often than is taken; the worker runs again."""
    fw.purge(PARKED)
    fw.stack.worker.stop()
    user = fw.make_user()
    ask(fw, user)
    for _ in range(31):     # each time it is back a moment later
        fw.wait_until(lambda: fw.take_message(QUEUE, ack=False), what="the message to be there")
    fw.stack.worker.start()
    return user


@contextlib.contextmanager
def row_held(fw, user, lock=LOCK):
    """Within, somebody holds the lock of the user's row; gives the cursor of that transaction. Rolls back unless committed."""
    connection = fw.stack.postgres.connect("users")
    try:
        with connection.cursor() as c:
            c.execute(UTC)
            c.execute(lock, (user.id,))
            yield c
    finally:
        connection.rollback()
        connection.close()


@contextlib.contextmanager
def lease_held(fw, deletion_id):
    """Within, somebody else works on the deletion, as far as the worker can see."""
    connection = fw.stack.postgres.connect("worker")
    try:
        with connection.cursor() as c:
            c.execute("SELECT pg_advisory_lock(hashtextextended('farewell.deletion ' || %s, 0))", (deletion_id,))
            yield
    finally:
        connection.close()


def log_lines(program, *words, since=0):
    """The lines of the program's log that have all these words. The log is that of all tests: name an id, or a place in it."""
    return [line for line in program.log_text()[since:].splitlines() if all(str(w) in line for w in words)]


def said(fw, *words, since=0, timeout=PATIENCE):
    """Waits until one line of the worker's log has all these words, and returns it."""
    worker = fw.stack.worker
    return fw.wait_until(lambda: log_lines(worker, *words, since=since), timeout, f"the log to say {words}: {worker.log_tail(8)}")[-1]


def together(*scenarios):
    """Runs them side by side; fails with all that failed."""
    with ThreadPoolExecutor(len(scenarios)) as pool:
        futures = [pool.submit(s) for s in scenarios]
    failed = [(s.__name__, f.exception()) for s, f in zip(scenarios, futures) if f.exception()]
    if len(failed) == 1:
        raise failed[0][1]
    assert not failed, "\n".join(f"{name}: {''.join(traceback.format_exception(error))}" for name, error in failed)


def completed(fw, user, mail="sent", files=None, timeout=PATIENCE):
    """Waits for the end of a deletion and checks that all of it is done: objects, rows, mail, ledger, request."""
    row = fw.wait_status(user, "completed", timeout=timeout)
    assert fw.objects_of(user) == []
    assert fw.psql("worker", "SELECT file_path FROM user_files WHERE user_id = %s AND deleted_at IS NULL", user.id) == []
    assert row["mail"] == mail, row
    if user.email:
        assert len(fw.mails(user)) == (1 if mail == "sent" else 0)
    request = fw.wait_finished(user)
    assert (request["status"], request["mail"], request["files_deleted"]) == ("completed", mail, row["files_deleted"])
    assert request["started_at"] is not None
    if files is not None:
        assert row["files_deleted"] == files, row
    return row


def untouched(fw, user):
    """Nothing of the user was deleted, and no mail was sent."""
    assert fw.objects_of(user) == user.keys
    assert fw.psql("worker", "SELECT id FROM user_files WHERE user_id = %s AND deleted_at IS NOT NULL", user.id) == []
    assert fw.mails(user) == [] if user.email else True


def forget_the_unfinished(fw):
    """What earlier tests left undone takes no child's time: for a test that has one child, or counts what is published."""
    fw.psql("users", "UPDATE farewell.request SET status = 'cancelled', finished_at = now() WHERE finished_at IS NULL AND status <> 'parked'")
    fw.purge(QUEUE, *RETRY_QUEUES)


def queues_empty(fw, timeout=PATIENCE):
    """Waits until no message is under way any more, unacknowledged ones included. (Slow: asks rabbitmqctl.)"""
    quiet(fw, timeout)
    names = [QUEUE, *RETRY_QUEUES]

    def empty():
        messages = fw.stack.rabbit.queues()
        return not any(messages[name] for name in names)
    fw.wait_until(empty, timeout, "every queue to be empty")


def quiet(fw, timeout=PATIENCE):
    """Waits until no message is ready in the main queue and the retry queues."""
    connection = fw.stack.rabbit.connect()
    try:
        channel = connection.channel()
        fw.wait_until(lambda: not any(channel.queue_declare(n, passive=True).method.message_count for n in [QUEUE, *RETRY_QUEUES]),
                      timeout, "every queue to be empty")
    finally:
        connection.close()


def parked_message(fw, user=None, timeout=PATIENCE, queue=PARKED):
    """Takes the parked message of that user (or any) out of the parked queue: (properties, body)."""
    kept = []

    def look():
        taken = fw.take_message(queue)
        if taken is None:
            return None
        _, properties, body = taken
        if user is None or (b'"%s"' % str(user).encode()) in body:
            return properties, body
        kept.append((properties, body))
        return None
    found = fw.wait_until(look, timeout, f"a parked message of {user}")
    for properties, body in kept:  # other people's
        fw.publish(body, queue=queue, headers=properties.headers)
    return found


def at_port(url, port):
    """The same address with another port, such as a proxy's: for amqp://, http://, smtp:// and libpq's."""
    return re.sub(r"(port=|127\.0\.0\.1:)\d+", lambda found: found[1] + str(port), url)


class Wires:
    """A proxy before each server of the stack's worker: .users .ledger (the two databases) .broker .s3 .smtp"""

    def __init__(self, stack):
        self.stack = stack
        self.users, self.ledger = Proxy(stack.postgres.port), Proxy(stack.postgres.port)
        self.broker, self.s3, self.smtp = Proxy(stack.rabbit.port), Proxy(stack.s3.rgw.port), Proxy(stack.smtp.port)

    def settings(self, **worker):
        """The worker's settings that lead through the proxies, and these."""
        stack = self.stack
        return {"worker": {
            "user_db": at_port(stack.postgres.conninfo("users"), self.users.port),
            "worker_db": at_port(stack.postgres.conninfo("worker"), self.ledger.port),
            "broker": at_port(stack.rabbit.url, self.broker.port),
            "s3_endpoint": at_port(stack.s3.endpoint, self.s3.port),
            "smtp_url": at_port(stack.smtp.url, self.smtp.port),
            **worker,
        }}

    def worker(self, **worker):
        """The stack's worker, started anew with these settings, behind the proxies."""
        return self.stack.worker.configure(self.settings(**worker))

    def all(self):
        return [self.users, self.ledger, self.broker, self.s3, self.smtp]
