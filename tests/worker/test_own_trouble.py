"""One account's trouble is its own: counted, delayed, said; the others are served meanwhile."""
import contextlib
import os
import signal

import pytest

from stack.client import PARKED, QUEUE
from tools.jobs import ask, commit_request, completed, delivered_too_often, message, parked_message, quiet, row_held, said

pytestmark = pytest.mark.outage


@contextlib.contextmanager
def file_row_held(fw, user):
    """Within, somebody holds the lock of one of the user's file rows."""
    connection = fw.stack.postgres.connect("worker")
    try:
        with connection.cursor() as c:
            c.execute("SELECT id FROM user_files WHERE user_id = %s LIMIT 1 FOR UPDATE", (user.id,))
            yield
    finally:
        connection.rollback()
        connection.close()


def reported(fw, user):
    """The ledger's row, once the request has heard of it, which is the last that a job writes."""
    return fw.wait_until(lambda: (row := fw.ledger(user)[-1])["reported"] == row["version"] and row, what="the report")


@pytest.mark.own_worker
def test_more_than_one_contact_row_holds_nobody_up(fw):
    """21000 in user_contact_sql: a subquery that returns two rows for one user, with as many such users as there are children."""
    fw.purge(PARKED)
    fw.psql("users", "CREATE TABLE IF NOT EXISTS address (user_id bigint, mail text)")
    fw.stack.worker.configure({"worker": {"children": 2, "user_contact_sql":
                                          "SELECT COALESCE((SELECT mail FROM address WHERE user_id = u.id), email), name, locale FROM users u WHERE id = $1"}})
    odd, others = [fw.make_user() for _ in range(3)], [fw.make_user() for _ in range(4)]
    for user in odd:
        fw.psql("users", "INSERT INTO address VALUES (%s, 'a@x'), (%s, 'b@x')", user.id, user.id)
        ask(fw, user)
    for user in others:
        ask(fw, user)
    for user in others:
        completed(fw, user, files=3)
    for user in odd:
        said(fw, "failed, attempt", "21000", f"user={user.id} ")
    while any(fw.ledger(user)[0]["status"] != "parked" for user in odd):
        other = fw.make_user(files=0)  # the statement serves others meanwhile
        ask(fw, other)
        completed(fw, other)
    for user in odd:
        row, = fw.ledger(user)
        assert "21000" in row["last_error"] and "worker.user_contact_sql" in row["last_error"] and row["attempts"] >= 3
        assert len(fw.objects_of(user)) == 3
    fw.psql("users", "DROP TABLE address")
    fw.purge(PARKED)


@pytest.mark.own_worker
def test_a_locked_file_row_holds_nobody_up(fw):
    fw.stack.worker.configure({"worker": {"children": 1, "lock_timeout": "500ms", "statement_timeout": "1s"}})
    user, other = fw.make_user(), fw.make_user()
    with file_row_held(fw, user):
        ask(fw, user)
        said(fw, "failed, attempt 1", "55P03", f"user={user.id} ")
        ask(fw, other)
        completed(fw, other, files=3)
    completed(fw, user, files=3)
    quiet(fw)


@pytest.mark.own_worker
def test_a_locked_users_row_is_counted(fw):
    fw.stack.worker.configure({"worker": {"children": 1, "lock_timeout": "500ms", "statement_timeout": "1s", "reconciler": "no"}})
    user, other = fw.make_user(), fw.make_user()
    deletion_id = commit_request(fw, user)
    with row_held(fw, user):
        fw.publish(message(user, deletion_id))
        fw.wait_until(lambda: fw.ledger(user) and fw.ledger(user)[0]["attempts"] >= 2, what="two failures")
        ask(fw, other)
        completed(fw, other, files=3)
        row, = fw.ledger(user)
        assert row["turn"] == row["attempts"] + 1 and "55P03" in row["last_error"] and len(fw.objects_of(user)) == 3
    completed(fw, user, files=3)
    quiet(fw)


@pytest.mark.own_worker
def test_a_replay_that_is_redelivered_is_no_echo(fw, wires):
    fw.purge(PARKED)
    wires.worker(children=1, reconciler="no")
    user = fw.make_user(["http://not/s3"])
    ask(fw, user)
    parked = fw.wait_status(user, "parked")
    _, body = parked_message(fw, user)
    fw.psql("worker", "UPDATE user_files SET file_path = 's3://' || %s || '/' || %s WHERE user_id = %s", fw.bucket, "replayed", user.id)
    wires.s3.hold()
    fw.publish(body, queue=QUEUE)
    fw.wait_until(lambda: fw.ledger(user)[0]["status"] == "running", what="the replay to run")
    child, = fw.stack.worker.children()
    os.kill(child, signal.SIGKILL)  # what comes again is marked as redelivered
    wires.s3.release()
    row = completed(fw, user, files=1)
    assert row["turn"] == parked["turn"] and fw.queue_messages(PARKED) == 0
    quiet(fw)


