"""Every SQL statement of doc/OPERATE.md does what is said of it there: it is taken from the text itself."""
import os
import re

import pytest

from stack import place
from tools.jobs import ask, commit_request, completed, log_lines, quiet

with open(os.path.join(place.TOP, "doc", "OPERATE.md"), encoding="utf-8") as f:
    STATEMENTS = [re.sub(r"\s+", " ", sql).strip() for sql in re.findall(r"^    ((?:SELECT|INSERT|UPDATE|DELETE) .*?;)$", f.read(), re.MULTILINE | re.DOTALL)]
QUICK = {"worker": {"reconcile_every": "300ms"}}


def statements(*words):
    """Those that have all these words, in the order of the text."""
    found = [sql for sql in STATEMENTS if all(word in sql for word in words)]
    assert found, words
    return found


def run(fw, sql, deletion_id=""):
    """In the database whose table it is about."""
    return fw.psql("users" if "farewell.request" in sql else "worker", sql.replace("'…'", f"'{deletion_id}'").rstrip(";"))


def pair(*words):
    """A statement on the ledger, and the one that follows it, on the request."""
    first, = statements("farewell.deletion", *words)
    second = STATEMENTS[STATEMENTS.index(first) + 1]
    assert "farewell.request" in second, second
    return first, second


def park(fw, user, status="parked", **columns):
    """A deletion in that state, of which no message is left; returns its id."""
    deletion_id = commit_request(fw, user)
    columns = {"attempts": 3, "last_error": "it failed", "turn": 4, "version": 5, "reported": 5, **columns}
    fw.psql("worker", f"INSERT INTO farewell.deletion (deletion_id, user_id, status, {', '.join(columns)}) VALUES (%s, %s, %s{', %s' * len(columns)})",
            deletion_id, str(user), status, *columns.values())
    fw.psql("users", "UPDATE farewell.request SET status = %s, version = 5, reconcile_at = now() + interval '1 day' WHERE deletion_id = %s", status, deletion_id)
    return deletion_id


def test_every_statement_is_known():
    assert len(STATEMENTS) == 18, STATEMENTS


@pytest.mark.own_worker
def test_the_lists(fw):
    fw.stack.worker.configure(QUICK)
    user = fw.make_user()
    deletion_id = park(fw, user)
    parked, = statements("SELECT", "status = 'parked'")
    assert [row["last_error"] for row in run(fw, parked) if str(row["deletion_id"]) == deletion_id] == ["it failed"]
    unfinished, = statements("SELECT", "farewell.request", "finished_at IS NULL")
    assert deletion_id in [str(row["deletion_id"]) for row in run(fw, unfinished)]
    for sql in pair("closed by"):
        run(fw, sql, deletion_id)
    done = fw.make_user(files=0)
    fw.delete(done)
    completed(fw, done)
    since, = statements("SELECT user_id FROM farewell.request WHERE status = 'completed'")
    assert str(done) in [row["user_id"] for row in run(fw, since, "2020-01-01 00:00+00")]
    assert run(fw, since, "2100-01-01 00:00+00") == []


@pytest.mark.own_worker
def test_a_parked_deletion_is_replayed(fw):
    fw.stack.worker.configure(QUICK)
    user = fw.make_user(files=1)
    deletion_id = park(fw, user)
    for sql in pair("SET status = 'retrying'"):
        assert run(fw, sql, deletion_id) == 1
    row = completed(fw, user, files=1)
    assert (row["turn"], row["attempts"]) == (6, 0), row
    quiet(fw)


@pytest.mark.own_worker
def test_a_retry_is_brought_forward(fw):
    fw.stack.worker.configure(QUICK)
    user = fw.make_user(files=0)
    deletion_id = park(fw, user, "retrying", next_attempt_at="tomorrow", turned_at="now")
    for sql in pair("SET next_attempt_at = NULL"):
        assert run(fw, sql, deletion_id) == 1
    row = completed(fw, user)
    assert (row["turn"], row["attempts"]) == (5, 3), row
    quiet(fw)


@pytest.mark.own_worker
def test_a_deletion_is_closed(fw):
    fw.stack.worker.configure(QUICK)
    user = fw.make_user(files=1)
    deletion_id = park(fw, user)
    for sql in pair("closed by"):
        assert run(fw, sql, deletion_id) == 1
    for row in (fw.ledger(user)[0], fw.requests(user)[0]):
        assert row["status"] == "cancelled" and row["finished_at"] and "closed by" in row["last_error"], row
    assert fw.objects_of(user) == user.keys


