"""A deletion of the ledger whose request is gone from the user database, as a fail-over or a restore leaves it, is said."""
import struct

import pytest

from tools.jobs import ask, commit_request, completed, log_lines, said
from tools.pool import Board

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

QUICK = {"worker": {"reconcile_after": "1s", "reconcile_every": "300ms"}}
ELSEWHERE = "/7/00000001"


def ledger_row(fw, user, deletion_id, status, more, *values):
    fw.psql("worker", f"INSERT INTO farewell.deletion (deletion_id, user_id, status, turn, {', '.join(more)})"
            f" VALUES (%s, %s, %s, 3{', %s' * len(values)})", deletion_id, str(user), status, *values)


def forget(fw, user):
    fw.psql("users", "DELETE FROM farewell.request WHERE user_id = %s", str(user))


def seen_elsewhere(fw):
    """From the next comparison on, which is made."""
    fw.wait_until(lambda: fw.value("worker", "SELECT lineage FROM farewell.lineage"), what="the reconciler to have seen the user database")
    since = len(fw.stack.worker.log_text())
    fw.psql("worker", "UPDATE farewell.lineage SET lineage = split_part(lineage, '/', 1) || %s", ELSEWHERE)
    fw.wait_until(lambda: log_lines(fw.stack.worker, "is not the one that was seen last", since=since), what="the reconciler to compare")


def compared(fw):
    fw.wait_until(lambda: not is_elsewhere(fw), what="the lineage to be stored")


def is_elsewhere(fw):
    """The ledger has seen the same installation on another server."""
    return fw.value("worker", "SELECT lineage FROM farewell.lineage").endswith(ELSEWHERE)


def counted(fw):
    """How many the scoreboard's counter "vanished" says."""
    path = fw.stack.place.path("run", "worker", "farewell-workerd.scoreboard")
    with open(path, "rb") as f:
        names = struct.unpack_from("32s" * 16, f.read(), 8 + 4 * 4 + 32)
    number, board = [name.rstrip(b"\0") for name in names].index(b"vanished"), Board(path)
    return board.counters[number] + sum(child["counters"][number] for child in board.children)


def test_after_a_fail_over_what_vanished_is_said(fw):
    fw.stack.worker.configure(QUICK)
    gone, there, cancelled, old, waits, parked = (fw.make_user(files=1) for _ in range(6))
    for user in (gone, there, cancelled, old):
        ask(fw, user)
        completed(fw, user, files=1)
    ids = {user.id: commit_request(fw, user, left_alone=True) for user in (waits, parked)}
    ledger_row(fw, waits, ids[waits.id], "retrying", ["next_attempt_at", "attempts"], "tomorrow", 2)
    ledger_row(fw, parked, ids[parked.id], "parked", ["last_error"], "for a reason")
    fw.psql("worker", "UPDATE farewell.deletion SET status = 'cancelled' WHERE user_id = %s", str(cancelled))
    fw.psql("worker", "UPDATE farewell.deletion SET updated_at = now() - interval '3 days' WHERE user_id = %s", str(old))
    for user in (gone, cancelled, old, waits, parked):
        forget(fw, user)
    since, before = len(fw.stack.worker.log_text()), counted(fw)
    seen_elsewhere(fw)
    compared(fw)
    assert counted(fw) == before + len(log_lines(fw.stack.worker, "the request of a deletion has vanished", since=since)) >= before + 3
    # Completed: said and marked, and it stays completed. Unfinished: parked, a turn later.
    line, = log_lines(fw.stack.worker, "has vanished", f"user={gone} ", since=since)
    assert " error " in line and "status=completed" in line and "changed=20" in line and "may be active again" in line, line
    row, = fw.ledger(gone)
    assert row["vanished_at"] and (row["status"], row["sweep_at"], row["turn"]) == ("completed", None, 1), row
    line, = log_lines(fw.stack.worker, "has vanished", f"user={waits} ", since=since)
    assert "status=retrying" in line, line
    row, = fw.ledger(waits)
    assert row["vanished_at"] and (row["status"], row["turn"], row["attempts"], row["next_attempt_at"]) == ("parked", 4, 2, None), row
    assert "the request has vanished from the user database" in row["last_error"]
    row, = fw.ledger(parked)
    assert row["vanished_at"] and (row["status"], row["turn"], row["last_error"]) == ("parked", 3, "for a reason"), row
    for user in (there, cancelled, old):
        assert fw.ledger(user)[0]["vanished_at"] is None and not log_lines(fw.stack.worker, "has vanished", f"user={user} ", since=since)
    # Said once; and what was done about nobody's objects.
    seen_elsewhere(fw)
    compared(fw)
    assert len(log_lines(fw.stack.worker, "has vanished", f"user={gone} ", since=since)) == 1
    for user in (waits, parked):
        assert fw.objects_of(user) == user.keys


