"""Words for the tests of the supervisor: instances with a queue of their own, their scoreboards, and load."""
import itertools
import json
import os
import signal
import threading
import uuid
from collections import Counter

import pika

from stack import PATIENCE
from tools.jobs import MARK, REQUEST, UTC, message
from tools.pool import Board

IDLE, BUSY = 2, 3                # enum scoreboard_state
SERVING, STOPPING = 1, 2         # enum scoreboard_flag


class Watched:
    """What the master of a program says and shows. `program` is a GatewayProgram or a WorkerProgram."""

    def __init__(self, fw, program, kind, unread):
        self.fw, self.program, self.kind = fw, program, kind
        self.unread = unread       # bytes of the log that an earlier test's instance of this name has left

    @property
    def run_dir(self):
        return self.program.sections()["common"]["run_dir"]

    def board(self):
        return Board(os.path.join(self.run_dir, self.program.program + ".scoreboard"))

    def total(self, name):
        return self.board().totals[name]

    def children(self):
        """Those of the first kind: without the reconciler."""
        return [c for c in self.board().children if c["kind"] == self.kind]

    def pids(self):
        return {c["pid"] for c in self.children()}

    def serving(self):
        return [c for c in self.children() if c["flags"] & (SERVING | STOPPING) == SERVING]

    def wait_serving(self, count, timeout=PATIENCE):
        self.fw.wait_until(lambda: len(self.serving()) == count == len(self.children()), timeout, f"{count} children serving")
        return self.serving()

    def wait_generation(self, generation, count, timeout=PATIENCE):
        """Until COUNT children serve, and all there are have that generation."""
        self.fw.wait_until(lambda: len(self.serving()) == count and {c["generation"] for c in self.children()} == {generation},
                           timeout, f"{count} children of generation {generation}")

    def wait_at_work(self, job=None, step=None, count=1, timeout=PATIENCE):
        """Until COUNT children are at a job, at that step; returns them."""
        def found():
            at_work = [c for c in self.children() if c["state"] == BUSY and c["job"]
                       and job in (None, c["job"]) and step in (None, c["step"])]
            return at_work if len(at_work) >= count else None
        return self.fw.wait_until(found, timeout, f"{count} children at work on {job or 'anything'}")

    def log(self):
        with open(self.program.log, errors="replace", encoding="utf-8") as f:
            f.seek(self.unread)
            return f.read()

    def wait_log(self, *words, count=1, timeout=PATIENCE):
        """Until COUNT lines have all these words; returns them."""
        def found():
            lines = [line for line in self.log().splitlines() if all(word in line for word in words)]
            return lines if len(lines) >= count else None
        return self.fw.wait_until(found, timeout, f"the log to say {words} {count} times: {self.program.log_tail(8)}")

    def signal(self, number):
        os.kill(self.program.pid, number)

    def reload(self, **settings):
        """HUP, with these settings on top of those it had."""
        section = "gateway" if self.kind == "gateway" else "worker"
        overrides = {**self.program.overrides, section: {**self.program.overrides.get(section, {}), **settings}}
        self.program.configure(overrides, restart=False)
        self.signal(signal.SIGHUP)

    def bad_lines(self):
        """What was warned of, but that the machine had no time for the master, and what the stack has not: a standby, worker.s3_allow."""
        expected = ("the master did not run for", "synchronous_standby_names is empty", "worker.s3_allow is not set")
        return [line for line in self.log().splitlines()
                if (" warning " in line or " error " in line) and not any(words in line for words in expected)]


