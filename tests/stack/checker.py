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
import os
import re
import threading
import time
from collections import Counter

import psycopg2

from .client import PARKED
from .proc import PATIENCE, StackError

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
CREATE INDEX ON public.ledger_history (deletion_id);
"""
# When the last object of a user's was recorded to be gone; rows that came late (a column of the soak's) are not counted.
ERASED = "SELECT user_id::text, max(deleted_at) AS at FROM user_files f WHERE to_jsonb(f)->>'late' IS DISTINCT FROM 'true' GROUP BY 1 HAVING max(deleted_at) IS NOT NULL"


@dataclasses.dataclass
class Case:
    """What was done to a user on purpose, and so what may be seen of him. The default: nothing was."""
    park: str = ""            # a regular expression: the reasons for which his deletion may be parked; "": for none
    mailbox: bool = True      # False: the mail server refuses it for good, so there is no mail
    undisturbed: bool = True  # nothing was done that keeps his deletion from getting on
    restored: set = dataclasses.field(default_factory=set)    # deletions of his that he was restored from before they started


@dataclasses.dataclass
class Figures:
    asked: int = 0        # users for whom DELETE was sent
    requests: int = 0     # DELETEs sent
    accepted: int = 0     # users with at least one 2xx
    refused: int = 0      # users who only ever were told that nothing has changed
    unknown: int = 0      # users whose last answer was lost, 5xx of nginx's, or outcome-unknown
    restored: int = 0     # deletions that the application took back in time
    bystanders: int = 0   # users for whom nobody asked
    objects: int = 0      # of deletions that were accepted or committed
    left: int = 0         # of these, those that are still there
    lost: int = 0         # accepted or committed, and objects are left or the ledger isn't done
    false: int = 0        # something is gone, marked or mailed without a committed request, or though it was refused
    mails: int = 0
    unmailed: int = 0     # completed deletions of users with an address, and no mail
    untold: int = 0       # the same, and the ledger says so: two mails were begun, and nobody knows of either
    duplicates: int = 0   # further mails that no version of the ledger's row explains; any third one
    explained: int = 0    # second mails that one does
    stuck: int = 0        # unfinished requests, messages left in queues, parked ones that nothing leads back from
    parked: int = 0       # deletions that are parked at the end
    parkings: int = 0     # how often a deletion was parked in all
    uncaused: int = 0     # of these, those for a reason that nobody has given
    details: list = dataclasses.field(default_factory=list)
    undisturbed: list = dataclasses.field(default_factory=list)    # seconds from DELETE to the last object gone, of users of that kind
    seconds: list = dataclasses.field(default_factory=list)        # the same, of all

    @property
    def good(self):
        return not (self.lost or self.false or self.unmailed or self.duplicates or self.stuck or self.parked or self.uncaused)

    @property
    def counts(self):
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.type is int}

    def note(self, figure, text, count=1):
        setattr(self, figure, getattr(self, figure) + count)
        self.details.append(f"{figure}: {text}")

    def __str__(self):
        return " ".join(f"{name}={count}" for name, count in self.counts.items()) + "".join("\n  " + d for d in self.details[:30])

    def summary(self):
        """The figures that a reader wants, one a line."""
        seconds = ", 99 of 100 under ".join
        return [
            f"deletions: {self.accepted:,} accepted, {self.restored:,} taken back in time; {self.bystanders:,} bystanders",
            f"objects left per million: {per_million(self.left, self.objects)} (of {self.objects:,})",
            f"second mails per million: {per_million(self.explained + self.duplicates, self.mails)} (of {self.mails:,}; unexplained: {self.duplicates})",
            f"wrong deletions: {self.false}",
            f"stuck: {self.stuck + self.parked}; parked: {self.parkings:,}, without cause: {self.uncaused}, replayed until done: "
            f"{'all' if not self.parked else 'not all'}",
            f"seconds from DELETE to erased: median {seconds(quantiles(self.undisturbed))} ({len(self.undisturbed):,} accounts)",
            f"the same with those made to fail: median {seconds(quantiles(self.seconds))} ({len(self.seconds):,} accounts)",
        ]


def per_million(count, of):
    share = count * 1e6 / of if of else 0
    return f"{share:,.0f}" if share >= 10 else f"{share:.2g}"


def quantiles(seconds):
    """The median, and what 99 of 100 are under, as text."""
    ordered = sorted(seconds) or [0]
    return [f"{ordered[int((len(ordered) - 1) * share)]:.1f}" for share in (0.5, 0.99)]


@dataclasses.dataclass
class Evidence:
    """What is there."""
    requests: dict        # user id as text: [row of farewell.request, ...]
    ledger: dict          # deletion id: row of farewell.deletion
    history: dict         # deletion id: [every version of that row, oldest first], of those with several mails or not completed
    parkings: list        # (user id as text, deletion id, reason) of each time that a deletion was parked
    erased: dict          # user id as text: when the last of his file rows was marked
    users: dict           # user id as text: {"email": ..., "deleted_at": ...}
    objects: dict         # key: what there is of it
    mails: list           # (address in lower case, deletion id) of each
    unfinished: list      # rows of farewell.request and farewell.deletion
    waiting: dict         # queue: messages
    parked: int           # messages parked
    bystanders: dict      # as Checker.bystanders


def begun_again(versions):
    """How often a mail was begun while the row still said `sending` of the one before: what a death between the commits of
    `sending` and `sent`, or a lost answer of the mail server, leads to. A failure that is certain takes the mark back first."""
    again = 0
    for before, after in zip(versions, versions[1:]):
        again += before["mail"] == after["mail"] == "sending" and after["mails"] > before["mails"]
    return again


def judge(asked, answers, bystanders, evidence, cases=None):
    """Figures of what was asked ({id: User}, {id: [status or None, ...]}), what the bystanders had, and what was done ({id: Case})."""
    cases = cases or {}
    f = Figures(asked=len(answers), requests=sum(map(len, answers.values())), bystanders=len(bystanders))
    for user_id, answered in answers.items():
        judge_deletion(f, asked[user_id], answered, evidence, cases.get(user_id, Case()))
    judge_bystanders(f, bystanders, evidence.bystanders)
    judge_mails(f, evidence, {str(user_id): case for user_id, case in cases.items()})
    judge_parkings(f, evidence, {str(user_id): case for user_id, case in cases.items()})
    for row in evidence.unfinished:
        f.note("stuck", f"unfinished: {row}")
    for queue, count in evidence.waiting.items():
        f.note("stuck", f"{count} messages left in {queue}", count)
    if evidence.parked:
        f.details.append(f"{evidence.parked} messages are parked")
    return f


def judge_restored(f, user, rows, evidence):
    """The deletions that the application took back before they had started."""
    for row in rows:
        f.restored += 1
        if (row["status"], evidence.ledger.get(row["deletion_id"], {}).get("status", "cancelled")) != ("cancelled", "cancelled"):
            f.note("false", f"user {user.id} was restored before {row['deletion_id']} had started: {row}")


def judge_deletion(f, user, answers, evidence, case):
    rows = evidence.requests.get(str(user.id), [])
    judge_restored(f, user, [r for r in rows if r["deletion_id"] in case.restored], evidence)
    requests = [r for r in rows if r["deletion_id"] not in case.restored]
    left = [k for k in user.keys if k in evidence.objects]
    accepted = any(a is not None and 200 <= a < 300 for a in answers)
    if accepted:
        f.accepted += 1
    elif answers and answers[-1] is None:
        f.unknown += 1
    elif answers:
        f.refused += 1
    if accepted or requests:
        f.objects += len(user.keys)
        f.left += len(left)
    unfinished = [r for r in requests if evidence.ledger.get(r["deletion_id"], {}).get("status") != "completed"]
    if [r for r in requests if r["status"] == "parked"]:
        f.note("parked", f"user {user.id}: {requests}")
    elif accepted and not requests:
        f.note("lost", f"user {user.id} was accepted and has no request")
    elif requests and (left or unfinished):
        f.note("lost", f"user {user.id}: answers {answers}, {len(left)} objects left, requests {requests},"
               f" ledger {[evidence.history.get(r['deletion_id']) for r in requests]}")
    mark, erased = evidence.users[str(user.id)]["deleted_at"], evidence.erased.get(str(user.id))
    if not requests and (len(left) != len(user.keys) or mark is not None or erased is not None):
        f.note("false", f"user {user.id}: no request, {len(left)} of {len(user.keys)} objects left, deleted_at {mark}, files marked {erased}")
    if requests and not accepted and None not in answers:
        f.note("false", f"user {user.id} was refused ({answers}) and deleted all the same")
    if len(requests) > 1:
        f.note("false", f"user {user.id} has {len(requests)} requests")
    if len(requests) == 1 and erased is not None and not unfinished:
        f.seconds.append((erased - requests[0]["requested_at"]).total_seconds())
        f.undisturbed += f.seconds[-1:] if case.undisturbed else []


def judge_bystanders(f, before, after):
    for user_id, had in before.items():
        has = after.get(user_id)
        if has != had:
            what = [name for name in had if has is None or has[name] != had[name]]
            f.note("false", f"bystander {user_id} was touched: {', '.join(what)}")


def judge_mails(f, evidence, cases):
    """Every completed deletion of a user with an address has one mail; a further one, as the ledger's history says."""
    sent = Counter(evidence.mails)
    f.mails = len(evidence.mails)
    for user_id, requests in evidence.requests.items():
        address = (evidence.users[user_id]["email"] or "").lower()
        case = cases.get(user_id, Case())
        for deletion in [r["deletion_id"] for r in requests if r["deletion_id"] not in case.restored]:
            count = sent.pop((address, deletion), 0) if case.mailbox else 0
            row = evidence.ledger.get(deletion, {})
            if not count and address and case.mailbox and row.get("status") == "completed":
                told = row["mail"] == "unknown" and row["mails"] == 2      # not silently: both were begun, and the ledger has it
                f.note("untold" if told else "unmailed", f"user {user_id}, deletion {deletion}: no mail, and the ledger says {row['mail']}")
            if count > 1:
                again = min(begun_again(evidence.history.get(deletion, [])), 1)   # never a third
                f.explained += min(count - 1, again)
                if count - 1 > again:
                    f.note("duplicates", f"deletion {deletion} was mailed {count} times, and begun again {again} times", count - 1 - again)
    for (address, deletion), count in sent.items():
        f.note("false", f"{count} mails to {address} for deletion {deletion}, which that user never asked for", count)