def test_an_echo_of_what_was_parked_is_not_run(fw):
    fw.purge(PARKED)
    user = fw.make_user(["http://not/s3"])
    deletion_id = ask(fw, user)
    fw.wait_status(user, "parked")
    row = reported(fw, user)
    assert row["turn"] == 2
    fw.publish(message(user, deletion_id))
    said(fw, "superseded", deletion_id)
    assert fw.ledger(user)[0] == row
    properties, body = parked_message(fw, user)
    assert properties.headers["x-farewell-reason"] == row["last_error"] and b'"turn":2' in body.replace(b" ", b"")


@pytest.mark.own_worker
def test_parked_replayed_failed_and_lost_is_found_again(fw, wires):
    """The message is lost after the replay has failed, and the request's copy still says parked."""
    fw.purge(PARKED)
    wires.worker(children=1, reconcile_after="1s", reconcile_every="300ms", reconciler="no")
    user = fw.make_user(["http://not/s3"])
    ask(fw, user)
    fw.wait_status(user, "parked")
    fw.wait_until(lambda: fw.requests(user)[0]["status"] == "parked", what="the request to say parked")
    fw.purge(PARKED)
    # As if the worker had died between the ledger's commit and everything behind it.
    fw.psql("worker", "UPDATE user_files SET file_path = 's3://' || %s || '/' || %s WHERE user_id = %s", fw.bucket, "again", user.id)
    fw.psql("worker", "UPDATE farewell.deletion SET status = 'retrying', turn = turn + 1, version = version + 1 WHERE user_id = %s", str(user.id))
    wires.worker(children=1, reconcile_after="1s", reconcile_every="300ms")
    completed(fw, user, files=1)
    quiet(fw)


def test_an_older_report_never_overwrites_a_newer_one(fw):
    user = fw.make_user()
    ask(fw, user)
    completed(fw, user, files=3)
    ledger = reported(fw, user)
    request, = fw.requests(user)
    assert request["version"] == ledger["version"] > 0


@pytest.mark.own_worker
def test_row_ids_of_any_length(fw):
    fw.psql("worker", "CREATE TABLE long_ids (id text PRIMARY KEY, user_id bigint, path text)")
    try:
        fw.stack.worker.configure({"worker": {"files_page": 2, "files_sql":
            "SELECT id, path FROM long_ids WHERE user_id = $1 AND ($2::text IS NULL OR id > $2) ORDER BY long_ids.id LIMIT $3",
            "files_done_sql": "DELETE FROM long_ids WHERE user_id = $1 AND id = ANY ($2::text[])"}})
        user = fw.make_user(0)
        for n in range(5):
            fw.psql("worker", "INSERT INTO long_ids VALUES (repeat('k', 2000) || %s, %s, %s)", n, user.id, f"s3://{fw.bucket}/long-{n}")
        ask(fw, user)
        row = fw.wait_status(user, "completed")
        assert row["files_deleted"] == 5 and fw.value("worker", "SELECT count(*) FROM long_ids") == 0
    finally:
        fw.psql("worker", "DROP TABLE long_ids")


def test_delivered_too_often_is_parked_by_us(fw):
    """Deaths before the ledger counts a start: the broker's own count ends them."""
    user = delivered_too_often(fw)
    assert "delivered it 30 times" in fw.wait_status(user, "parked")["last_error"]
    _, body = parked_message(fw, user)
    fw.publish(body, queue=QUEUE)
    completed(fw, user, files=3)


@pytest.mark.own_worker
def test_a_contact_function_that_changes_the_session_holds_nobody_up(fw):
    """The mark reads differently after it, so that the guard's look before each page differs from the first."""
    fw.purge(PARKED)
    odd = fw.make_user()
    fw.psql("users", f"""CREATE FUNCTION contact(bigint) RETURNS SETOF users LANGUAGE plpgsql AS $$ BEGIN
        IF $1 = {odd.id} THEN PERFORM set_config('TimeZone', 'Asia/Seoul', false); END IF;
        RETURN QUERY SELECT * FROM users WHERE id = $1; END $$""")
    try:
        fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no", "user_contact_sql": "SELECT email, name, locale FROM contact($1)"}})
        ask(fw, odd)
        said(fw, "failed, attempt 1", "reads deleted_at differently", f"user={odd.id} ")
        while fw.ledger(odd)[0]["status"] != "parked":
            other = fw.make_user()
            ask(fw, other)
            completed(fw, other, files=3)
        assert "set_config" in fw.ledger(odd)[0]["last_error"] and len(fw.objects_of(odd)) == 3
    finally:
        fw.psql("users", "DROP FUNCTION contact(bigint)")
        fw.purge(PARKED)
