"""What a database or the store refuses for one deletion: it is neither dropped, nor passed off as done, nor in the way of others."""
import threading
import time
import uuid

import pytest

from stack import PATIENCE
from stack.client import PARKED
from tools.jobs import ask, commit_request, completed, message, parked_message, said
from tools.s3_canned import Canned, deleted


@pytest.fixture
def store():
    """store(reply) gives the address of an S3 server that answers a batch as reply(keys) says."""
    servers = []

    def start(reply):
        servers.append(Canned(lambda request: reply(request.keys)))
        return servers[-1].endpoint
    yield start
    for server in servers:
        server.close()


def test_a_column_that_was_changed_needs_no_restart(fw):
    """PostgreSQL refuses a statement that was prepared before: cached plan must not change result type."""
    before = fw.make_user()
    fw.delete(before)
    completed(fw, before)
    fw.psql("users", "ALTER TABLE users ALTER COLUMN email TYPE varchar(300)")
    fw.psql("worker", "ALTER TABLE user_files ALTER COLUMN file_path TYPE varchar(2000)")
    try:
        users = [fw.make_user() for _ in range(4)]
        assert [fw.delete(user).status for user in users] == [200] * 4
        for user in users:
            completed(fw, user, files=3)
    finally:
        fw.psql("users", "ALTER TABLE users ALTER COLUMN email TYPE text")
        fw.psql("worker", "ALTER TABLE user_files ALTER COLUMN file_path TYPE text")


@pytest.mark.own_worker
def test_an_error_in_the_contact_statement_is_no_missing_request(fw):
    fw.stack.worker.configure({"worker": {
        "children": 1, "operator_attempts": 100, "user_contact_sql": "SELECT email, (name::int)::text, locale FROM users WHERE id = $1"}})
    user, other = fw.make_user(name="Kim"), fw.make_user(name="7")
    assert fw.delete(user).status == 200
    said(fw, "failed, attempt 1", "22P02", f"user={user.id} ")
    fw.delete(other)
    completed(fw, other, files=3)
    fw.psql("users", "UPDATE users SET name = '7' WHERE id = %s", user.id)
    completed(fw, user, files=3)


FAULTY_FILES = ("SELECT id::text, CASE WHEN file_path LIKE '%/faulty' THEN (length(file_path) / 0)::text ELSE file_path END FROM user_files"
                " WHERE user_id = $1 AND deleted_at IS NULL AND ($2::bigint IS NULL OR id > $2::bigint) ORDER BY user_files.id LIMIT $3")
FAULTY_DONE = ("UPDATE user_files SET deleted_at = now() WHERE user_id = $1 AND id = ANY ($2::bigint[])"
               " AND CASE WHEN file_path LIKE '%/faulty' THEN length(file_path) / 0 ELSE 1 END = 1")


@pytest.mark.own_worker
@pytest.mark.parametrize("setting, sql", [("files_sql", FAULTY_FILES), ("files_done_sql", FAULTY_DONE)])
def test_rows_that_a_statement_fails_on_are_that_deletions_trouble(fw, setting, sql):
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"children": 1, setting: sql}})
    user = fw.make_user([f"{uuid.uuid4()}/faulty"])
    ask(fw, user)
    other = fw.make_user()
    ask(fw, other)
    completed(fw, other, files=3)
    row = fw.wait_status(user, "parked")
    assert f"worker.{setting}" in row["last_error"] and "22012" in row["last_error"] and row["attempts"] >= 3, row    # more if the other was late
    parked_message(fw, user)


def test_parked_once_though_the_request_can_not_be_told(fw):
    fw.purge(PARKED)
    fw.psql("users", "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$")
    fw.psql("users", "CREATE TRIGGER refuse BEFORE UPDATE ON farewell.request FOR EACH ROW WHEN (NEW.status = 'parked') EXECUTE FUNCTION refuse()")
    try:
        user = fw.make_user(["http://not/s3"])
        fw.delete(user)
        fw.wait_status(user, "parked")
        time.sleep(4)
        assert fw.stack.rabbit.queue(PARKED)[0] == 1
        assert [row["status"] for row in fw.ledger(user)] == ["parked"]
    finally:
        fw.psql("users", "DROP FUNCTION refuse CASCADE")
        fw.purge(PARKED)


def test_a_header_that_counts_too_far(fw):
    fw.purge(PARKED)
    user = fw.make_user(["http://not/s3"])
    fw.publish(message(user, commit_request(fw, user)), headers={"x-farewell-attempts": 2**31 - 1, "x-farewell-first-seen": 2**62})
    parked_message(fw, user)
    fw.wait_status(user, "parked")


@pytest.mark.own_worker
def test_rows_that_come_back_for_ever(fw, store):
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"s3_endpoint": store(deleted), "s3_versions": "current", "files_sql":
        "SELECT id::text, file_path FROM user_files WHERE user_id = $1 AND ($2::bigint IS NULL OR id > $2::bigint) ORDER BY user_files.id LIMIT $3"}})
    user = fw.make_user(put=False)
    ask(fw, user)
    row = fw.wait_status(user, "parked")
    assert "files_sql" in row["last_error"] and row["files_deleted"] == 3
    parked_message(fw, user)


