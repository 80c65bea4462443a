"""The worker database is restored from a backup, or has lost rows: the ledger is behind its requests, and catches up with them."""
import pytest

from tools.jobs import completed, log_lines, quiet, said

pytestmark = pytest.mark.outage

QUICK = {"worker": {"reconcile_after": "1s", "reconcile_every": "300ms"}}
BEFORE_THE_END = ("UPDATE farewell.deletion SET status = 'retrying', mail = 'pending', mails = 0, mailed_at = NULL, finished_at = NULL,"
                  " files_deleted = 1, turn = 2, version = 2, reported = 2, sweep_at = NULL, next_attempt_at = NULL"
                  " WHERE user_id = %s")
BEHIND = "the ledger is behind its request"


def failing(fw, wires, version):
    """A deletion that is retried, whose request has heard of so many versions of the ledger."""
    wires.worker(**QUICK["worker"])
    wires.s3.refuse()
    user = fw.make_user()
    assert fw.delete(user).status == 200
    fw.wait_until(lambda: fw.requests(user)[0]["version"] >= version, what="the request to hear of some versions")
    return user


def told(fw, user):
    """The request says what the ledger says, which has nothing more to report."""
    row, = fw.ledger(user)
    request, = fw.requests(user)
    return row["reported"] == row["version"] and all(row[c] == request[c] for c in ("status", "mail", "files_deleted", "version"))


@pytest.mark.own_worker
def test_a_row_that_is_lost(fw, wires):
    user = failing(fw, wires, version=8)
    fw.psql("worker", "DELETE FROM farewell.deletion WHERE user_id = %s", str(user))
    wires.s3.accept()
    completed(fw, user, files=3)
    fw.wait_until(lambda: told(fw, user), what="ledger and request to agree")
    assert len(log_lines(fw.stack.worker, BEHIND, fw.requests(user)[0]["deletion_id"])) == 1
    quiet(fw)


@pytest.mark.own_worker
def test_a_row_that_is_older_than_its_request(fw, wires):
    user = failing(fw, wires, version=4)
    fw.psql("worker", "UPDATE farewell.deletion SET version = 0 WHERE user_id = %s", str(user))
    fw.psql("users", "UPDATE farewell.request SET version = 1100 WHERE user_id = %s", str(user))
    # While it fails, too: what GET says is not what it said before the restore.
    fw.wait_until(lambda: fw.requests(user)[0]["version"] > 1100, what="the request to hear of a later state")
    wires.s3.accept()
    completed(fw, user, files=3)
    assert len(log_lines(fw.stack.worker, BEHIND, fw.requests(user)[0]["deletion_id"])) == 1


@pytest.mark.own_worker
def test_the_reconciler_reports_what_nobody_else_does(fw):
    """A row that was restored as finished: no message will come for it."""
    fw.stack.worker.configure(QUICK)
    user = fw.make_user()
    fw.delete(user)
    completed(fw, user)
    fw.psql("users", "UPDATE farewell.request SET status = 'running', finished_at = NULL, version = 900 WHERE user_id = %s", str(user))
    fw.psql("worker", "UPDATE farewell.deletion SET reported = 0, updated_at = now() - interval '1 hour' WHERE user_id = %s", str(user))
    fw.wait_until(lambda: fw.requests(user)[0]["status"] == "completed", what="the request to be finished again")
    fw.wait_until(lambda: told(fw, user), what="ledger and request to agree")
    assert fw.ledger(user)[0]["version"] == 901


def test_a_finished_request_closes_its_ledger_row(fw):
    """Restored to before the end, ledger and files' rows: nothing is mailed again, and the rows are marked once more."""
    user = fw.make_user()
    fw.delete(user)
    completed(fw, user, files=3)
    fw.stack.worker.stop()
    fw.psql("worker", BEFORE_THE_END, str(user))
    fw.psql("worker", "UPDATE user_files SET deleted_at = NULL WHERE user_id = %s", user.id)
    finished_at = fw.requests(user)[0]["finished_at"]
    fw.stack.worker.configure(QUICK)
    said(fw, "its request is finished", fw.requests(user)[0]["deletion_id"])
    fw.wait_until(lambda: fw.ledger(user)[0]["swept"] > 0 or fw.ledger(user)[0]["turn"] > 2, what="the sweep to begin")
    completed(fw, user)
    assert fw.requests(user)[0]["finished_at"] > finished_at
    fw.wait_until(lambda: told(fw, user), what="ledger and request to agree")
    assert fw.ledger(user)[0]["mail"] == "sent"


@pytest.mark.own_worker
def test_a_report_that_comes_late_changes_nothing(fw, wires):
    """Who reports an older state than the ledger's present one is late, whatever the request has heard of: he makes no row jump."""
    wires.worker(**QUICK["worker"])
    wires.s3.refuse()
    user = fw.make_user()
    connection = fw.stack.postgres.connect("users")
    try:
        with connection.cursor() as c:
            assert fw.delete(user).status == 200
            fw.wait_until(lambda: fw.requests(user)[0]["started_at"], what="the deletion to begin")
            c.execute("SELECT version FROM farewell.request WHERE user_id = %s FOR UPDATE", (str(user),))
            fw.wait_until(lambda: fw.value("users", "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                                           " AND query LIKE 'UPDATE farewell.request SET status = $2%%'"), what="a report to wait for the lock")
            # Meanwhile the deletion has gone on elsewhere, and that was reported.
            fw.psql("worker", "UPDATE farewell.deletion SET version = 500, reported = 500 WHERE user_id = %s", str(user))
            c.execute("UPDATE farewell.request SET version = 500, last_error = 'the newer one' WHERE user_id = %s", (str(user),))
            connection.commit()
    finally:
        connection.close()
    fw.wait_until(lambda: fw.requests(user)[0]["version"] > 500, what="the next report")
    wires.s3.accept()
    completed(fw, user, files=3)
    assert log_lines(fw.stack.worker, BEHIND, fw.requests(user)[0]["deletion_id"]) == []