def test_without_a_fail_over_the_unfinished_are_compared_once_a_session(fw):
    fw.stack.worker.stop()
    done, waits = fw.make_user(files=1), fw.make_user(files=1)
    ids = {user.id: commit_request(fw, user) for user in (done, waits)}
    ledger_row(fw, done, ids[done.id], "completed", ["finished_at", "mail"], "now", "sent")
    ledger_row(fw, waits, ids[waits.id], "retrying", ["next_attempt_at"], "tomorrow")
    forget(fw, done)
    forget(fw, waits)
    fw.stack.worker.configure(QUICK)
    said(fw, "has vanished", f"user={waits} ")
    assert fw.wait_status(waits, "parked")["turn"] == 4
    assert fw.ledger(done)[0]["vanished_at"] is None


def test_nothing_is_stored_before_all_is_compared(fw):
    """Whoever dies, or can't write, in the middle of it compares all of it again."""
    fw.stack.worker.configure(QUICK)
    users = [fw.make_user(files=0) for _ in range(3)]
    for user in users:
        ask(fw, user)
        completed(fw, user)
        forget(fw, user)
    fw.psql("worker", "CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$")
    fw.psql("worker", f"CREATE TRIGGER refuse_one BEFORE UPDATE ON farewell.deletion FOR EACH ROW WHEN (NEW.user_id = '{users[1]}')"
            " EXECUTE FUNCTION refuse_one()")
    since = len(fw.stack.worker.log_text())
    try:
        seen_elsewhere(fw)
        said(fw, "not this one", since=since)
        assert is_elsewhere(fw)
    finally:
        fw.psql("worker", "DROP FUNCTION refuse_one CASCADE")
    compared(fw)
    for user in users:
        assert fw.ledger(user)[0]["vanished_at"] and len(log_lines(fw.stack.worker, "has vanished", f"user={user} ", since=since)) == 1


def test_pages_are_many(fw):
    """What vanished is found among more deletions than a page has."""
    fw.stack.worker.configure(QUICK)
    user = fw.make_user(files=0)
    ask(fw, user)
    completed(fw, user)
    fw.psql("worker", "INSERT INTO farewell.deletion (deletion_id, user_id, status, finished_at, updated_at, reported)"
            " SELECT gen_random_uuid(), 'crowd', 'cancelled', now(), now(), 1 FROM generate_series(1, 2500)")
    forget(fw, user)
    since = len(fw.stack.worker.log_text())
    try:
        seen_elsewhere(fw)
        said(fw, "is not the one that was seen last", ELSEWHERE, since=since)
        said(fw, "has vanished", f"user={user} ", since=since)
    finally:
        fw.psql("worker", "DELETE FROM farewell.deletion WHERE user_id = 'crowd'")


def test_what_is_there_again_is_not_marked_any_more(fw):
    """As after a fail-back: what was parked only because its request was gone goes on, and what is parked for a reason stays."""
    fw.stack.worker.configure(QUICK)
    done, waits, parked, gone = (fw.make_user(files=1) for _ in range(4))
    for user in (done, gone):
        ask(fw, user)
        completed(fw, user, files=1)
    ids = {user.id: commit_request(fw, user, left_alone=True) for user in (waits, parked)}
    ledger_row(fw, waits, ids[waits.id], "retrying", ["next_attempt_at", "attempts", "failing_since"], "tomorrow", 2, "yesterday")
    ledger_row(fw, parked, ids[parked.id], "parked", ["last_error"], "for a reason")
    fw.psql("users", "CREATE TABLE kept AS SELECT * FROM farewell.request WHERE user_id = ANY (%s)", [str(u) for u in (done, waits, parked)])
    try:
        for user in (done, waits, parked, gone):
            forget(fw, user)
        seen_elsewhere(fw)
        for user in (done, waits, parked, gone):
            fw.wait_until(lambda u=user: fw.ledger(u)[0]["vanished_at"], what="it to be marked")
        assert fw.wait_status(waits, "parked")["turn"] == 4
        compared(fw)
        since = len(fw.stack.worker.log_text())
        fw.psql("users", "UPDATE kept SET reconcile_at = now()")
        fw.psql("users", "INSERT INTO farewell.request SELECT * FROM kept")
    finally:
        fw.psql("users", "DROP TABLE kept")
    seen_elsewhere(fw)
    for user, status in ((done, "completed"), (waits, "retrying"), (parked, "parked")):
        line = said(fw, "is in the user database again", f"user={user} ", since=since)
        assert " warning " in line and f"status={status}" in line, line
        assert fw.ledger(user)[0]["vanished_at"] is None
    row = completed(fw, waits, files=1)
    assert row["attempts"] == 0 and row["turn"] >= 6, row
    row, = fw.ledger(parked)
    assert (row["status"], row["turn"], row["last_error"]) == ("parked", 3, "for a reason") and fw.objects_of(parked) == parked.keys
    row, = fw.ledger(done)
    assert row["status"] == "completed" and len(fw.mails(done)) == 1
    assert fw.ledger(gone)[0]["vanished_at"] and not log_lines(fw.stack.worker, "database again", f"user={gone} ", since=since)
