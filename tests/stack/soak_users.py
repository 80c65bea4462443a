"""What users and applications do in the soak, each by a story: uploads, restores, bad rows, other producers; and who mends it.

A story is chosen for each user by weight. `rows` says which file rows he has beside the usual ones, `asked` what happens once
his deletion was accepted, `fix` what a person does about the cause, and `park` which reasons for being parked it explains.
Every action may be broken off by a server that is killed, and is then done again: each is safe to repeat.
"""
import dataclasses
import datetime
import json
import threading
import time
import uuid
from collections import Counter
from typing import Callable

import pika

from .checker import Case
from .client import EXCHANGE, KEY, PARKED, User

FLAKY, ABSENT = "farewell-flaky", "farewell-absent"      # a bucket that is denied for some time; one that is made at the end
KEEPING, LOCKING = "farewell-keeping", "farewell-locking"    # keep versions; the second one has object locks, too
REFUSING = {"@relay.test": "554 5.7.1 Relay access denied", "@full.test": "552 5.2.2 Mailbox full"}   # what the mail server says of a domain
BAD_PATHS = ["ftp://not-a-path/at/all", "s3://", "s3://only-a-bucket/", "", "s3://bucket/.", "s3://bucket/..", "/u/{id}/x"]

# What the application's tables have beside the sample's columns, so that one row can make one user's statement fail.
USERS_SQL = "ALTER TABLE users ALTER id TYPE integer, ADD weight integer NOT NULL DEFAULT 1"
FILES_SQL = """
ALTER TABLE user_files ADD size integer NOT NULL DEFAULT 1, ADD late boolean NOT NULL DEFAULT false;
CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.size < 0 THEN RAISE 'the soak refuses this row'; END IF;
    RETURN NEW;
END $$;
CREATE TABLE user_prefixes (user_id bigint NOT NULL, prefix text NOT NULL);
CREATE INDEX ON user_prefixes (user_id);
CREATE TRIGGER refuse_row BEFORE UPDATE ON user_files FOR EACH ROW EXECUTE FUNCTION refuse_row();
"""
STATEMENTS = {
    "files_sql": "SELECT id::text, file_path || left('', 1 / size) FROM user_files WHERE user_id = $1 AND deleted_at IS NULL"
                 " AND ($2::bigint IS NULL OR id > $2::bigint) ORDER BY user_files.id LIMIT $3",
    "prefixes_sql": "SELECT prefix FROM user_prefixes WHERE user_id = $1",
    "user_contact_sql": "SELECT email, name, locale || left('', 1 / weight) FROM users WHERE id = $1",
}


class NotYet(Exception):
    """An action that has to be tried again."""


def nothing(*_):
    pass


@dataclasses.dataclass
class Story:
    name: str
    weight: int
    rows: Callable = lambda soak, user, rng: []      # (path, size) of further file rows; own objects are put
    asked: Callable = nothing                        # (soak, user, rng), after the first 200
    fix: Callable = nothing                          # (soak, user)
    park: str = ""
    undisturbed: bool = False
    domain: str = "@example.test"                    # None: no address
    client: bool = True                              # False: nobody sends DELETE for him
    asks: int = 30                                   # times at the most, until there is a 200
    repeats: bool = True                             # whether some ask again though they have their answer


# ---- what is in his rows ----

def own_key(user, name):
    key = f"u{user.id}/{name}-{uuid.uuid4().hex[:6]}"
    user.keys.append(key)
    return key


def many_rows(soak, user, rng):
    return [(f"s3://{user.bucket}/{own_key(user, 'many')}", 1) for _ in range(rng.randrange(60, 200))]


def bad_row(soak, user, rng):
    own_key(user, "hidden")      # what the row should have named
    return [(rng.choice(BAD_PATHS).replace("{id}", str(user.id)), 1)]


def correct_bad_row(soak, user):
    hidden = next(k for k in user.keys if "/hidden-" in k)
    soak.sql("worker", "UPDATE user_files SET file_path = %s WHERE user_id = %s AND deleted_at IS NULL AND file_path <> ALL (%s)",
             f"s3://{user.bucket}/{hidden}", user.id, [f"s3://{user.bucket}/{k}" for k in user.keys])


def row_of_size(size):
    return lambda soak, user, rng: [(f"s3://{user.bucket}/{own_key(user, 'odd')}", size)]


def correct_size(soak, user):
    soak.sql("worker", "UPDATE user_files SET size = 1 WHERE user_id = %s AND size <> 1", user.id)


