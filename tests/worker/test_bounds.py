"""Rows from before a migration, or edited by hand, that could not be counted on from: they are put right, and refused from then on."""
import psycopg2
import pytest

from tools.jobs import commit_request, completed, message

DATABASE = "bounds_db"
EDITS = ["version = 9223372036854775807", "reported = -1", "turn = 2147483647", "failing_since = 'infinity'", "cause_since = '-infinity'",
         "passed_at = 'infinity'", "turned_at = 'infinity'", "next_attempt_at = 'infinity'", "sending_since = 'infinity'"]
ROW = ("INSERT INTO farewell.deletion (deletion_id, user_id, mail, mails, updated_at)"
       " VALUES (gen_random_uuid(), %s, 'sending', 1, '2020-01-01')")


def test_a_mail_marked_before_it_was_noted_when(fw):
    """It is long ago, and decided upon like any mail whose sender has died."""
    user = fw.make_user()
    deletion_id = commit_request(fw, user)
    fw.psql("worker", "INSERT INTO farewell.deletion (deletion_id, user_id, status, mail, mails, sending_since)"
            " VALUES (%s, %s, 'retrying', 'sending', 1, NULL)", deletion_id, str(user))
    fw.publish(message(user, deletion_id))
    row = completed(fw, user, files=3)
    assert row["mails"] == 2


def test_the_migration_puts_right_what_is_there(fw):
    postgres = fw.stack.postgres

    def sql(text, *params):
        return postgres.admin(text, *params, database=DATABASE)

    def migrate():
        conninfo = postgres.conninfo("worker", local=True).replace("worker_db", DATABASE)
        fw.stack.place.run([fw.stack.place.path("db", "migrate"), "worker", conninfo])
    postgres.admin(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    postgres.admin(f"CREATE DATABASE {DATABASE} OWNER farewell")
    migrate()
    for name, in [r.values() for r in sql("SELECT conname FROM pg_constraint WHERE conrelid = 'farewell.deletion'::regclass AND conname IN"
                                          " ('deletion_version', 'deletion_turn', 'deletion_times')")]:
        sql(f"ALTER TABLE farewell.deletion DROP CONSTRAINT {name}")
    sql("DELETE FROM farewell.migration WHERE name = 'worker/0004_bounds'")
    for edit in EDITS + ["user_id = 'good'"]:
        sql(ROW, edit)
        sql(f"UPDATE farewell.deletion SET {edit} WHERE user_id = %s", edit)
    migrate()
    rows = {r["user_id"]: r for r in sql("SELECT *, sending_since = '2020-01-01' AS long_ago FROM farewell.deletion")}
    assert len(rows) == len(EDITS) + 1
    assert all(r["long_ago"] for r in rows.values())
    assert (rows[EDITS[0]]["version"], rows[EDITS[0]]["reported"], rows[EDITS[2]]["turn"]) == (1, 0, 1)
    for edit in EDITS:
        with pytest.raises(psycopg2.errors.CheckViolation):
            sql(f"UPDATE farewell.deletion SET {edit} WHERE user_id = 'good'")