def judge_parkings(f, evidence, cases):
    """Each for a reason that was given to this very user."""
    for user_id, deletion, reason in evidence.parkings:
        f.parkings += 1
        allowed = cases.get(user_id, Case()).park
        if not reason or not allowed or not re.search(allowed, reason):
            f.note("uncaused", f"user {user_id}, deletion {deletion} was parked, for {reason!r}; given: {allowed or 'nothing'}")


class Checker:
    def __init__(self, client):
        self.client, self.stack = client, client.stack
        self.users = {}            # id: User
        self.answers = {}          # id: [status or None, ...]
        self.cases = {}            # id: Case, where something was done to a user
        self.buckets = [client.bucket]
        self.bystanders = {}       # id: {"objects": {key: [ETag]}, "row": ..., "files": [...], "requests": 0, "deletions": 0, "mails": 0}
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
        """What each of these users ({id: address}) has: objects with the MD5s of their content, rows, mail."""
        psql, ids = self.client.psql, list(addresses)
        names = [str(i) for i in ids]
        found = {i: {"objects": {}, "row": None, "files": [], "requests": 0, "deletions": 0, "mails": 0} for i in ids}
        for key, etags in self.objects().items():
            owner = re.match(r"u(\d+)/", key)
            if owner and int(owner[1]) in found:
                found[int(owner[1])]["objects"][key] = etags
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
        """{key: [ETag, ...]} of all versions there are, whatever the bucket, with delete markers and unfinished uploads; an ETag
        is the MD5 of what is in it."""
        found, client = {}, self.stack.s3.client()
        for bucket in self.buckets:
            for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
                for one in page.get("Versions", []) + page.get("DeleteMarkers", []):
                    found.setdefault(one["Key"], []).append(one.get("ETag", "delete marker"))
            for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
                for one in page.get("Uploads", []):
                    found.setdefault(one["Key"], []).append("unfinished upload")
        return found

    def mails(self):
        """(address in lower case, deletion id) of every mail in the Maildir."""
        found, new = [], os.path.join(self.stack.smtp.maildir, "new")
        for name in os.listdir(new) if os.path.isdir(new) else []:
            with open(os.path.join(new, name), "rb") as f:
                head = f.read().partition(b"\r\n\r\n")[0].decode("ascii", "replace").replace("\r\n", "\n")
            deletion = re.search(r"^Message-ID:\s*<([^@]+)@", head, re.MULTILINE | re.IGNORECASE)[1]
            found += [(to.strip().lower(), deletion) for to in re.findall(r"^Delivered-To: (.*)$", head, re.MULTILINE)]
        return found

    def unfinished(self):
        """Rows of requests and of the ledger; a request may be finished while its ledger is not, until the two have spoken."""
        return self.client.psql("users", "SELECT deletion_id::text, user_id, status, last_error, attempts, reconcile_at FROM farewell.request"
                                " WHERE finished_at IS NULL AND status <> 'parked'") \
            + self.client.psql("worker", "SELECT deletion_id::text, user_id, status, last_error, turn, starts, mail, version, reported, updated_at"
                               " FROM farewell.deletion WHERE finished_at IS NULL AND status <> 'parked'")

    def waiting(self):
        """{queue: messages} of every queue that isn't empty, the parked one's aside."""
        return {name: count for name, count in self.stack.rabbit.queues().items() if count and not name.endswith("parked")}

    def history(self, ids=None):
        """Every version of these deletions' rows (or of all), oldest first."""
        found = {}
        for row in self.client.psql("worker", "SELECT deletion_id::text, version FROM public.ledger_history"
                                    " WHERE %s::uuid[] IS NULL OR deletion_id = ANY (%s::uuid[]) ORDER BY number", ids, ids):
            found.setdefault(row["deletion_id"], []).append(row["version"])
        return found

    def parkings(self):
        """(user id, deletion id, reason) of each time that a deletion became parked."""
        rows = self.client.psql("worker", """
            SELECT deletion_id::text, version->>'user_id' AS user_id, version->>'last_error' AS reason FROM (
                SELECT *, lag(version->>'status') OVER (PARTITION BY deletion_id ORDER BY number) AS before FROM public.ledger_history
            ) AS h WHERE version->>'status' = 'parked' AND before IS DISTINCT FROM 'parked'""")
        return [(row["user_id"], row["deletion_id"], row["reason"]) for row in rows]

    def unhandled(self):
        """What is neither finished nor parked in both databases with the same reason: nobody could take it up again."""
        requests = self.client.psql("users", "SELECT deletion_id::text, user_id, status, last_error FROM farewell.request WHERE finished_at IS NULL")
        ledger = {r["deletion_id"]: r for r in self.client.psql(
            "worker", "SELECT deletion_id::text, status, last_error FROM farewell.deletion WHERE finished_at IS NULL")}
        return [row for row in requests
                if not row["last_error"] or row["status"] != "parked" or ledger.get(row["deletion_id"]) != {
                    "deletion_id": row["deletion_id"], "status": "parked", "last_error": row["last_error"]}]

    def settle(self, timeout=300):
        """Until nothing is unfinished or unreported and no queue has anything, or for TIMEOUT seconds nothing gets on; what is left
        then shows in the figures."""
        before, deadline = None, time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                now = [len(self.unfinished()), len(self.unhandled())]
                now.append(0 if any(now) else sum(self.waiting().values()))
            except (OSError, StackError, psycopg2.Error):
                now = None
            if now and not any(now):
                return
            if now != before:
                before, deadline = now, time.monotonic() + timeout
            time.sleep(0.3)

    def evidence(self):
        psql, requests, mails = self.client.psql, {}, self.mails()
        for row in psql("users", "SELECT user_id, deletion_id::text, status, mail, requested_at, finished_at FROM farewell.request"):
            requests.setdefault(row["user_id"], []).append(row)
        ledger = {r["deletion_id"]: r for r in psql("worker", "SELECT deletion_id::text, status, mail, mails FROM farewell.deletion")}
        odd = [deletion for (_, deletion), count in Counter(mails).items() if count > 1]
        odd += [deletion for deletion, row in ledger.items() if row["status"] not in ("completed", "cancelled")]
        return Evidence(
            requests=requests, history=self.history(odd), parkings=self.parkings(), objects=self.objects(), mails=mails,
            erased={r["user_id"]: r["at"] for r in psql("worker", ERASED)},
            ledger=ledger,
            users={r["id"]: r for r in psql("users", "SELECT id::text, email, deleted_at FROM users")},
            unfinished=self.unfinished(), waiting=self.waiting(), parked=self.client.queue_messages(PARKED),
            bystanders=self.belongings({i: b["row"]["email"] for i, b in self.bystanders.items()}))

    def figures(self):
        return judge(self.users, self.answers, self.bystanders, self.evidence(), self.cases)