@pytest.mark.own_worker
def test_what_vanished_is_listed_and_taken_off(fw):
    fw.stack.worker.configure(QUICK)
    listing, = statements("SELECT", "vanished_at IS NOT NULL")
    done, = statements("SET vanished_at = NULL")
    compare, = statements("UPDATE farewell.lineage", "split_part")
    user = fw.make_user(files=0)
    deletion_id = ask(fw, user)
    completed(fw, user)
    fw.psql("users", "DELETE FROM farewell.request WHERE user_id = %s", str(user))

    def listed():
        return [row["status"] for row in run(fw, listing) if str(row["deletion_id"]) == deletion_id]
    assert listed() == []
    fw.wait_until(lambda: fw.value("worker", "SELECT lineage FROM farewell.lineage"), what="the user database to have been seen")
    assert run(fw, compare) == 1
    fw.wait_until(listed, what="it to be listed")
    assert listed() == ["completed"] and log_lines(fw.stack.worker, "has vanished", f"user={user} ")
    assert run(fw, done, deletion_id) == 1
    assert listed() == []


@pytest.mark.own_worker
def test_a_comparison_asked_for_during_a_pass_is_made(fw):
    """The reconciler has read the lineage, and comes to write its own, when a person writes that all be compared."""
    fw.stack.worker.configure(QUICK)
    compare, = statements("UPDATE farewell.lineage", "split_part")
    user = fw.make_user(files=0)
    ask(fw, user)
    completed(fw, user)
    fw.wait_until(lambda: fw.value("worker", "SELECT lineage FROM farewell.lineage"), what="the user database to have been seen")
    since = len(fw.stack.worker.log_text())
    with fw.stack.postgres.connect("worker") as person, person.cursor() as cursor:
        cursor.execute(compare)
        fw.wait_until(lambda: fw.value("worker", "SELECT count(*) FROM pg_locks WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))",
                                       person.info.backend_pid), what="the reconciler to wait with its own")
    fw.wait_until(lambda: log_lines(fw.stack.worker, "is not the one that was seen last", since=since), what="the comparison")


@pytest.mark.own_worker
def test_a_copy_gets_ids_of_its_own(fw):
    """And what has them is a pair of its own as soon as a worker starts."""
    fw.stack.worker.configure(QUICK)
    user = fw.make_user(files=0)
    ask(fw, user)
    completed(fw, user)

    def ids():
        return (fw.value("users", "SELECT installation_id FROM farewell.installation"), fw.value("worker", "SELECT ledger_id FROM farewell.ledger"),
                fw.value("users", "SELECT ledger_id FROM farewell.pairing"), fw.value("worker", "SELECT lineage FROM farewell.lineage"))
    installation, ledger, _, _ = before = ids()
    fw.stack.worker.stop()
    of_users, of_worker = statements("farewell.installation") + statements("farewell.pairing", "DELETE"), \
        statements("UPDATE farewell.ledger") + statements("farewell.lineage", "DELETE")
    try:
        assert [fw.psql("users", sql) for sql in of_users] + [fw.psql("worker", sql) for sql in of_worker] == [1, 1, 1, 1]
        fw.stack.worker.start()
        after = fw.wait_until(lambda: all(found := ids()) and found, what="the two to be a pair")
        assert not set(before) & set(after) and after[1] == after[2] and after[3].startswith(str(after[0]))
    finally:
        fw.stack.worker.stop()
        fw.psql("users", "UPDATE farewell.installation SET installation_id = %s", installation)
        fw.psql("worker", "UPDATE farewell.ledger SET ledger_id = %s", ledger)
        for sql, which in zip([of_users[1], of_worker[1]], ("users", "worker")):
            fw.psql(which, sql)


def test_the_log_names_the_statements_for_what_was_replaced(fw):
    """Those of this page: test_pairing.py runs what the log says."""
    with open(os.path.join(place.TOP, "lib", "deletion", "pairing.c"), encoding="utf-8") as f:
        source = re.sub(r'"\s*"', "", f.read())
    insert, = statements("INSERT INTO farewell.pairing")
    compare, = statements("UPDATE farewell.lineage", "…/compare")
    assert source.count(insert.rstrip(";").replace("…", "%s")) == 2 and source.count(compare.rstrip(";").replace("…", "%.*s")) == 1
