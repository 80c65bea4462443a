"""A worker with one of its two databases wrong: it takes nothing, says which setting it is, and does no harm."""
import re
import uuid

import pytest

from tools.jobs import QUEUE, ask, commit_request, completed, log_lines, said, untouched
from tools.pool import Board

pytestmark = pytest.mark.outage

EX_CONFIG = 78
QUICK = {"reconcile_after": "1s", "reconcile_every": "300ms", "children": 1}
OTHERS = {"user": ("other_users_db", "users"), "worker": ("other_worker_db", "user_files")}
LEDGER_WRONG, USERS_WRONG = "is not the ledger of worker.user_db", "is not the user database of worker.worker_db"


def conninfo(fw, database, **how):
    return fw.stack.postgres.conninfo("users", **how).replace("users_db", database)


@pytest.fixture
def other(fw):
    """other("user") or other("worker") makes another database of that kind; gives its name."""
    postgres = fw.stack.postgres

    def make(kind):
        database, sample = OTHERS[kind]
        postgres.admin(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        postgres.admin(f"CREATE DATABASE {database} OWNER farewell")
        with open(fw.stack.place.path("db", "sample", sample + ".sql"), encoding="utf-8") as f:
            postgres.admin("SET ROLE farewell; " + f.read(), database=database)
        fw.stack.place.run([fw.stack.place.path("db", "migrate"), kind, conninfo(fw, database, local=True)])
        return database
    return make


@pytest.fixture
def second(fw, more_worker):
    """A second worker, with these settings, in the place of the stack's, which has stopped but has had its time to be paired."""
    fw.stack.worker.configure({"worker": QUICK})
    fw.wait_until(lambda: fw.value("users", "SELECT ledger_id FROM farewell.pairing"), what="the two databases to be paired")
    fw.wait_until(lambda: fw.value("worker", "SELECT lineage FROM farewell.lineage"), what="the ledger to know its user database")
    fw.stack.worker.stop()

    def start(**settings):
        worker = more_worker({"worker": {**QUICK, **settings}}, start=False)
        worker.since = len(worker.log_text())
        return worker.start(wait=False)
    yield start
    fw.purge(QUEUE)


def in_other(fw, database, sql, *params):
    return fw.stack.postgres.admin(sql, *params, database=database)


def lines(worker, *words):
    """Those of the second worker's own log, which is that of other tests' second workers, too."""
    return log_lines(worker, *words, since=worker.since)


def steps(worker):
    return {child["step"] for child in Board(worker.place.path("run", worker.name, "farewell-workerd.scoreboard")).children if child["kind"] == "worker"}


def advice(line):
    """The one statement that the log line tells the operator to run."""
    return re.search(r": ((?:INSERT|UPDATE) .*)$", line)[1]


@pytest.mark.own_worker
def test_with_another_ledger_nothing_is_taken(fw, other, second):
    database = other("worker")
    users = [fw.make_user(files=2) for _ in range(3)]
    for user in users:
        ask(fw, user)
    wrong = second(worker_db=conninfo(fw, database))

    def seen():
        return lines(wrong, LEDGER_WRONG) or in_other(fw, database, "SELECT FROM farewell.deletion")
    fw.wait_until(seen, what="the second worker to refuse, or to take a deletion")
    assert in_other(fw, database, "SELECT * FROM farewell.deletion") == []
    line = lines(wrong, " error ", LEDGER_WRONG)[0]
    ledger = fw.value("users", "SELECT ledger_id FROM farewell.pairing")
    for words in ("worker.worker_db", database, "users_db", ledger, "one of the two settings"):
        assert words in line, line
    fw.wait_until(lambda: "waiting, databases do not match" in steps(wrong), what="the scoreboard to say so")
    code, output = wrong.check()
    assert code == EX_CONFIG and LEDGER_WRONG in output and "not good: pairing" in output.splitlines()[-1], output
    # The right one does them all, beside the wrong one.
    fw.stack.worker.start()
    for user in users:
        completed(fw, user, files=2)
    assert fw.stack.worker.check()[0] == 0
    assert in_other(fw, database, "SELECT * FROM farewell.deletion") == [] and wrong.running
    assert in_other(fw, database, "SELECT * FROM farewell.lineage") == []
    assert not lines(wrong, "consuming") and fw.value("users", "SELECT ledger_id FROM farewell.pairing") == ledger


@pytest.mark.own_worker
def test_with_another_user_database_nothing_is_taken_nor_marked(fw, other, second):
    database = other("user")
    active, waits = fw.make_user(files=2), fw.make_user(files=1)
    address = f"{uuid.uuid4().hex}@example.test"
    in_other(fw, database, "INSERT INTO users (id, email, deleted_at) VALUES (%s, %s, now())", active.id, address)
    deletion_id = commit_request(fw, waits)
    fw.psql("worker", "INSERT INTO farewell.deletion (deletion_id, user_id, status, turn, next_attempt_at) VALUES (%s, %s, 'retrying', 2, 'tomorrow')",
            deletion_id, str(waits))
    lineage = fw.value("worker", "SELECT lineage FROM farewell.lineage")
    fw.publish({"userId": str(active)})
    wrong = second(user_db=conninfo(fw, database))
    since = len(fw.stack.worker.log_text())

    def seen():
        return lines(wrong, USERS_WRONG) or fw.objects_of(active) != active.keys or fw.mails(address)
    fw.wait_until(seen, what="the second worker to refuse, or to do harm")
    untouched(fw, active)
    fw.wait_until(lambda: len(lines(wrong, USERS_WRONG)) >= 4, what="its reconciler to have looked, too")
    untouched(fw, active)
    assert fw.mails(address) == []
    assert fw.ledger(waits)[0]["vanished_at"] is None and fw.wait_status(waits, "retrying")
    assert fw.value("worker", "SELECT lineage FROM farewell.lineage") == lineage
    assert in_other(fw, database, "SELECT * FROM farewell.pairing") == []
    line = lines(wrong, " error ", USERS_WRONG)[0]
    for words in ("worker.user_db", database, "worker_db", lineage.split("/")[0]):
        assert words in line, line
    code, output = wrong.check()
    assert code == EX_CONFIG and USERS_WRONG in output, output
    assert not log_lines(fw.stack.worker, "vanished", since=since)


@pytest.mark.own_worker
@pytest.mark.parametrize("missing", ["pairing", "both"])
def test_whoever_comes_first_with_a_ledger_that_knows_nothing(fw, other, second, missing):
    """Right after the upgrade nothing is paired yet: a ledger that knows none of what was begun does not become this user database's."""
    database = other("worker")
    user = fw.make_user(files=1)
    fw.stack.worker.start()
    ask(fw, user)
    completed(fw, user)
    fw.stack.worker.stop()
    fw.psql("users", "DELETE FROM farewell.pairing")
    if missing == "both":
        fw.psql("worker", "DELETE FROM farewell.lineage")
    late = fw.make_user(files=1)
    ask(fw, late)
    wrong = second(worker_db=conninfo(fw, database))
    fw.wait_until(lambda: lines(wrong, "none of which the ledger of worker.worker_db"), what="the second worker to refuse")
    assert in_other(fw, database, "SELECT * FROM farewell.deletion") == [] and fw.psql("users", "SELECT * FROM farewell.pairing") == []
    code, output = wrong.check()
    assert code == EX_CONFIG and "none of which" in output, output
    assert fw.stack.worker.check()[0] == 0 and fw.psql("users", "SELECT * FROM farewell.pairing") == []  # -t writes nothing
    fw.stack.worker.start()
    completed(fw, late, files=1)
    assert fw.value("users", "SELECT ledger_id FROM farewell.pairing") == fw.value("worker", "SELECT ledger_id FROM farewell.ledger")


@pytest.mark.own_worker
def test_a_ledger_replaced_on_purpose(fw, other, second):
    """By the statement that the log names; what the log of the old one names brings it back."""
    database = other("worker")
    user, back = fw.make_user(files=1), fw.make_user(files=1)
    in_other(fw, database, "INSERT INTO user_files (user_id, file_path) VALUES (%s, %s)", user.id, f"s3://{fw.bucket}/{user.keys[0]}")
    ask(fw, user)
    new = second(worker_db=conninfo(fw, database))
    try:
        line = fw.wait_until(lambda: lines(new, LEDGER_WRONG), what="it to refuse")[0]
        assert fw.psql("users", advice(line)) == 1
        fw.wait_until(lambda: fw.objects_of(user) == [], what="the new ledger's worker to go on by itself")
        row = fw.wait_until(lambda: in_other(fw, database, "SELECT * FROM farewell.deletion WHERE finished_at IS NOT NULL"), what="it to be completed")
        assert (row[0]["status"], row[0]["files_deleted"]) == ("completed", 1)
        assert new.check()[0] == 0
        new.stop()
        ask(fw, back)
        since = len(fw.stack.worker.log_text())
        fw.stack.worker.start(wait=False)
        line = said(fw, LEDGER_WRONG, "INSERT INTO", since=since)
        assert database not in line.split(";")[0] and fw.ledger(back) == []
        assert fw.psql("users", advice(line)) == 1
        completed(fw, back, files=1)
    finally:
        fw.psql("users", "UPDATE farewell.pairing SET ledger_id = %s", fw.value("worker", "SELECT ledger_id FROM farewell.ledger"))


@pytest.mark.own_worker
def test_a_user_database_replaced_on_purpose(fw, other, second):
    database = other("user")
    lineage = fw.value("worker", "SELECT lineage FROM farewell.lineage")
    new = second(user_db=conninfo(fw, database))
    try:
        line = fw.wait_until(lambda: lines(new, USERS_WRONG), what="it to refuse")[0]
        assert fw.psql("worker", advice(line)) == 1
        fw.wait_until(lambda: lines(new, "is not the one that was seen last"), what="the new database to be compared")
        fw.wait_until(lambda: fw.value("worker", "SELECT lineage FROM farewell.lineage").count("/") == 2, what="its lineage to be stored")
        installation, = in_other(fw, database, "SELECT installation_id::text FROM farewell.installation")[0].values()
        assert fw.value("worker", "SELECT lineage FROM farewell.lineage").startswith(installation)
        assert new.check()[0] == 0 and fw.stack.worker.check()[0] == EX_CONFIG
    finally:
        new.stop()
        fw.psql("worker", "UPDATE farewell.lineage SET lineage = %s", lineage)
        fw.psql("worker", "UPDATE farewell.deletion SET vanished_at = NULL")


@pytest.mark.own_worker
def test_a_name_that_leads_elsewhere_is_noticed_in_the_next_session(fw):
    """As after a fail-over to a database that is another one; and it goes on without a restart when it is right again."""
    fw.stack.worker.configure({"worker": QUICK})
    user = fw.make_user(files=1)
    ledger = fw.wait_until(lambda: fw.value("users", "SELECT ledger_id FROM farewell.pairing"), what="the databases to be paired")
    since = len(fw.stack.worker.log_text())
    fw.psql("worker", "UPDATE farewell.ledger SET ledger_id = gen_random_uuid()")
    try:
        fw.stack.postgres.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'farewell-workerd%'")
        ask(fw, user)  # an idle child opens no session before it has a message
        said(fw, "the two databases do not belong together, and no deletion is charged for it", since=since)
        fw.wait_until(lambda: steps(fw.stack.worker) == {"waiting, databases do not match"}, what="every child to say so")
        assert fw.ledger(user) == []
    finally:
        fw.psql("worker", "UPDATE farewell.ledger SET ledger_id = %s", ledger)
    completed(fw, user, files=1)
    said(fw, "belong together again", since=since)


def test_without_the_migrations_the_check_says_so(fw, more_worker):
    worker = more_worker({"worker": QUICK}, start=False)
    for which, table in (("users", "pairing"), ("worker", "ledger")):
        fw.psql(which, f"ALTER TABLE farewell.{table} RENAME TO moved")
        try:
            code, output = worker.check()
        finally:
            fw.psql(which, f"ALTER TABLE farewell.moved RENAME TO {table}")
        assert code == EX_CONFIG and f"farewell.{table}" in output and "have the migrations been applied" in output, output


def test_a_role_that_may_not_read_it_is_named(fw, more_worker):
    worker = more_worker({"worker": QUICK}, start=False)
    for which, table in (("users", "pairing"), ("worker", "ledger")):
        fw.psql(which, f"REVOKE SELECT ON farewell.{table} FROM farewell")
        try:
            code, output = worker.check()
        finally:
            fw.psql(which, f"GRANT SELECT ON farewell.{table} TO farewell")
        assert code == EX_CONFIG and f"permission denied for table {table}" in output, output