@pytest.mark.own_worker
def test_one_object_does_not_hold_up_the_pages_behind_it(fw, store):
    gone = set()

    def reply(keys):
        gone.update(key for key in keys if not key.endswith("stuck"))
        return deleted([k for k in keys if not k.endswith("stuck")], [(k, "InternalError") for k in keys if k.endswith("stuck")])
    fw.stack.worker.configure({"worker": {"s3_endpoint": store(reply), "s3_versions": "current", "files_page": 2}})
    user = fw.make_user([f"a/{n}" for n in ("stuck", "1", "2", "3", "4")], put=False)
    ask(fw, user)
    row = fw.wait_status(user, "retrying")
    assert gone == {"a/1", "a/2", "a/3", "a/4"} and row["files_deleted"] == 4


@pytest.mark.own_worker
def test_ids_are_read_in_the_order_of_numbers(fw, store):
    """In that of text, 100 is before 99, and one pass, which is all that there is when a row can't be fixed, would leave rows out."""
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"s3_endpoint": store(deleted), "s3_versions": "current", "files_page": 2}})
    user = fw.make_user(0)
    edge = 10 ** 9  # nobody's: the sequence never gets there
    fw.psql("worker", "INSERT INTO user_files (id, user_id, file_path)"
            " SELECT %s + n, %s, CASE n WHEN 5 THEN 'nothing' ELSE 's3://some-bucket/' || n END FROM generate_series(-10, 10) n", edge, user.id)
    ask(fw, user)
    row = fw.wait_status(user, "parked")
    assert row["files_deleted"] == 20 and f"file row {edge + 5}:" in row["last_error"]
    parked_message(fw, user)
    fw.psql("worker", "DELETE FROM user_files WHERE user_id = %s", user.id)  # for who runs it once more


@pytest.mark.own_worker
def test_a_row_id_of_wide_characters(fw):
    """A sentence that shows it is cut between two characters; half a one no database takes."""
    fw.purge(PARKED)
    fw.psql("worker", "CREATE TABLE text_files (id text PRIMARY KEY, user_id bigint, path text)")
    try:
        fw.stack.worker.configure({"worker": {
            "files_sql": "SELECT id, path FROM text_files WHERE user_id = $1 AND ($2::text IS NULL OR id > $2) ORDER BY id LIMIT $3",
            "files_done_sql": "DELETE FROM text_files WHERE user_id = $1 AND id = ANY ($2::text[])"}})
        user = fw.make_user(0)
        fw.psql("worker", "INSERT INTO text_files VALUES (%s, %s, 'nothing')", "x" + "사" * 40, user.id)
        ask(fw, user)
        assert "사" in fw.wait_status(user, "parked")["last_error"]
    finally:
        fw.psql("worker", "DROP TABLE text_files")
        fw.purge(PARKED)


@pytest.mark.own_worker
def test_restored_while_a_worker_is_at_it(fw, store):
    """Too late by the rules; but what is left stays, and nobody is told that the account is gone."""
    asked, go_on = [], threading.Event()

    def reply(keys):
        asked.extend(keys)
        go_on.wait(PATIENCE)
        return deleted(keys)
    fw.stack.worker.configure({"worker": {"s3_endpoint": store(reply), "s3_versions": "current", "files_page": 1}})
    user = fw.make_user(["b/1", "b/2", "b/3"], put=False)
    deletion_id = ask(fw, user)
    fw.wait_until(lambda: asked, what="the first batch")
    fw.psql("users", "UPDATE users SET deleted_at = NULL WHERE id = %s", user.id)
    fw.publish(message(user, deletion_id))
    said(fw, "another worker has this deletion in hand", deletion_id)
    go_on.set()
    fw.wait_status(user, "cancelled")
    fw.wait_finished(user)
    assert asked == ["b/1"] and fw.mails(user) == [] and fw.requests(user)[0]["status"] == "cancelled"


@pytest.mark.own_worker
def test_the_users_row_vanishes_while_a_worker_is_at_it(fw, store):
    """An empty answer of the lock statement is no leave to go on, also not for a job that has begun."""
    asked, go_on = [], threading.Event()

    def reply(keys):
        asked.extend(keys)
        go_on.wait(20)
        return deleted(keys)
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"s3_endpoint": store(reply), "s3_versions": "current", "files_page": 1}})
    user = fw.make_user(["c/1", "c/2", "c/3"], put=False)
    ask(fw, user)
    fw.wait_until(lambda: asked, what="the first batch")
    fw.psql("users", "DELETE FROM users WHERE id = %s", user.id)
    go_on.set()
    assert "worker.absent_user" in fw.wait_status(user, "parked")["last_error"]
    assert asked == ["c/1"] and fw.mails(user) == []
    parked_message(fw, user)
