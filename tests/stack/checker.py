"""Knows the truth from outside: it asked for the deletions, wrote down each answer, and compares with what is there.

    checker = Checker(client)
    users = checker.make_users(100)        # with objects
    checker.make_bystanders(200)           # of whom nothing may be touched
    checker.ask(user)                      # DELETE, and writes down the answer
    checker.settle(timeout); figures = checker.figures(); print(figures); assert figures.good

What is there is collected first (Evidence), and judged by functions that ask nobody (judge), so that
tests/stack/test_checker.py can show that each rule finds what it is for.
"""
import dataclasses
import http.client
import re
import threading
from collections import Counter

from .client import PARKED
from .proc import PATIENCE, StackError, wait_until

# Every version of every row of the ledger, kept by the database itself: the row alone forgets that a mail was begun
# twice, and the program's log is no witness.
KEEP_HISTORY = """
CREATE TABLE public.ledger_history (number bigserial PRIMARY KEY, deletion_id uuid NOT NULL, version jsonb NOT NULL);
CREATE FUNCTION public.keep_ledger_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.ledger_history (deletion_id, version) VALUES (NEW.deletion_id, to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER keep_history AFTER INSERT OR UPDATE ON farewell.deletion
    FOR EACH ROW EXECUTE FUNCTION public.keep_ledger_history();
"""
MARKING = {"updated_at", "mails", "sending_since", "passed_at", "version"}   # what may differ where a row is only marked `sending`


@dataclasses.dataclass
class Figures:
    asked: int = 0        # users for whom DELETE was sent
    requests: int = 0     # DELETEs sent
    accepted: int = 0     # users with at least one 2xx
    refused: int = 0      # users who only ever were told that nothing has changed
    unknown: int = 0      # users whose last answer was lost, 5xx of nginx's, or outcome-unknown
    bystanders: int = 0   # users for whom nobody asked
    lost: int = 0         # accepted or committed, and objects are left or the ledger isn't done
    false: int = 0        # something is gone, marked or mailed without a committed request, or though it was refused
    mails: int = 0
    unmailed: int = 0     # completed deletions of users with an address, and no mail
    duplicates: int = 0   # further mails that no version of the ledger's row explains
    explained: int = 0    # further mails that one does
    stuck: int = 0        # unfinished requests, messages left in queues
    parked: int = 0
    details: list = dataclasses.field(default_factory=list)

    @property
    def good(self):
        return not (self.lost or self.false or self.unmailed or self.duplicates or self.stuck or self.parked)

    def note(self, figure, text, count=1):
        setattr(self, figure, getattr(self, figure) + count)
        self.details.append(f"{figure}: {text}")

    def __str__(self):
        names = [f.name for f in dataclasses.fields(self) if f.name != "details"]
        return " ".join(f"{name}={getattr(self, name)}" for name in names) + "".join("\n  " + d for d in self.details[:20])


@dataclasses.dataclass
class Evidence:
    """What is there."""
    requests: dict        # user id as text: [row of farewell.request, ...]
    ledger: dict          # deletion id: row of farewell.deletion
    history: dict         # deletion id: [every version of that row, oldest first]
    users: dict           # user id as text: {"email": ..., "deleted_at": ...}
    objects: dict         # key: ETag
    mails: list           # (address in lower case, deletion id) of each
    unfinished: list      # rows of farewell.request
    waiting: dict         # queue: messages
    parked: int           # messages parked
    bystanders: dict      # as Checker.bystanders


def begun_again(versions):
    """How often the row, already `sending`, was marked so once more: what a death between the commits of `sending` and
    `sent`, or a lost answer of the mail server, leads to. A failure that is certain takes the mark back first."""
    count = 0
    for before, after in zip(versions, versions[1:]):
        changed = {name for name in after if after[name] != before[name]}
        count += before["mail"] == after["mail"] == "sending" and changed <= MARKING
    return count


