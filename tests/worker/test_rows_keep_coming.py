"""Rows that are inserted as fast as they are done: progress without end is handed over, bounded, and then parked."""
import pytest

from stack.client import PARKED, QUEUE
from tools.jobs import ask, completed, log_lines, parked_message, quiet

pytestmark = pytest.mark.own_worker


@pytest.fixture
def trigger(fw):
    """A row is inserted for each that is done, for the users whose name says so."""
    fw.purge(PARKED)
    fw.psql("worker", "CREATE FUNCTION one_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO user_files (user_id, file_path)"
            f" VALUES (NEW.user_id, 's3://{fw.bucket}/endless/' || clock_timestamp()); RETURN NULL; END $$")
    yield lambda user: fw.psql("worker", f"CREATE TRIGGER one_more_{user.id} AFTER UPDATE ON user_files FOR EACH ROW"
                               f" WHEN (NEW.user_id = {user.id} AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION one_more()")
    fw.psql("worker", "DROP FUNCTION IF EXISTS one_more CASCADE")
    fw.purge(PARKED)


def test_rows_that_keep_coming(fw, trigger):
    fw.stack.worker.configure({"worker": {"children": 1, "handover_after": "1s", "park_after": "4s"}})
    user = fw.make_user()
    trigger(user)
    deletion_id = ask(fw, user)
    fw.wait_until(lambda: fw.ledger(user) and fw.ledger(user)[0]["turn"] >= 2, what="a hand-over")
    other = fw.make_user()  # gets his turn between the continuations
    ask(fw, other)
    completed(fw, other, files=3)
    row = fw.wait_status(user, "parked")
    assert "rows keep coming" in row["last_error"] and "worker.files_sql" in row["last_error"] and "trigger" in row["last_error"]
    assert row["files_deleted"] > 6 and row["turn"] >= 3 and row["passed_at"] is not None, row
    assert fw.objects_of(user) == [] and fw.mails(user) == []
    assert log_lines(fw.stack.worker, "handed over after", deletion_id)

    # Moved back while they still come, it has park_after again; without the trigger it completes.
    fw.psql("worker", "DROP FUNCTION one_more CASCADE")
    _, body = parked_message(fw, user)
    fw.publish(body, queue=QUEUE)
    completed(fw, user)
    quiet(fw)


def test_rows_that_come_for_a_while_are_no_reason(fw):
    """A whole pass, rows after it, and another pass within park_after: nobody is parked."""
    fw.stack.worker.configure({"worker": {"children": 1}})
    user = fw.make_user(files=2)
    fw.psql("worker", "CREATE FUNCTION some_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO user_files (user_id, file_path)"
            f" SELECT NEW.user_id, 's3://{fw.bucket}/late/' || n FROM generate_series(1, 3) n; RETURN NULL; END $$")
    fw.psql("worker", f"CREATE TRIGGER some_more AFTER UPDATE ON user_files FOR EACH ROW WHEN (NEW.user_id = {user.id}"
            f" AND NEW.file_path LIKE '%%/{user.keys[1]}') EXECUTE FUNCTION some_more()")
    try:
        ask(fw, user)
        row = completed(fw, user, files=5)
        assert row["turn"] == 1 and row["passed_at"] is not None
    finally:
        fw.psql("worker", "DROP FUNCTION some_more CASCADE")
    quiet(fw)
