"""An application's own tables: other names, uuid and text ids, rows removed instead of marked, both databases in one."""
import uuid

import pytest

from tools.jobs import together

DATABASE = "adopted_db"
TABLES = """
CREATE TABLE accounts (uid uuid PRIMARY KEY, removed_at timestamp(3), mail text, full_name text, lang text);
CREATE TABLE documents (doc_id uuid PRIMARY KEY, owner uuid NOT NULL, url text);
CREATE TABLE members (handle text PRIMARY KEY, gone timestamptz(0), contact jsonb);
CREATE TABLE uploads (no bigserial PRIMARY KEY, handle text NOT NULL, bucket text, object text, gone boolean NOT NULL DEFAULT false);
GRANT ALL ON ALL TABLES IN SCHEMA public TO farewell; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO farewell;
"""
UUID_IDS = {
    "common": {"id_format": "uuid"},
    "gateway": {
        "lock_user_sql": "SELECT uid::text, removed_at::text FROM accounts WHERE uid = $1 FOR NO KEY UPDATE",
        "mark_user_sql": "UPDATE accounts SET removed_at = now() WHERE uid = $1 AND removed_at IS NULL RETURNING removed_at::text",
    },
    "worker": {
        "lock_user_sql": "SELECT uid::text, removed_at::text FROM accounts WHERE uid = $1 FOR SHARE",
        "user_contact_sql": "SELECT mail, full_name, lang FROM accounts WHERE uid = $1",
        "files_sql": "SELECT doc_id::text, url FROM documents WHERE owner = $1 AND ($2::uuid IS NULL OR doc_id > $2::uuid)"
                     " ORDER BY documents.doc_id LIMIT $3",
        "files_done_sql": "DELETE FROM documents WHERE owner = $1 AND doc_id = ANY ($2::uuid[])",
        "files_page": 2,
    },
}
TEXT_IDS = {
    "common": {"id_format": "text"},
    "gateway": {
        "lock_user_sql": "SELECT handle, gone::text FROM members WHERE handle = $1 FOR NO KEY UPDATE",
        "mark_user_sql": "UPDATE members SET gone = now() WHERE handle = $1 AND gone IS NULL RETURNING gone::text",
    },
    "worker": {
        "lock_user_sql": "SELECT handle, gone::text FROM members WHERE handle = $1 FOR SHARE",
        "user_contact_sql": "SELECT contact->>'mail', contact->>'name', NULL FROM members WHERE handle = $1",
        "files_sql": "SELECT no::text, 's3://' || bucket || '/' || object FROM uploads WHERE handle = $1 AND NOT gone"
                     " AND ($2::bigint IS NULL OR no > $2::bigint) ORDER BY uploads.no LIMIT $3",
        "files_done_sql": "UPDATE uploads SET gone = true WHERE handle = $1 AND no = ANY ($2::bigint[])",
    },
}


