"""Knows the truth from outside: it asked for the deletions, wrote down each answer, and compares with what is there.

    checker = Checker(client)
    users = checker.make_users(100)        # with objects, and every fifth is only a bystander
    checker.ask(user)                      # DELETE, and writes down the answer
    checker.settle(timeout); figures = checker.figures(); print(figures); assert figures.good
"""
import dataclasses
import http.client
import re
import threading
from collections import Counter

from .client import PARKED, QUEUE
from .proc import StackError, wait_until


@dataclasses.dataclass
class Figures:
    asked: int = 0        # users for whom DELETE was sent
    requests: int = 0     # DELETEs sent
    accepted: int = 0     # users with at least one 2xx
    refused: int = 0      # users who only ever were told that nothing has changed
    unknown: int = 0      # users whose last answer was lost, 5xx of nginx's, or outcome-unknown
    lost: int = 0         # accepted or committed, and objects are left or the ledger isn't done
    false: int = 0        # objects gone, or the user marked, without a committed request, or though it was refused
    mails: int = 0
    duplicates: int = 0   # second mails that no death in the middle of sending explains
    explained: int = 0    # second mails that one does
    stuck: int = 0        # unfinished requests, messages left in queues
    parked: int = 0
    details: list = dataclasses.field(default_factory=list)

    @property
    def good(self):
        return not (self.lost or self.false or self.duplicates or self.stuck or self.parked)

    def __str__(self):
        names = [f.name for f in dataclasses.fields(self) if f.name != "details"]
        return " ".join(f"{name}={getattr(self, name)}" for name in names) + "".join("\n  " + d for d in self.details[:20])