def odd_contact(soak, user, rng):
    soak.sql("users", "UPDATE users SET weight = 0 WHERE id = %s", user.id)
    return []


def correct_contact(soak, user):
    soak.sql("users", "UPDATE users SET weight = 1 WHERE id = %s", user.id)


def absent_bucket(soak, user, rng):
    return [(f"s3://{ABSENT}/u{user.id}/gone", 1)]


def flaky_bucket(soak, user, rng):
    return [(f"s3://{FLAKY}/{own_key(user, 'flaky')}", 1)]


def versions(soak, user, rng):
    """An object with versions and perhaps a delete marker or an upload that nobody ends; near it two that are nobody's."""
    key, s3 = own_key(user, "kept"), soak.stack.s3
    for _ in range(rng.randrange(3)):
        s3.put(KEEPING, key)
    if rng.random() < 0.3:
        s3.client().delete_object(Bucket=KEEPING, Key=key)
    if rng.random() < 0.3:
        s3.client().create_multipart_upload(Bucket=KEEPING, Key=key)
    for twin in (key + "x", key + "/x"):
        s3.put(KEEPING, twin)
        soak.twins.add(twin)
    return [(f"s3://{KEEPING}/{key}", 1)]


def locked(soak, user, rng):
    """An object that nobody can delete for some time."""
    key = own_key(user, "locked")
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=rng.uniform(5, 40))
    soak.stack.s3.client().put_object(Bucket=LOCKING, Key=key, Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    return [(f"s3://{LOCKING}/{key}", 1)]


def objects_without_rows(soak, user, rng):
    below = f"users/{user.id}/"
    for number in range(rng.randrange(1, 5)):
        user.keys.append(f"{below}{number}")
        soak.stack.s3.put(user.bucket, user.keys[-1])
    for twin in (f"users/{user.id}x/0", f"users/{user.id}"):
        soak.stack.s3.put(user.bucket, twin)
        soak.twins.add(twin)
    soak.sql("worker", "INSERT INTO user_prefixes (user_id, prefix) VALUES (%s, %s)", user.id, f"s3://{user.bucket}/{below}")
    return []


# ---- what happens to him ----

def touch_mark(soak, user, rng):
    """The application writes deleted_at once more."""
    soak.soon(lambda: soak.sql("users", "UPDATE users SET deleted_at = deleted_at + interval '1 s' WHERE id = %s"
                               " AND NOT EXISTS (SELECT FROM farewell.request WHERE user_id = %s AND finished_at IS NOT NULL)", user.id, str(user.id)),
              once=True)


def correct_mark(soak, user):
    soak.sql("users", "SET LOCAL timezone = 'UTC'; UPDATE farewell.request r SET mark = u.deleted_at::text FROM users u"
             " WHERE u.id = %s AND r.user_id = u.id::text AND r.finished_at IS NULL", user.id)


def lock_rows(soak, user, rng):
    which, table, column = rng.choice([("users", "users", "id"), ("worker", "user_files", "user_id")])
    seconds = rng.uniform(0.5, 5)

    def hold():
        connection = soak.stack.postgres.connect(which)
        try:
            with connection.cursor() as c:
                c.execute(f"SELECT FROM {table} WHERE {column} = %s FOR UPDATE", (user.id,))
                soak.stop.wait(seconds)
        finally:
            connection.close()
    soak.soon(hold, once=True)


def upload(soak, user, rng):
    """A file that was under way when the account was deleted: its row is committed afterwards; some ask once more."""
    repeat = rng.random() < 0.5
    key = f"u{user.id}/late-{uuid.uuid4().hex[:6]}"
    path = f"s3://{user.bucket}/{key}"

    def record():
        if not soak.sql("worker", "SELECT 1 FROM user_files WHERE file_path = %s AND user_id = %s", path, user.id):
            soak.stack.s3.put(user.bucket, key)
            soak.sql("worker", "INSERT INTO user_files (user_id, file_path, late) VALUES (%s, %s, true)", user.id, path)
        user.keys.append(key)
        if repeat:
            soak.soon(lambda: ask_until_answered(soak, user))
    soak.soon(record, rng.uniform(0, 4))


def ask_until_answered(soak, user):
    if soak.checker.ask(user) != 200:
        raise NotYet


def restore(soak, user, rng):
    """As doc/ADOPT.md says: under the row's lock, unless the deletion has started."""
    again = rng.random() < 0.5

    def take_back():
        connection = soak.stack.postgres.connect("users")
        try:
            with connection, connection.cursor() as c:
                c.execute("SELECT deleted_at FROM users WHERE id = %s FOR UPDATE", (user.id,))
                marked = c.fetchone()[0] is not None
                c.execute("SELECT deletion_id::text, started_at FROM farewell.request WHERE user_id = %s ORDER BY requested_at DESC LIMIT 1", (str(user.id),))
                deletion, started = c.fetchone()
                if marked and started:
                    return
                c.execute("UPDATE users SET deleted_at = NULL WHERE id = %s", (user.id,))
        finally:
            connection.close()
        soak.checker.cases[user.id].restored.add(deletion)
        soak.checker.answers[user.id] = []
        soak.count["restored in time"] += 1
        if again:
            soak.soon(lambda: ask_until_answered(soak, user), rng.uniform(0, 3))
    soak.soon(take_back)


# ---- other producers ----

def publish(soak, user, shape):
    body = {"userId": str(user.id)} if shape else {"pattern": "UserDeleted", "data": {"userId": str(user.id)}}
    soak.checker.client.publish(body)


def ask_by_message(soak, user, rng):
    """The application marks him itself, and says so with a message of its own."""
    shape = rng.random() < 0.5

    def ask():
        soak.sql("users", "UPDATE users SET deleted_at = now() WHERE id = %s AND deleted_at IS NULL", user.id)
        publish(soak, user, shape)
        soak.checker.answers[user.id] = [200]
    soak.checker.answers[user.id] = [None]
    soak.soon(ask)


def rumour(soak, user, rng):
    """A message about a user whom nobody has deleted."""
    shape = rng.random() < 0.5
    soak.checker.answers[user.id] = [409]
    soak.soon(lambda: publish(soak, user, shape))


STORIES = [
    Story("plain", 700, undisturbed=True),
    Story("no address", 80, undisturbed=True, domain=None),
    Story("many files", 10, undisturbed=True, rows=many_rows),
    Story("versions", 40, undisturbed=True, rows=versions),
    Story("objects without rows", 30, undisturbed=True, rows=objects_without_rows),
    Story("upload in flight", 40, undisturbed=True, asked=upload),
    Story("restored", 40, undisturbed=True, asked=restore, asks=1, repeats=False),
    Story("other producer", 30, undisturbed=True, asked=ask_by_message, client=False),
    Story("rumour", 20, asked=rumour, client=False),
    Story("bad path", 15, rows=bad_row, fix=correct_bad_row, park="^file row "),
    Story("page that errors", 12, rows=row_of_size(0), fix=correct_size, park="worker.files_sql.*division by zero"),
    Story("row that is refused", 12, rows=row_of_size(-1), fix=correct_size, park="the soak refuses this row"),
    Story("contact that errors", 12, rows=odd_contact, fix=correct_contact, park="worker.user_contact_sql.*division by zero"),
    Story("mark touched", 10, asked=touch_mark, fix=correct_mark, park="^the user is deleted, but since", asks=1, repeats=False),
    Story("row locked", 10, asked=lock_rows),
    Story("absent bucket", 8, rows=absent_bucket, park="NoSuchBucket"),
    Story("flaky bucket", 20, rows=flaky_bucket, park="AccessDenied"),
    Story("object locked", 8, rows=locked),
    Story("relay denied", 10, domain="@relay.test", park="554.*5\\.7\\.1"),
    Story("mailbox full", 10, domain="@full.test"),
]


class Operator:
    """Looks at what is parked now and then, corrects the cause (or forgets to), and replays by one of the documented ways."""

    def __init__(self, soak, rng):
        self.soak, self.rng = soak, rng
        self.count = Counter()

    def fix(self, user_id):
        user = self.soak.checker.users[int(user_id)]
        user.story.fix(self.soak, user)

    def replay_by_sql(self, deletion_id):
        """What doc/OPERATE.md says; nothing of it does harm when it is done again."""
        self.soak.sql("worker", "UPDATE farewell.deletion SET status = 'retrying', attempts = 0, failing_since = NULL, cause = NULL,"
                      " next_attempt_at = NULL, turn = turn + 1, version = version + 1"
                      " WHERE deletion_id = %s AND status = 'parked' AND finished_at IS NULL", deletion_id)
        self.soak.sql("users", "UPDATE farewell.request SET status = 'retrying', reconcile_at = now() - interval '1 year'"
                      " WHERE deletion_id = %s AND finished_at IS NULL", deletion_id)
        self.count["by SQL"] += 1

    def replay_messages(self, most, forget=0.0):
        """Moves up to so many parked messages back. FORGET: how often the parked copy stays as well, as when the mover dies."""
        connection = self.soak.stack.rabbit.connect()
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            for _ in range(most):
                method, properties, body = channel.basic_get(PARKED)
                if not method:
                    break
                user_id = json.loads(body).get("userId")
                if user_id and int(user_id) in self.soak.checker.users:
                    self.fix(user_id)
                channel.basic_publish(EXCHANGE, KEY, body, pika.BasicProperties(
                    content_type="application/json", delivery_mode=2, message_id=properties.message_id, headers=properties.headers), mandatory=True)
                self.count["by message"] += 1
                if self.rng.random() >= forget:
                    channel.basic_ack(method.delivery_tag)
        finally:
            connection.close()

    def parked(self):
        return self.soak.sql("worker", "SELECT deletion_id::text, user_id FROM farewell.deletion WHERE status = 'parked' ORDER BY updated_at")

    def look(self):
        """One round."""
        parked = self.parked()
        if parked and self.rng.random() < 0.5:
            row = self.rng.choice(parked)
            if self.rng.random() < 0.8:
                self.fix(row["user_id"])
            self.replay_by_sql(row["deletion_id"])
        elif parked:
            self.replay_messages(1, forget=0.1)

    def run_until(self, stop):
        while not stop.wait(self.rng.uniform(0.5, 3)):
            try:
                self.look()
            except Exception:        # whatever is being killed: later
                self.count["not possible"] += 1


class Later:
    """Actions that are due at some time, done by threads of their own and again until they succeed."""

    def __init__(self):
        self.due, self.lock, self.busy = [], threading.Lock(), 0
        self.ended = threading.Event()
        self.failed = Counter()

    def add(self, action, seconds=0.0, once=False):
        with self.lock:
            self.due.append((time.monotonic() + seconds, action, once))

    def _next(self):
        with self.lock:
            ready = [entry for entry in self.due if entry[0] <= time.monotonic()]
            if not ready:
                return None
            entry = min(ready, key=lambda e: e[0])
            self.due.remove(entry)
            self.busy += 1
            return entry

    def run(self):
        while not self.ended.is_set():
            entry = self._next()
            if not entry:
                time.sleep(0.05)
                continue
            try:
                entry[1]()
            except Exception as e:   # a server is being killed, or paused
                self.failed[f"{type(e).__name__}: {str(e)[:80]}"] += 1
                if not entry[2]:
                    self.add(entry[1], 0.3)
            with self.lock:
                self.busy -= 1

    @property
    def empty(self):
        with self.lock:
            return not self.due and not self.busy


def make_users(soak, rng, count):
    """COUNT users by their stories, with rows and objects; registered with the checker only when they are complete."""
    stories = rng.choices(STORIES, [s.weight for s in STORIES], k=count)
    names = [f"{uuid.uuid4().hex[:12]}" for _ in stories]
    emails = [name + story.domain if story.domain else None for name, story in zip(names, stories)]
    ids = {row["name"]: row["id"] for row in soak.sql(
        "users", "INSERT INTO users (name, email) SELECT * FROM unnest(%s::text[], %s::text[]) RETURNING id, name", names, emails)}
    users, rows = [], []
    for name, email, story in zip(names, emails, stories):
        user = User(ids[name], email, soak.checker.client.bucket, [])
        user.story = story
        rows += [(user.id, f"s3://{user.bucket}/{own_key(user, n)}", 1) for n in range(rng.choice([1, 2, 2, 3]))]
        rows += [(user.id, path, size) for path, size in story.rows(soak, user, rng)]
        users.append(user)
    put_here = tuple(f"s3://{bucket}/u" for bucket in (users[0].bucket, FLAKY, KEEPING))
    objects = [path[5:].split("/", 1) for _, path, _ in rows if path.startswith(put_here)]
    objects += [(user.bucket, k) for user in users for k in user.keys if "/hidden-" in k]
    list(soak.pool.map(lambda place: soak.stack.s3.put(*place), objects))
    soak.sql("worker", "INSERT INTO user_files (user_id, file_path, size) SELECT * FROM unnest(%s::bigint[], %s::text[], %s::int[])",
             *[list(column) for column in zip(*rows)])
    for user in users:
        story = user.story
        soak.checker.users[user.id] = user
        soak.checker.cases[user.id] = Case(park=story.park, mailbox=story.name != "mailbox full", undisturbed=story.undisturbed)
        soak.count[story.name] += 1
    return users
