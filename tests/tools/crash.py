"""Every named crash point: a process dies there, or its sessions are cut there while it lives, and every guarantee holds.

A round has one pair of programs a point, each with queues of its own, and each with the order to stop (SIGSTOP) at its
point once. When all have arrived, the servers get what the round is about, and whoever stands at a point is killed (SIGKILL)
or goes on (SIGCONT). None of the pairs has a reconciler: what GUARANTEES.md does not say of the reconciler, they must bring
to its end by themselves.
"""
import contextlib
import dataclasses
import os
import re
import signal
import threading
import time
from typing import Callable

from stack import place
from stack.checker import Case, Checker, begun_again
from stack.client import Client
from stack.proc import StackError, stat_of, wait_until

with open(os.path.join(place.TOP, "lib", "base", "crash.c"), encoding="utf-8") as f:
    POINTS = re.findall(r'^\t"([a-z]+-[a-z-]+)",', f.read(), re.MULTILINE)

# What leads to a point that lies off the usual way. A new point needs a row here, or nothing; a row may be there before its point.
WAYS = {
    "worker-after-hand-back": "a wrong secret for S3",
    "worker-before-retry": "mail refused for now",
    "worker-after-turn": "mail refused for now",
    "worker-after-republish": "mail refused for now",
    "worker-after-park": "a path that is not valid",
    "reconciler-after-claim": "a lost message",
    "reconciler-after-turn": "a lost message",
    "reconciler-after-publish": "a lost message",
    "reconciler-sweep-found": "a late file",
    "reconciler-sweep-request": "a late file",
    "reconciler-sweep-ledger": "a late file",
    "reconciler-sweep-publish": "a late file",
}
RECONCILING = [p for p in POINTS if WAYS.get(p) in ("a lost message", "a late file")]
OTHERS = [p for p in POINTS if p not in RECONCILING]
PARKING = {p for p in POINTS if WAYS.get(p) == "a path that is not valid"}
# Where the ledger's turn is one of which no message is out when the process dies: only the reconciler knows.
REPAIRED = {"worker-after-turn"}
# Whose pair can't end what it began.
UNABLE = {p for p in POINTS if WAYS.get(p) == "a wrong secret for S3"}
# Where the ledger says `sending`, so that a mail may be begun again after a death; and where the mail server may have it unanswered.
SENDING = {"worker-after-sending", "worker-inside-smtp", "worker-after-smtp", "worker-before-retry"}
UNANSWERED = {"worker-inside-smtp"}

KEEPING = "farewell-keeping"     # a bucket that keeps versions
PREFIXES_SQL = "CREATE TABLE user_prefixes (user_id bigint NOT NULL, prefix text NOT NULL)"
SETTINGS = {
    "common": {"retry_delays": "1s 2s 4s"},
    "gateway": {"children": 1, "soft_timeout": "5m", "hard_timeout": "10m"},     # who stands at a point is not hanging
    "worker": {"children": 1, "reconcile_every": "1s", "reconcile_after": "3s",
               "prefixes_sql": "SELECT prefix FROM user_prefixes WHERE user_id = $1",
               "smtp_timeout": "8s", "smtp_answer_timeout": "4s"},     # so long a mail may still be under way, and is not sent again
}