class Checker:
    def __init__(self, client, queues=(QUEUE,)):
        self.client, self.stack = client, client.stack
        self.queues = queues
        self.users = {}            # id: User
        self.answers = {}          # id: [status or None, ...]
        self.bystanders = {}       # id: {key: what is in it}
        self.lock = threading.Lock()
        self.requests = 0

    # Before.

    def make_users(self, count, files=3, bystanders=0):
        """COUNT users who will be asked for, and some who won't."""
        made = []
        for n in range(count + bystanders):
            user = self.client.make_user(files=files)
            if n < count:
                self.users[user.id] = user
                made.append(user)
            else:
                self.bystanders[user.id] = self._content(user)
        return made

    def _content(self, user):
        """Keys with their ETags, which are the MD5 of what is in them."""
        listing = self.stack.s3.client().list_objects_v2(Bucket=user.bucket, Prefix=f"u{user.id}/")
        return {o["Key"]: o["ETag"] for o in listing.get("Contents", [])}

    # Asking.

    def ask(self, user, client=None, timeout=30):
        """One DELETE; returns the status, or None when no answer came."""
        status = None
        try:
            answer = (client or self.client).delete(user, timeout=timeout)
            status = answer.status
            if status == 503 and "outcome-unknown" in answer.text or status in (500, 502, 504):
                status = None
        except (OSError, http.client.HTTPException):
            pass
        with self.lock:
            self.requests += 1
            self.answers.setdefault(user.id, []).append(status)
        return status

    # After.

    def unfinished(self):
        return self.client.psql("users", "SELECT deletion_id::text, user_id, status, last_error, attempts FROM farewell.request"
                                " WHERE finished_at IS NULL AND status <> 'parked'")

    def waiting(self):
        """{queue: messages} of every queue that isn't empty, the parked one's aside."""
        return {name: count for name, count in self.stack.rabbit.queues().items() if count and not name.endswith("parked")}

    def settle(self, timeout=120):
        """Until nothing is unfinished and no queue has anything; what is left then shows in the figures."""
        try:
            wait_until(lambda: not self.unfinished(), timeout, "every request to be finished", 0.2)
            wait_until(lambda: not self.waiting(), 30, "the queues to be empty", 0.5)
        except StackError:
            pass

    def figures(self):
        f = Figures(asked=len(self.answers), requests=self.requests)
        requests = {}
        for row in self.client.psql("users", "SELECT user_id, deletion_id::text, status, mail, finished_at FROM farewell.request"):
            requests.setdefault(row["user_id"], []).append(row)
        ledger = {r["deletion_id"]: r for r in self.client.psql("worker", "SELECT deletion_id::text, status FROM farewell.deletion")}
        marked = {r["id"]: r["deleted_at"] for r in self.client.psql("users", "SELECT id, deleted_at FROM users")}
        there = set(self.client.objects())
        for user_id, answers in self.answers.items():
            self._judge(f, self.users[user_id], answers, requests.get(str(user_id), []), ledger, marked[user_id], there)
        for user_id, before in self.bystanders.items():
            user = dataclasses.make_dataclass("U", ["id", "bucket"])(user_id, self.client.bucket)
            if self._content(user) != before or marked[user_id] is not None:
                f.false += 1
                f.details.append(f"bystander {user_id} was touched")
        self._mails(f, requests)
        self._stuck(f)
        return f

    def _judge(self, f, user, answers, requests, ledger, mark, there):
        left = [k for k in user.keys if k in there]
        accepted = any(a is not None and 200 <= a < 300 for a in answers)
        if accepted:
            f.accepted += 1
        elif answers[-1] is None:
            f.unknown += 1
        else:
            f.refused += 1
        done = bool(requests) and all(ledger.get(r["deletion_id"], {}).get("status") == "completed" for r in requests)
        if any(r["status"] == "parked" for r in requests):
            f.parked += 1
            f.details.append(f"user {user.id} is parked: {requests}")
        elif accepted and not requests:
            f.lost += 1
            f.details.append(f"user {user.id} was accepted and has no request")
        elif requests and (left or not done):
            f.lost += 1
            f.details.append(f"user {user.id}: answers {answers}, {len(left)} objects left, requests {requests}")
        if not requests and (len(left) != len(user.keys) or mark is not None):
            f.false += 1
            f.details.append(f"user {user.id}: no request, {len(left)} of {len(user.keys)} objects left, deleted_at {mark}")
        if requests and not accepted and None not in answers:
            f.false += 1
            f.details.append(f"user {user.id} was refused ({answers}) and deleted all the same")
        if len(requests) > 1:
            f.false += 1
            f.details.append(f"user {user.id} has {len(requests)} requests")

    def _mails(self, f, requests):
        ours = {r["deletion_id"] for rows in requests.values() for r in rows}
        sent = Counter(re.match(r"<([^@]+)@", m["Message-ID"]).group(1) for m in self.client.mails())
        again = self.repeated_mails()
        for deletion, count in sent.items():
            if deletion not in ours:
                f.false += 1
                f.details.append(f"a mail for deletion {deletion}, which was never committed")
            f.mails += count
            explained = min(count - 1, again[deletion])
            f.explained += explained
            if count - 1 > explained:
                f.duplicates += count - 1 - explained
                f.details.append(f"deletion {deletion} was mailed {count} times, {again[deletion]} sendings were broken off")

    def repeated_mails(self):
        """{deletion: how often a worker found it marked `sending`, which is what a death in the middle leaves}."""
        found = Counter()
        for daemon in [self.stack.worker, *self.stack.extra]:
            for line in daemon.log_text().splitlines():
                if "sending it again" in line:
                    found[re.search(r"deletion=(\S+)", line).group(1)] += 1
        return found

    def _stuck(self, f):
        for row in self.unfinished():
            f.stuck += 1
            f.details.append(f"unfinished: {row}")
        for queue, count in self.waiting().items():
            f.stuck += count
            f.details.append(f"{count} messages left in {queue}")
        parked = self.client.queue_messages(PARKED)
        if parked:
            f.details.append(f"{parked} messages are parked")
