"""Every named crash point: a process dies there, alone, while the broker restarts, while PostgreSQL stops at once.

A round has one pair of programs a point, each with queues of its own, and each with the order to stop (SIGSTOP) at its
point once. When all have arrived, the servers get what the round is about, and whoever stands at a point is killed (SIGKILL).
"""
import os
import re
import signal
import subprocess
import threading

import pytest

from stack import Stack, place
from stack.checker import Checker, begun_again
from stack.client import Client
from stack.proc import descendants, stat_of, wait_until

with open(os.path.join(place.TOP, "lib", "base", "crash.c"), encoding="utf-8") as f:
    POINTS = re.findall(r'^\t"((?:gateway|worker|reconciler)-[a-z-]+)",', f.read(), re.MULTILINE)
RECONCILING = [p for p in POINTS if p.startswith("reconciler-")]
OTHERS = [p for p in POINTS if p not in RECONCILING]
FAILING = {"worker-before-retry", "worker-after-turn", "worker-after-republish"}   # reached when the mail server says 451
PARKING = {"worker-after-park"}                                                    # and this one with a path that is not valid
REFUSED = {"worker-after-hand-back"}                                               # and this one with a wrong secret for S3
SENDING = {"worker-after-sending", "worker-inside-smtp", "worker-after-smtp", "worker-before-retry"}    # the ledger says `sending`
ROUNDS = ["alone", "broker restarted", "PostgreSQL stopped at once"]