class Instance:
    """The pair of programs that stops at one point."""

    def __init__(self, stack, point):
        self.stack, self.point = stack, point
        self.file = stack.place.path("run", point + ".reached")
        common = {"exchange": point, "queue": point, "parked_queue": point + ".parked", "retry_queue_prefix": point + ".retry"}
        reconciles = point in RECONCILING
        overrides = {"common": common, "worker": {"reconciler": reconciles}}
        if reconciles:
            overrides["worker"]["reconcile_after"] = "1s"
        if point in UNABLE:
            overrides["worker"]["s3_secret_key_file"] = stack.secret_file("s3-wrong", "not the secret")
        environment = {"FAREWELL_CRASH": f"{point}=stop@{self.file}"}
        self.worker = stack.more_worker(point + "-w", overrides, start=False)
        self.worker.extra_env = environment
        self.gateway = None if reconciles else stack.more_gateway(point + "-g", overrides, start=False)
        if self.gateway:
            self.gateway.extra_env = environment

    def start(self):
        self.disarm()
        self.worker.start()
        if self.gateway:
            self.gateway.start()
            self.gateway.nginx.start()
            self.gateway.wait_serving(self.gateway.url)
            self.client = Client(self.stack).at(self.gateway)

    def disarm(self):
        """The file is there: the point is passed without stopping."""
        self.stack.place.write(self.file, "")

    def arm(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.file)

    @property
    def reached(self):
        return os.path.exists(self.file)

    def stopped(self):
        """The pids of those who stand at the point."""
        daemons = [d for d in (self.worker, self.gateway) if d and d.pid]
        return [p for d in daemons for p in d.children() if (stat_of(p) or "?")[0] == "T"]

    def release(self, sig):
        """Kills whoever stands at the point, which was reached, or lets him go on; how many."""
        stopped = wait_until(self.stopped, what=f"somebody to stand at {self.point}")
        for pid in stopped:
            os.kill(pid, sig)
        return len(stopped)

    def replay(self):
        """Moves the parked message back."""
        wait_until(lambda: self.stack.rabbit.queue(self.point + ".parked")[0], what="the parked message")
        _, _, body = self.client.take_message(self.point + ".parked")
        self.client.publish(body, exchange=self.point)

    def stop(self):
        for daemon in (self.gateway and self.gateway.nginx, self.gateway, self.worker):
            if daemon:
                daemon.stop()
                self.stack.extra.remove(daemon)


# ---- what happens to the servers ----

def nothing(stack):
    pass


def restart_broker(stack):
    stack.rabbit.restart()


def crash_postgres(stack):
    stack.postgres.kill(signal.SIGQUIT, group=False)     # immediate: as a crash
    wait_until(lambda: not stack.postgres.running, what="PostgreSQL to stop")
    stack.postgres.start()


def cut_sessions(database):
    def cut(stack):
        stack.postgres.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name LIKE 'farewell-%%'", database)
    return cut


def cut_broker_connections(stack):
    stack.rabbit.ctl("close_all_connections", "the test")


# ---- what leads to a point ----

def make_user(checker, point, way=None, count=3):
    way = way or WAYS.get(point)
    files = [f"{point}-{os.urandom(4).hex()}-{n}" for n in range(count)]
    if way == "a path that is not valid":
        files.append("ftp://not-a-path/at/all")
    user = checker.client.make_user(files=files)
    user.point = point
    checker.users[user.id] = user
    if way == "a path that is not valid":
        checker.cases[user.id] = Case(park="^file row ")
    if way == "mail refused for now":
        checker.refused[user.email] = "451 4.3.0 later"
        checker.stack.smtp.control(rcpt=checker.refused)
    return user


def correct_path(checker, user):
    """The row names an object now, which is still to be deleted."""
    key = f"corrected-{os.urandom(4).hex()}"
    checker.stack.s3.put(user.bucket, key)
    checker.client.psql("worker", "UPDATE user_files SET file_path = %s WHERE user_id = %s AND file_path LIKE 'ftp:%%'", f"s3://{user.bucket}/{key}", user.id)
    user.keys.append(key)


def begin(checker, instance):
    """A DELETE that leads to the point."""
    user = make_user(checker, instance.point)
    instance.arm()
    return user, lambda: checker.ask(user, instance.client)


def begin_late_row(checker, instance):
    """The point is passed once, a row is committed behind the cursor, and the next pass leads to the point again."""
    user, ask = begin(checker, instance)
    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: instance.reached, what=f"{instance.point} to be reached")
    wait_until(instance.stopped, what="somebody to stand there")
    key = f"late-{os.urandom(4).hex()}"
    checker.stack.s3.put(user.bucket, key)
    checker.client.psql("worker", "INSERT INTO user_files (id, user_id, file_path) SELECT -min(id), %s, %s FROM user_files WHERE user_id = %s",
                        user.id, f"s3://{user.bucket}/{key}", user.id)
    user.keys.append(key)
    asking.join(10)      # a point of the worker's: the gateway has answered
    instance.arm()
    instance.release(signal.SIGCONT)
    return user, None


def begin_replay(checker, instance):
    """A parked deletion whose cause was corrected (unless the point is that it is parked again), moved back."""
    user = make_user(checker, instance.point, "a path that is not valid")
    instance.disarm()
    checker.ask(user, instance.client)
    wait_until(lambda: [r["status"] for r in checker.client.requests(user)] == ["parked"], what="the deletion to be parked")
    if instance.point not in PARKING:
        correct_path(checker, user)
    if WAYS.get(instance.point) == "mail refused for now":
        checker.refused[user.email] = "451 4.3.0 later"
        checker.stack.smtp.control(rcpt=checker.refused)
    instance.arm()
    instance.replay()
    return user, None