def judge(asked, answers, bystanders, evidence):
    """Figures of what was asked ({id: User}, {id: [status or None, ...]}) and what the bystanders had."""
    f = Figures(asked=len(answers), requests=sum(map(len, answers.values())), bystanders=len(bystanders))
    for user_id, answered in answers.items():
        judge_deletion(f, asked[user_id], answered, evidence)
    judge_bystanders(f, bystanders, evidence.bystanders)
    judge_mails(f, evidence)
    for row in evidence.unfinished:
        f.note("stuck", f"unfinished: {row}")
    for queue, count in evidence.waiting.items():
        f.note("stuck", f"{count} messages left in {queue}", count)
    if evidence.parked:
        f.details.append(f"{evidence.parked} messages are parked")
    return f


def judge_deletion(f, user, answers, evidence):
    requests = evidence.requests.get(str(user.id), [])
    left = [k for k in user.keys if k in evidence.objects]
    accepted = any(a is not None and 200 <= a < 300 for a in answers)
    if accepted:
        f.accepted += 1
    elif answers[-1] is None:
        f.unknown += 1
    else:
        f.refused += 1
    unfinished = [r for r in requests if evidence.ledger.get(r["deletion_id"], {}).get("status") != "completed"]
    if [r for r in requests if r["status"] == "parked"]:
        f.note("parked", f"user {user.id}: {requests}")
    elif accepted and not requests:
        f.note("lost", f"user {user.id} was accepted and has no request")
    elif requests and (left or unfinished):
        f.note("lost", f"user {user.id}: answers {answers}, {len(left)} objects left, requests {requests}")
    mark = evidence.users[str(user.id)]["deleted_at"]
    if not requests and (len(left) != len(user.keys) or mark is not None):
        f.note("false", f"user {user.id}: no request, {len(left)} of {len(user.keys)} objects left, deleted_at {mark}")
    if requests and not accepted and None not in answers:
        f.note("false", f"user {user.id} was refused ({answers}) and deleted all the same")
    if len(requests) > 1:
        f.note("false", f"user {user.id} has {len(requests)} requests")


def judge_bystanders(f, before, after):
    for user_id, had in before.items():
        has = after.get(user_id)
        if has != had:
            what = [name for name in had if has is None or has[name] != had[name]]
            f.note("false", f"bystander {user_id} was touched: {', '.join(what)}")


def judge_mails(f, evidence):
    """Every completed deletion of a user with an address has one mail; a further one, as the ledger's history says."""
    sent = Counter(evidence.mails)
    f.mails = len(evidence.mails)
    for user_id, requests in evidence.requests.items():
        address = (evidence.users[user_id]["email"] or "").lower()
        for deletion in [r["deletion_id"] for r in requests]:
            count = sent.pop((address, deletion), 0)
            row = evidence.ledger.get(deletion, {})
            if not count and address and row.get("status") == "completed":
                f.note("unmailed", f"user {user_id}, deletion {deletion}: no mail, and the ledger says {row['mail']}")
            if count > 1:
                again = min(begun_again(evidence.history.get(deletion, [])), 1)   # never a third
                f.explained += min(count - 1, again)
                if count - 1 > again:
                    f.note("duplicates", f"deletion {deletion} was mailed {count} times, and begun again {again} times", count - 1 - again)
    for (address, deletion), count in sent.items():
        f.note("false", f"{count} mails to {address} for deletion {deletion}, which that user never asked for", count)