@pytest.fixture
def sql(fw):
    """Runs SQL in a database that is both user DB and worker DB, with the application's tables in it."""
    postgres = fw.stack.postgres
    postgres.admin(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    postgres.admin(f"CREATE DATABASE {DATABASE} OWNER farewell")
    postgres.admin(TABLES, database=DATABASE)
    for _ in range(2):  # the second time without harm
        for kind in ("user", "worker"):
            fw.stack.place.run([fw.stack.place.path("db", "migrate"), kind, postgres.conninfo("users", local=True).replace("users_db", DATABASE)])
    yield lambda text, *params: postgres.admin(text, *params, database=DATABASE)


@pytest.fixture
def install(fw, sql, more_gateway, more_worker):
    """A gateway and a worker with these settings and queues of their own; gives the words to talk to them."""
    def start(name, settings):
        conninfo = fw.stack.postgres.conninfo("users").replace("users_db", DATABASE)
        own = {
            "common": {**settings["common"], "exchange": f"{name}.x", "queue": f"{name}.deletions", "parked_queue": f"{name}.parked",
                       "retry_queue_prefix": f"{name}.retry"},
            "gateway": {**settings["gateway"], "user_db": conninfo, "children": 1},
            "worker": {**settings["worker"], "user_db": conninfo, "worker_db": conninfo, "children": 1},
        }
        more_worker(own)
        return fw.at(more_gateway(own))
    return start


def test_other_tables_other_ids_one_database(fw, sql, install):
    s3 = fw.stack.s3

    def put(*keys):
        for key in keys:
            s3.put(fw.bucket, key)

    def finished(user_id):
        return fw.wait_until(lambda: (r := sql("SELECT r.*, d.status AS ledger, d.files_deleted AS files FROM farewell.request r"
                                               " JOIN farewell.deletion d USING (deletion_id) WHERE r.user_id = %s AND r.finished_at"
                                               " IS NOT NULL", user_id)) and r[0], what=f"{user_id} to be finished")

    def uuid_ids(app):
        user, other = str(uuid.uuid4()), str(uuid.uuid4())
        put(*(f"{owner}/{i}" for owner in (user, other) for i in range(5)))
        for owner in (user, other):
            sql("INSERT INTO accounts VALUES (%s, NULL, %s, 'Ada', 'de')", owner, f"{owner}@example.test")
            for i in range(5):
                sql("INSERT INTO documents VALUES (%s, %s, %s)", str(uuid.uuid4()), owner, f"s3://{fw.bucket}/{owner}/{i}")
        answer = app.delete(user.upper(), token=app.token(user))
        assert answer.status == 200 and app.delete(user).json()["deletionId"] == answer.json()["deletionId"]
        row = finished(user)
        assert (row["status"], row["ledger"], row["files"], row["mail"]) == ("completed", "completed", 5, "sent")
        assert sql("SELECT count(*) AS n FROM documents WHERE owner = %s", user)[0]["n"] == 0, "the rows were to be removed"
        assert sql("SELECT count(*) AS n FROM documents WHERE owner = %s", other)[0]["n"] == 5
        assert fw.objects(prefix=user) == [] and len(fw.objects(prefix=other)) == 5
        mail, = fw.mails(f"{user}@example.test")
        assert mail["Subject"] == "Ihr Konto wurde gelöscht"
        assert sql("SELECT removed_at FROM accounts WHERE uid = %s", user)[0]["removed_at"] is not None
        assert app.delete(other.replace("-", "")).status == 400

    def text_ids(app):
        user, other = "O'Brien; DROP {x} 김", "o'brien"
        run = uuid.uuid4().hex
        put(f"{run}/a", f"{run}/b c", f"{run}/other")
        for handle, address in ((user, f"{run}@example.test"), (other, None)):
            sql("INSERT INTO members VALUES (%s, NULL, jsonb_build_object('mail', %s::text, 'name', 'Pat'))", handle, address)
        for handle, key in ((user, f"{run}/a"), (user, f"{run}/b c"), (user, None), (other, f"{run}/other")):
            sql("INSERT INTO uploads (handle, bucket, object) VALUES (%s, %s, %s)", handle, fw.bucket, key)
        target = "/users/" + "".join(f"%{b:02X}" for b in user.encode())
        assert app.request("DELETE", target, {"Authorization": "Bearer " + app.token(user)}).status == 200
        row = fw.wait_until(lambda: (r := sql("SELECT * FROM farewell.deletion WHERE user_id = %s", user)) and r[0]["status"] == "parked"
                            and r[0], what="the row without a path to be parked")
        assert "the path is null" in row["last_error"] and row["files_deleted"] == 2
        sql("DELETE FROM uploads WHERE object IS NULL")
        _, properties, body = app.take_message("texts.parked")
        assert properties.headers["x-farewell-reason"] == row["last_error"]
        app.publish(body, queue="texts.deletions")
        row = finished(user)
        assert (row["status"], row["files"], row["mail"]) == ("completed", 2, "sent")
        assert fw.objects(prefix=run) == [f"{run}/other"]
        mail, = fw.mails(f"{run}@example.test")
        assert "Pat" in mail.get_body(("plain",)).get_content()
        assert sql("SELECT gone FROM members WHERE handle = %s", other)[0]["gone"] is None

    uuids, texts = install("uuids", UUID_IDS), install("texts", TEXT_IDS)
    together(lambda: uuid_ids(uuids), lambda: text_ids(texts))
    assert sql("SELECT count(*) FROM farewell.pairing p JOIN farewell.ledger l USING (ledger_id)") == [{"count": 1}]


@pytest.mark.own_worker
def test_rows_removed_in_the_shipped_schema(fw):
    fw.stack.worker.configure({"worker": {"files_done_sql": "DELETE FROM user_files WHERE user_id = $1 AND id = ANY ($2::bigint[])"}})
    user, other = fw.make_user(), fw.make_user()
    fw.delete(user)
    row = fw.wait_status(user)
    assert row["files_deleted"] == 3 and fw.objects_of(user) == [] and len(fw.mails(user)) == 1
    assert fw.value("worker", "SELECT count(*) FROM user_files WHERE user_id = %s", user.id) == 0
    assert fw.value("worker", "SELECT count(*) FROM user_files WHERE user_id = %s", other.id) == 3


@pytest.mark.own_worker
def test_a_statement_that_marks_nothing_is_found_out(fw):
    """It would find the same rows for ever."""
    fw.stack.worker.configure({"worker": {
        "files_done_sql": "UPDATE user_files SET deleted_at = now() WHERE user_id = $1 AND id = ANY ($2::bigint[]) AND false"}})
    user = fw.make_user()
    fw.delete(user)
    row = fw.wait_status(user, "parked")
    assert "worker.files_done_sql changed no row" in row["last_error"]
    assert fw.mails(user) == []
    fw.purge("farewell.parked")
    fw.psql("users", "DELETE FROM farewell.request WHERE user_id = %s", str(user))