def begin_foreign(checker, instance):
    """Another producer's message about a user who is marked."""
    user = make_user(checker, instance.point)
    instance.arm()
    checker.client.psql("users", "UPDATE users SET deleted_at = now() WHERE id = %s", user.id)
    checker.client.publish({"userId": str(user.id)}, exchange=instance.point)
    checker.answers[user.id] = [200]
    return user, None


def keep_versions(checker, user, directory):
    """Objects of the user's of each of which there are several versions, and of one a delete marker and an upload that nobody ends."""
    s3, keys = checker.stack.s3, [f"{directory}/{os.urandom(4).hex()}-{n}" for n in range(3)]
    for key in keys * 2:
        s3.put(KEEPING, key)
    s3.client().delete_object(Bucket=KEEPING, Key=keys[0])
    s3.client().create_multipart_upload(Bucket=KEEPING, Key=keys[0])
    user.keys += keys
    return keys


def begin_versions(checker, instance):
    """Rows of objects that have versions."""
    user = make_user(checker, instance.point, count=0)
    checker.client.add_files(user, [f"s3://{KEEPING}/{key}" for key in keep_versions(checker, user, "rows")], put=False)
    instance.arm()
    return user, lambda: checker.ask(user, instance.client)


def begin_prefix(checker, instance):
    """The same objects without a row, below a prefix."""
    user = make_user(checker, instance.point, count=0)
    keep_versions(checker, user, f"users/{user.id}")
    checker.client.psql("worker", "INSERT INTO user_prefixes VALUES (%s, %s)", user.id, f"s3://{KEEPING}/users/{user.id}/")
    instance.arm()
    return user, lambda: checker.ask(user, instance.client)


# ---- the rounds ----

@dataclasses.dataclass
class Round:
    points: list
    disturb: Callable = nothing
    release: int = signal.SIGKILL
    begin: Callable = begin

    @property
    def kills(self):
        return self.release == signal.SIGKILL


def points(*names):
    return [p for p in OTHERS if re.search("|".join(names), p)]


ROUNDS = {
    "alone": Round(OTHERS),
    "broker restarted": Round(OTHERS, restart_broker),
    "PostgreSQL stopped at once": Round(OTHERS, crash_postgres),
    "on the second pass": Round(points("worker-before-batch", "worker-after-batch", "worker-after-progress"), begin=begin_late_row),
    "on versions": Round(points("worker-before-batch", "worker-after-batch", "worker-after-progress"), begin=begin_versions),
    "on a prefix": Round(points("worker-before-batch", "worker-after-batch", "worker-after-progress"), begin=begin_prefix),
    "on a replay": Round(points("worker-after-[dgp]", "worker-after-start", "worker-before-ack", "worker-after-turn"), begin=begin_replay),
    "on a foreign message": Round([p for p in points("worker-") if p not in SENDING | UNABLE], begin=begin_foreign),
    "sessions of the user database cut": Round(OTHERS, cut_sessions("users_db"), signal.SIGCONT),
    "sessions of the ledger cut": Round(points("worker-"), cut_sessions("worker_db"), signal.SIGCONT),
    "connections of the broker cut": Round(OTHERS, cut_broker_connections, signal.SIGCONT),
}


def expected_status(user):
    return "parked" if user.point in PARKING else "completed"


def ended(client, user):
    """Whether the deletion has ended in both databases."""
    requests = client.requests(user)
    return bool(requests) and all(r["status"] == expected_status(user) for r in (*requests, *client.ledger(user)))


def judge(checker, user, there, kills=True):
    """THERE: the objects. What is wrong with this user, in words; empty when all four guarantees held."""
    client, problems = checker.client, []
    requests, ledger = client.requests(user), client.ledger(user)
    objects = [key for key in user.keys if key in there]
    mails = client.mails(user)
    again = begun_again(checker.history([r["deletion_id"] for r in requests[:1]]).get(requests[0]["deletion_id"], [])) if requests else 0
    if len(requests) != 1:
        problems.append(f"{len(requests)} requests")
    if objects:
        problems.append(f"objects left: {objects}")
    if [r["status"] for r in ledger] != [expected_status(user)]:
        problems.append(f"ledger: {ledger}")
    if [r["status"] for r in requests] != [expected_status(user)]:
        problems.append(f"requests: {requests}")
    if len(mails) > 1 + again or again > 1 or (again and user.point not in (SENDING if kills else UNANSWERED)):
        problems.append(f"{len(mails)} mails, begun again {again} times")
    if bool(mails) == (user.point in PARKING):
        problems.append(f"{len(mails)} mails")
    return problems