SETTINGS = {
    "common": {"retry_delays": "1s 2s 4s"},
    "gateway": {"children": 1, "soft_timeout": "5m", "hard_timeout": "10m"},     # who stands at a point is not hanging
    "worker": {"children": 1, "reconcile_every": "1s", "reconcile_after": "3s",
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
        if point in REFUSED:
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
        os.unlink(self.file)

    @property
    def reached(self):
        return os.path.exists(self.file)

    def stopped(self):
        """The pids of those who stand at the point."""
        daemons = [d for d in (self.worker, self.gateway) if d and d.pid]
        return [p for d in daemons for p in descendants(d.pid) if (stat_of(p) or "?")[0] == "T"]

    def kill_stopped(self):
        """Kills whoever stands at the point, which was reached; how many."""
        stopped = wait_until(self.stopped, what=f"somebody to stand at {self.point}")
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
        return len(stopped)

    def stop(self):
        for daemon in (self.gateway and self.gateway.nginx, self.gateway, self.worker):
            if daemon:
                daemon.stop()
                self.stack.extra.remove(daemon)


@pytest.fixture(scope="module")
def crash_stack():
    """A stack of programs in which the points are built in."""
    subprocess.run([os.path.join(place.TOP, "dev"), "build", "--crash-points"], check=True, capture_output=True)
    stack = Stack.take("crash", settings=SETTINGS, build=os.path.join(place.TOP, "build-crash"))
    try:
        stack.start_servers()
        stack.stage()
        stack.s3.make_bucket("farewell-test")
        yield stack
    finally:
        stack.down()


def disturb(stack, round_name):
    if round_name == "broker restarted":
        stack.rabbit.restart()
    elif round_name == "PostgreSQL stopped at once":
        stack.postgres.kill(signal.SIGQUIT, group=False)     # immediate: as a crash
        wait_until(lambda: not stack.postgres.running, what="PostgreSQL to stop")
        stack.postgres.start()


def make_user(checker, point):
    files = [f"{point}-{os.urandom(4).hex()}-{n}" for n in range(3)]
    if point in PARKING:
        files.append("ftp://not-a-path/at/all")
    user = checker.client.make_user(files=files)
    user.point = point
    checker.users[user.id] = user
    return user


def settle_with_reconciler(stack, checker):
    """A worker without crash points on every instance's tables, whose reconciler repairs what was left."""
    stack.worker.start()
    checker.settle()
    stack.worker.stop()


def judge(checker, user):
    """What is wrong with this user, in words; empty when all four guarantees held."""
    client, problems = checker.client, []
    requests, ledger = client.requests(user), client.ledger(user)
    objects = client.objects_of(user)
    mails = client.mails(user)
    again = begun_again(checker.history().get(requests[0]["deletion_id"], [])) if requests else 0
    if len(requests) != 1:
        problems.append(f"{len(requests)} requests")
    if objects:
        problems.append(f"objects left: {objects}")
    expected = "parked" if user.point in PARKING else "completed"
    if [r["status"] for r in ledger] != [expected]:
        problems.append(f"ledger: {ledger}")
    if [r["status"] for r in requests] != [expected]:
        problems.append(f"requests: {requests}")
    if len(mails) > 1 + again or (again and user.point not in SENDING):
        problems.append(f"{len(mails)} mails, begun again {again} times")
    if bool(mails) == (user.point in PARKING):
        problems.append(f"{len(mails)} mails")
    return problems


def run_round(stack, instances, round_name):
    """{point: problems}, and the figures."""
    checker = Checker(Client(stack))
    checker.make_bystanders(100)
    users = {i.point: make_user(checker, i.point) for i in instances}
    stack.smtp.control(rcpt={users[p].email: "451 4.3.0 later" for p in FAILING})
    for instance in instances:
        instance.arm()
    threads = [threading.Thread(target=checker.ask, args=(users[i.point], i.client, 60)) for i in instances]
    for thread in threads:
        thread.start()
    missed = []
    for instance in instances:
        try:
            wait_until(lambda instance=instance: instance.reached, what=f"{instance.point} to be reached")
        except Exception as e:       # reported with that point, and the round goes on
            missed.append(instance.point)
            print(e)
    disturb(stack, round_name)
    killed = {i.point: i.kill_stopped() for i in instances if i.point not in missed}
    stack.smtp.control()
    for thread in threads:
        thread.join()
    first = {p: list(checker.answers[u.id]) for p, u in users.items()}
    # The client whose connection broke asks again, as nginx's problem says it safely may.
    again = {}
    for instance in instances:
        instance.gateway.wait_serving(instance.gateway.url)
        again[instance.point] = checker.ask(users[instance.point], instance.client)
    settle_with_reconciler(stack, checker)
    problems = {}
    for point, user in users.items():
        problems[point] = judge(checker, user)
        if killed.get(point) != 1:
            problems[point].append(f"{killed.get(point, 0)} processes reached the point")
        if point.startswith("gateway-") and first[point] != [None]:
            problems[point].append(f"killed, and the client was answered {first[point]}")
        if again[point] != 200:
            problems[point].append(f"asked again: {again[point]}")
    figures = checker.figures()
    for queue in {p + ".parked" for p in PARKING}:
        Client(stack).purge(queue)
    return problems, figures


@pytest.fixture(scope="module")
def rounds(crash_stack):
    """Runs each round once: {round: (problems, figures)}."""
    instances = [Instance(crash_stack, point) for point in OTHERS]
    for instance in instances:
        instance.start()
    done = {name: run_round(crash_stack, instances, name) for name in ROUNDS}
    for instance in instances:
        instance.stop()
    return done


@pytest.mark.deadline(1200)
@pytest.mark.parametrize("round_name", ROUNDS)
def test_the_checkers_figures(rounds, round_name):
    figures = rounds[round_name][1]
    print(round_name + ":", figures)
    assert figures.asked == len(OTHERS) and figures.bystanders == 100
    assert figures.parked == len(PARKING)      # that one point's user, whose path only a person can fix
    assert (figures.lost, figures.false, figures.unmailed, figures.duplicates, figures.stuck) == (0, 0, 0, 0, 0), str(figures)
    assert figures.mails >= len(OTHERS) - len(PARKING)


@pytest.mark.deadline(1200)
@pytest.mark.parametrize("round_name", ROUNDS)
@pytest.mark.parametrize("point", OTHERS)
def test_killed_at(rounds, point, round_name):
    assert rounds[round_name][0][point] == []


def lost_message(checker):
    """A committed request whose message the broker has lost."""
    user = make_user(checker, "reconciler")
    checker.client.psql("users", "UPDATE users SET deleted_at = now() WHERE id = %s", user.id)
    checker.client.psql(
        "users", "INSERT INTO farewell.request (deletion_id, user_id, mark) SELECT gen_random_uuid(), id::text,"
        " (deleted_at AT TIME ZONE 'UTC')::text || '+00' FROM users WHERE id = %s", user.id)
    checker.answers[user.id] = [200]
    return user


def late_upload(checker, user):
    """A file that is recorded when the deletion is completed, and the sweep that is due."""
    checker.client.add_files(user, [f"late-{os.urandom(4).hex()}"])
    checker.client.psql("worker", "UPDATE farewell.deletion SET sweep_at = now() WHERE user_id = %s", str(user.id))


@pytest.mark.deadline(600)
@pytest.mark.parametrize("round_name", ROUNDS)
@pytest.mark.parametrize("point", RECONCILING)
def test_killed_while_reconciling(crash_stack, point, round_name):
    instance = Instance(crash_stack, point)
    try:
        instance.start()
        checker = Checker(Client(crash_stack))
        sweeps = "sweep" in point
        if not sweeps:
            instance.arm()
        user = lost_message(checker)
        if sweeps:
            checker.client.wait_finished(user)
            instance.arm()
            late_upload(checker, user)
        wait_until(lambda: instance.reached, what=f"{point} to be reached")
        disturb(crash_stack, round_name)
        assert instance.kill_stopped() == 1
        if sweeps:
            wait_until(lambda: not checker.client.objects_of(user), what="the late file to go")
        checker.settle()
        assert judge(checker, user) == []
    finally:
        instance.stop()


def test_every_point_is_explained():
    with open(os.path.join(place.TOP, "doc", "GUARANTEES.md"), encoding="utf-8") as f:
        explained = re.findall(r"^\| `([a-z-]+)` \|", f.read(), re.MULTILINE)
    assert explained == POINTS


def test_a_release_build_has_no_points():
    for program in ("farewell-fcgi", "farewell-workerd"):
        with open(os.path.join(Stack("check").build, program), "rb") as f:
            text = f.read()
        for name in [b"FAREWELL_CRASH", *(p.encode() for p in POINTS)]:
            assert name not in text