class Checker:
    def __init__(self, client):
        self.client, self.stack = client, client.stack
        self.users = {}            # id: User
        self.answers = {}          # id: [status or None, ...]
        self.bystanders = {}       # id: {"objects": {key: ETag}, "row": ..., "files": [...], "requests": 0, "deletions": 0, "mails": 0}
        self.lock = threading.Lock()
        if client.value("worker", "SELECT to_regclass('public.ledger_history') IS NULL"):
            client.psql("worker", KEEP_HISTORY)

    # Before.

    def make_users(self, count, files=3, **more):
        """COUNT users who will be asked for."""
        made = [self.client.make_user(files=files, **more) for _ in range(count)]
        self.users.update((user.id, user) for user in made)
        return made

    def make_bystanders(self, count, files=2):
        """COUNT users, with files and an address, for whom nobody will ask; what they have is written down."""
        made = self.client.make_users(count, files)
        self.bystanders.update(self.belongings({user.id: user.email for user in made}))
        complete = [b for b in self.bystanders.values() if len(b["objects"]) == len(b["files"]) == files and b["row"]]
        assert len(complete) == len(self.bystanders) >= count

    def belongings(self, addresses):
        """What each of these users ({id: address}) has: objects with the MD5 of their content, rows, mail."""
        psql, ids = self.client.psql, list(addresses)
        names = [str(i) for i in ids]
        found = {i: {"objects": {}, "row": None, "files": [], "requests": 0, "deletions": 0, "mails": 0} for i in ids}
        for key, etag in self.objects().items():
            owner = re.match(r"u(\d+)/", key)
            if owner and int(owner[1]) in found:
                found[int(owner[1])]["objects"][key] = etag
        for row in psql("users", "SELECT * FROM users WHERE id = ANY (%s)", ids):
            found[row["id"]]["row"] = row
        for row in psql("worker", "SELECT * FROM user_files WHERE user_id = ANY (%s) ORDER BY id", ids):
            found[row["user_id"]]["files"].append(row)
        for row in psql("users", "SELECT user_id, count(*) FROM farewell.request WHERE user_id = ANY (%s) GROUP BY 1", names):
            found[int(row["user_id"])]["requests"] = row["count"]
        for row in psql("worker", "SELECT user_id, count(*) FROM farewell.deletion WHERE user_id = ANY (%s) GROUP BY 1", names):
            found[int(row["user_id"])]["deletions"] = row["count"]
        mails = Counter(address for address, _ in self.mails())
        for user_id, address in addresses.items():
            found[user_id]["mails"] = mails[address.lower()]
        return found

    # Asking.

    def ask(self, user, client=None, timeout=PATIENCE):
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
            self.answers.setdefault(user.id, []).append(status)
        return status

    # After.

    def objects(self):
        """{key: ETag} of all there are; an ETag is the MD5 of what is in it."""
        pages = self.stack.s3.client().get_paginator("list_objects_v2").paginate(Bucket=self.client.bucket)
        return {o["Key"]: o["ETag"] for page in pages for o in page.get("Contents", [])}

    def mails(self):
        """(address, deletion id) of every mail in the Maildir."""
        return [(str(to).strip().lower(), re.match(r"<([^@]+)@", m["Message-ID"]).group(1))
                for m in self.client.mails() for to in m.get_all("Delivered-To")]

    def unfinished(self):
        return self.client.psql("users", "SELECT deletion_id::text, user_id, status, last_error, attempts FROM farewell.request"
                                " WHERE finished_at IS NULL AND status <> 'parked'")

    def waiting(self):
        """{queue: messages} of every queue that isn't empty, the parked one's aside."""
        return {name: count for name, count in self.stack.rabbit.queues().items() if count and not name.endswith("parked")}

    def history(self):
        found = {}
        for row in self.client.psql("worker", "SELECT deletion_id::text, version FROM public.ledger_history ORDER BY number"):
            found.setdefault(row["deletion_id"], []).append(row["version"])
        return found

    def settle(self, timeout=300):
        """Until nothing is unfinished and no queue has anything; what is left then shows in the figures."""
        try:
            wait_until(lambda: not self.unfinished(), timeout, "every request to be finished", 0.2)
            wait_until(lambda: not self.waiting(), PATIENCE, "the queues to be empty", 0.5)
        except StackError:
            pass

    def evidence(self):
        psql, requests = self.client.psql, {}
        for row in psql("users", "SELECT user_id, deletion_id::text, status, mail, finished_at FROM farewell.request"):
            requests.setdefault(row["user_id"], []).append(row)
        return Evidence(
            requests=requests, history=self.history(), objects=self.objects(), mails=self.mails(),
            ledger={r["deletion_id"]: r for r in psql("worker", "SELECT deletion_id::text, status, mail FROM farewell.deletion")},
            users={r["id"]: r for r in psql("users", "SELECT id::text, email, deleted_at FROM users")},
            unfinished=self.unfinished(), waiting=self.waiting(), parked=self.client.queue_messages(PARKED),
            bystanders=self.belongings({i: b["row"]["email"] for i, b in self.bystanders.items()}))

    def figures(self):
        return judge(self.users, self.answers, self.bystanders, self.evidence())
