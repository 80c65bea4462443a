"""A child that a database has no session left for keeps nobody else from working, and works again when there is one."""
import os

import pytest

from stack import PATIENCE
from stack.client import PARKED
from stack.postgres import DATABASES, PASSWORD
from tools.jobs import ask, completed, log_lines, quiet, said
from tools.pool import Board

pytestmark = pytest.mark.outage

ROLE = "farewell_short"    # the worker's alone: the test's own sessions are not counted
CHILDREN = 4
FLAG = {"users": 1, "worker": 2}    # bits of enum server
NAME = {"users": "the user database", "worker": "the worker database"}


def sessions(fw, which=None):
    """The pids of the worker's sessions, or of those with that database."""
    rows = fw.stack.postgres.admin("SELECT pid, datname FROM pg_stat_activity WHERE usename = %s ORDER BY backend_start", ROLE)
    return [row["pid"] for row in rows if which is None or row["datname"] == DATABASES[which]]


def flags(fw):
    """What the children say in the scoreboard of servers that are away."""
    path = os.path.join(fw.stack.place.path("run", "worker"), "farewell-workerd.scoreboard")
    return [child["away"] for child in Board(path).children if child["kind"] == "worker"]


def served(fw, count):
    """So many deletions, each completed by its first message, without anything being counted against it."""
    users = [fw.make_user(files=1) for _ in range(count)]
    for user in users:
        ask(fw, user)
    for user in users:
        row = completed(fw, user, files=1, timeout=2 * PATIENCE)
        assert (row["attempts"], row["turn"], row["starts"]) == (0, 1, 0), row


@pytest.fixture
def role(fw):
    """The worker with a role of its own, which has all rights of the usual one."""
    admin = fw.stack.postgres.admin
    admin(f"CREATE ROLE {ROLE} LOGIN PASSWORD %s IN ROLE farewell", PASSWORD)
    conninfo = {which: fw.stack.postgres.conninfo(which).replace("user=farewell", f"user={ROLE}") for which in DATABASES}
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"user_db": conninfo["users"], "worker_db": conninfo["worker"], "children": CHILDREN, "reconciler": "no"}})
    fw.wait_until(lambda: len(sessions(fw)) == 2 * CHILDREN, what="every child to have its two sessions")
    yield
    fw.stack.worker.stop()
    fw.wait_until(lambda: sessions(fw) == [], what="the sessions to end")
    for database in (*DATABASES.values(), "postgres"):
        admin(f"DROP OWNED BY {ROLE}", database=database)
    admin(f"DROP ROLE {ROLE}")


@pytest.mark.usefixtures("role")
@pytest.mark.parametrize("which", ["users", "worker"])
def test_the_others_work_on(fw, which):
    admin, worker = fw.stack.postgres.admin, fw.stack.worker
    since = len(worker.log_text())
    admin(f"ALTER ROLE {ROLE} CONNECTION LIMIT {2 * CHILDREN - 1}")
    admin("SELECT pg_terminate_backend(%s)", sessions(fw, which)[0])
    served(fw, 8)
    while FLAG[which] not in flags(fw):      # until the child has noticed, by a message that it takes
        served(fw, 4)
    for _ in range(3):
        served(fw, 4)
    assert len(sessions(fw, which)) == CHILDREN - 1
    assert sorted(flags(fw)) == [0, 0, 0, FLAG[which]]
    said(fw, f"can't log in to {NAME[which]}", "53300", "CONNECTION LIMIT", since=since)
    assert not log_lines(worker, "database is away", since=since)
    assert fw.stack.rabbit.queue(PARKED)[0] == 0
    admin(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
    fw.wait_until(lambda: len(sessions(fw, which)) == CHILDREN, what="the child to have its session")
    while flags(fw) != [0] * CHILDREN:       # it works, too: a job says that the database is there
        served(fw, 4)
    said(fw, f"logged in to {NAME[which]} again", since=since)
    quiet(fw)