def settle_without_reconciler(checker, users, problems):
    """What the pairs can end by themselves, they must."""
    for point, user in users.items():
        try:
            wait_until(lambda user=user: ended(checker.client, user), what="the end", interval=0.2)
        except StackError:
            problems[point].append(f"not ended without the reconciler: {checker.client.ledger(user)} {checker.client.requests(user)}")


def settle_with_reconciler(stack, checker):
    """A worker without crash points on every instance's tables, whose reconciler repairs what was left."""
    stack.worker.start()
    checker.settle()
    stack.worker.stop()


def reach(instances, problems):
    """Those that came to their points."""
    reached = []
    for instance in instances:
        try:
            wait_until(lambda instance=instance: instance.reached, what=f"{instance.point} to be reached")
            reached.append(instance)
        except StackError as e:       # reported with that point, and the round goes on
            problems[instance.point].append(str(e))
    return reached


def run_round(stack, instances, wanted):
    """{point: problems}, and the figures."""
    checker = Checker(Client(stack))
    checker.cases, checker.refused = stack.cases, {}
    checker.buckets.append(KEEPING)
    checker.make_bystanders(100)
    begun = {i.point: wanted.begin(checker, i) for i in instances}
    users = {point: user for point, (user, _) in begun.items()}
    problems = {point: [] for point in users}
    threads = [threading.Thread(target=ask) for _, ask in begun.values() if ask]
    for thread in threads:
        thread.start()
    reached = reach(instances, problems)
    wanted.disturb(stack)
    for instance in reached:
        count = instance.release(wanted.release)
        if count != 1:
            problems[instance.point].append(f"{count} processes reached the point")
    stack.smtp.control()
    for thread in threads:
        thread.join()
    first = {p: list(checker.answers[u.id]) for p, u in users.items()}
    # The client whose connection broke asks again, as nginx's problem says it safely may.
    for instance in instances:
        instance.gateway.wait_serving(instance.gateway.url)
        try:
            wait_until(lambda instance=instance: checker.ask(users[instance.point], instance.client) == 200, what="a 200")
        except StackError as e:
            problems[instance.point].append(f"asked again: {e}")
    alone = {p: u for p, u in users.items() if p not in UNABLE and not (wanted.kills and p in REPAIRED)}
    settle_without_reconciler(checker, alone, problems)
    settle_with_reconciler(stack, checker)
    there = checker.objects()
    for point, user in users.items():
        problems[point] += judge(checker, user, there, wanted.kills)
        if wanted.kills and point.startswith("gateway-") and first[point] != [None]:
            problems[point].append(f"killed, and the client was answered {first[point]}")
    figures = checker.figures()
    for queue in {p + ".parked" for p in users}:
        Client(stack).purge(queue)
    return problems, figures


class Rounds(dict):
    """{round: (problems, figures)}; a round is run when it is first asked for."""

    def __init__(self, stack):
        super().__init__()
        self.stack = stack
        self.instances = {point: Instance(stack, point) for point in OTHERS}
        for instance in self.instances.values():
            instance.start()

    def __missing__(self, name):
        begun = time.monotonic()
        self[name] = run_round(self.stack, [self.instances[p] for p in ROUNDS[name].points], ROUNDS[name])
        for instance in self.instances.values():
            instance.disarm()
        print(f"{name}: {time.monotonic() - begun:.0f} s")
        return self[name]

    def close(self):
        for instance in self.instances.values():
            instance.stop()


def check_figures(figures, name):
    """A round as a whole: every guarantee held, and the one that only a person can help is parked."""
    wanted = ROUNDS[name].points
    parked = len(PARKING.intersection(wanted))
    print(f"{name}: {figures}")
    assert figures.asked == len(wanted) and figures.bystanders == 100
    assert figures.parked == parked
    assert (figures.lost, figures.false, figures.unmailed, figures.duplicates, figures.stuck, figures.uncaused) == (0, 0, 0, 0, 0, 0), str(figures)
    assert figures.mails >= len(wanted) - parked