class Site(Watched):
    """A worker with a queue of its own, its deletions asked for without a gateway."""

    def __init__(self, fw, more_worker, **settings):
        self.name = "site-" + uuid.uuid4().hex[:8]
        common = {"exchange": self.name, "queue": self.name, "parked_queue": self.name + ".parked", "retry_queue_prefix": self.name + ".retry"}
        common.update(settings.pop("common", {}))
        self.worker = more_worker({"common": common, "worker": {"reconciler": "no", **settings}}, start=False)
        super().__init__(fw, self.worker, "worker", size_of(self.worker.log))

    def start(self):
        self.worker.start()
        return self

    def ask(self, *users):
        """A committed request and its message for each; returns the deletion ids."""
        ids = commit_requests(self.fw, users)
        connection = self.fw.stack.rabbit.connect()
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            for user, deletion_id in zip(users, ids):
                channel.basic_publish(self.name, "UserDeleted", _body(user, deletion_id), pika.BasicProperties(delivery_mode=2), mandatory=True)
        finally:
            connection.close()
        return ids

    def ready(self):
        """(messages nobody has, consumers)."""
        return self.fw.stack.rabbit.queue(self.name)

    def wait_done(self, users, timeout=PATIENCE):
        """Until every deletion is completed; returns the ledger's rows. Each user has had just one mail and has no object left."""
        ids = [str(u.id) for u in users]
        self.fw.wait_until(lambda: self.finished(ids) == len(ids), timeout, f"{len(ids)} deletions to be completed; {self.program.log_tail(8)}")
        mails = Counter(str(to).strip() for m in self.fw.mails() for to in m.get_all("Delivered-To"))
        assert {u.email: mails["<%s>" % u.email] or mails[u.email] for u in users} == {u.email: 1 for u in users}
        there = set(self.fw.objects())
        assert not there & {key for user in users for key in user.keys}
        return self.fw.psql("worker", "SELECT * FROM farewell.deletion WHERE user_id = ANY (%s)", ids)

    def finished(self, ids):
        return self.fw.value("worker", "SELECT count(*) FROM farewell.deletion WHERE user_id = ANY (%s) AND status = 'completed'", ids)


def _body(user, deletion_id):
    return json.dumps(message(user, deletion_id)).encode()


def size_of(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def commit_requests(fw, users):
    """What the gateway commits for each of them; the deletion ids."""
    ids = [str(uuid.uuid4()) for _ in users]
    connection = fw.stack.postgres.connect("users")
    try:
        with connection, connection.cursor() as c:
            c.execute(UTC)
            for user, deletion_id in zip(users, ids):
                c.execute(MARK, (user.id,))
                c.execute(REQUEST, (deletion_id, user.id))
    finally:
        connection.close()
    return ids


class Load:
    """Clients that delete one account after the other and ask for its deletion, until the block ends.

    .deleted: users whose DELETE was answered 200; .others: (method, user, answer or error) of all else."""

    def __init__(self, client, users, clients=5):
        self.client, self.left, self.lock = client, iter(users), threading.Lock()
        self.deleted, self.others, self.answers = [], [], itertools.count()
        self.count = 0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(PATIENCE)

    def _ask(self, method, user):
        try:
            answer = self.client.delete(user) if method == "DELETE" else self.client.get(user)
        except OSError as error:
            answer = error
        good = getattr(answer, "status", None) == 200
        with self.lock:
            self.count += 1
            if not good:
                self.others.append((method, user, answer))
            elif method == "DELETE":
                self.deleted.append(user)
        return good

    def _run(self):
        while not self.ended.is_set():
            with self.lock:
                user = next(self.left, None)
            if user is None:
                return
            if self._ask("DELETE", user):
                self._ask("GET", user)

    def wait_more(self, count):
        """Until so many more answers have come."""
        enough = self.count + count
        self.client.wait_until(lambda: self.count >= enough or not any(t.is_alive() for t in self.threads), what=f"{count} more answers")
        assert self.count >= enough, "the users were too few"


class Deliveries:
    """Every delivery from a queue, as the broker's own trace (its firehose) tells of it.

        with Deliveries(stack, queue) as deliveries:
            …
        deliveries.all       # True for each that was a redelivery, False for each that was not
    """

    def __init__(self, stack, queue):
        self.stack, self.queue, self.all = stack, queue, []

    traced = None         # pid of the broker that was told to trace; it goes on, for telling it takes seconds

    def __enter__(self):
        if Deliveries.traced != self.stack.rabbit.pid:
            self.stack.rabbit.ctl("trace_on")
            Deliveries.traced = self.stack.rabbit.pid
        self.connection = self.stack.rabbit.connect()
        self.channel = self.connection.channel()
        self.own = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(self.own, "amq.rabbitmq.trace", "deliver." + self.queue)
        return self

    def __exit__(self, *_):
        while (taken := self.channel.basic_get(self.own, auto_ack=True))[0] is not None:
            self.all.append(bool(taken[1].headers["redelivered"]))
        self.connection.close()
