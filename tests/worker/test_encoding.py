"""Databases that can't store every character: an error's text is stored without them, and ids that may have them are refused."""
import pytest

from tools.jobs import QUEUE, said

pytestmark = pytest.mark.outage

EX_CONFIG = 78
LATIN = "latin_db"
QUICK = {"reconcile_after": "1s", "reconcile_every": "300ms", "children": 1}
BROKEN = """CREATE FUNCTION broken() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
            RAISE '없는 사용자 in %', current_database(); END $$"""


def pair(fw, ledgers, lineages):
    """What the user database remembers of its ledger, and the ledger of its user database: one row, or none."""
    fw.psql("users", "DELETE FROM farewell.pairing")
    fw.psql("worker", "DELETE FROM farewell.lineage")
    for row in ledgers:
        fw.psql("users", "INSERT INTO farewell.pairing (ledger_id) VALUES (%s)", row["ledger_id"])
    for row in lineages:
        fw.psql("worker", "INSERT INTO farewell.lineage (lineage) VALUES (%s)", row["lineage"])


@pytest.fixture
def latin(fw):
    """The libpq string of a database in LATIN1, with the tables of both."""
    postgres = fw.stack.postgres
    conninfo = postgres.conninfo("users").replace("users_db", LATIN)
    postgres.admin(f"DROP DATABASE IF EXISTS {LATIN} WITH (FORCE)")
    postgres.admin(f"CREATE DATABASE {LATIN} OWNER farewell TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    for kind, sample in (("user", "users"), ("worker", "user_files")):
        with open(fw.stack.place.path("db", "sample", sample + ".sql"), encoding="utf-8") as f:
            postgres.admin("SET ROLE farewell; " + f.read(), database=LATIN)
        fw.stack.place.run([fw.stack.place.path("db", "migrate"), kind, postgres.conninfo("users", local=True).replace("users_db", LATIN)])
    paired = fw.psql("users", "SELECT ledger_id FROM farewell.pairing"), fw.psql("worker", "SELECT lineage FROM farewell.lineage")
    fw.stack.worker.stop()
    # Each of the stack's two databases gets this one for its other one, on purpose.
    pair(fw, postgres.admin("SELECT ledger_id FROM farewell.ledger", database=LATIN), [])
    yield conninfo
    fw.stack.worker.stop()
    for which in ("users", "worker"):
        fw.psql(which, "DROP FUNCTION IF EXISTS broken()")
    pair(fw, *paired)


@pytest.mark.own_worker
def test_a_ledger_that_cant_store_the_error(fw, latin):
    """The user database, in UTF-8, refuses with a text that the ledger's can't store: it is counted all the same."""
    fw.psql("users", BROKEN)
    fw.stack.worker.configure({"worker": {**QUICK, "worker_db": latin,
                                          "user_contact_sql": "SELECT email, name, locale FROM users WHERE id = $1 AND broken()"}})
    user = fw.make_user(files=0)
    assert fw.delete(user).status == 200

    def row():
        found = fw.stack.postgres.admin("SELECT * FROM farewell.deletion WHERE user_id = %s", str(user), database=LATIN)
        return found and found[0]["attempts"] >= 2 and found[0]
    found = fw.wait_until(row, what="two attempts to be counted")
    assert "?? ??? in users_db (SQLSTATE P0001)" in found["last_error"], found
    request = fw.wait_until(lambda: (r := fw.requests(user)[0])["attempts"] >= 2 and r, what="the request to hear of it")
    assert "?? ??? in users_db" in request["last_error"]
    said(fw, "없는 사용자 in users_db", user)


@pytest.mark.own_worker
def test_a_request_that_cant_store_the_error(fw, latin, more_gateway):
    """The other way round: the request hears of the ledger's state, with a text of ASCII."""
    fw.psql("worker", BROKEN)
    # The one worker: two with one ledger and two user databases would each take the other's requests for lost.
    fw.stack.worker.configure({"worker": {**QUICK, "user_db": latin, "files_sql": "SELECT id::text, file_path FROM user_files"
                               " WHERE user_id = $1 AND ($2::bigint IS NULL OR id > $2::bigint) AND broken() ORDER BY id LIMIT $3"}})
    app = fw.at(more_gateway({"gateway": {"user_db": latin, "children": 1}}))
    user_id, = fw.stack.postgres.admin("INSERT INTO users (email) VALUES (NULL) RETURNING id", database=LATIN)[0].values()
    fw.psql("worker", "INSERT INTO user_files (user_id, file_path) VALUES (%s, 's3://a/b')", user_id)
    try:
        assert app.delete(user_id).status == 200
        answer = app.wait_until(lambda: (a := app.get(user_id).json())["attempts"] >= 2 and a, what="GET to say two attempts")
        assert answer["status"] == "retrying", answer
        error = fw.stack.postgres.admin("SELECT last_error FROM farewell.request WHERE user_id = %s", str(user_id), database=LATIN)
        assert "?? ??? in worker_db" in error[0]["last_error"]
        # Another test's user may have the same id in the other database.
        assert any("없는 사용자 in worker_db" in (row["last_error"] or "") for row in fw.ledger(user_id))
    finally:
        fw.psql("worker", "DELETE FROM user_files WHERE user_id = %s", user_id)
        fw.psql("worker", "DELETE FROM farewell.deletion WHERE user_id = %s", str(user_id))
        fw.purge(QUEUE)


def test_ids_of_text_want_one_encoding(fw, latin, more_worker):
    text = {"common": {"id_format": "text"}}
    cases = [({"worker_db": latin}, "text", False), ({"user_db": latin}, "text", True), ({"user_db": latin, "worker_db": latin}, "text", True),
             ({"worker_db": latin}, "integer", True)]
    for databases, id_format, good in cases:
        worker = more_worker({"common": {"id_format": id_format}, "worker": databases}, start=False)
        code, output = worker.check()
        assert (code == 0) == good, output
        if good:
            continue
        assert code == EX_CONFIG
        line = next(x for x in output.splitlines() if "encoding" in x)
        assert all(w in line for w in ("worker.worker_db", "LATIN1", "worker.user_db", "UTF8", "common.id_format = text")), line
    worker = more_worker({**text, "worker": {"worker_db": latin}}, start=False)
    worker.start(wait=False)
    fw.wait_until(lambda: not worker.running, what="the start to be refused")
    assert "common.id_format = text" in worker.log_text()
