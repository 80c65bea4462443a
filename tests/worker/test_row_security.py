"""Row-level security that hides file rows from the worker: a query that a policy would filter is refused, never taken for "no files"."""
import pytest

from stack.client import PARKED
from tools.jobs import ask, completed, quiet, untouched

EX_CONFIG = 78
FILES = ("SELECT id::text, file_path FROM secured_files WHERE user_id = $1 AND deleted_at IS NULL AND ($2::bigint IS NULL OR id > $2::bigint)"
         " ORDER BY secured_files.id LIMIT $3")
DONE = "UPDATE secured_files SET deleted_at = now() WHERE user_id = $1 AND id = ANY ($2::bigint[])"
HIDE = "CREATE POLICY tenants ON secured_files USING (user_id = current_setting('app.tenant', true)::bigint)"
WORDS = ("worker.files_sql", "row-level security", "secured_files", "BYPASSRLS")
OWN = {name: f"row-security.{name}" for name in ("exchange", "queue", "parked_queue", "retry_queue_prefix")}


@pytest.fixture
def table(fw):
    """secured_files, which somebody else owns; a function that runs SQL on it as the superuser."""
    fw.purge(PARKED)

    def admin(sql):
        fw.stack.postgres.admin(sql, database="worker_db")
    admin("DROP TABLE IF EXISTS secured_files CASCADE; CREATE TABLE secured_files (LIKE user_files INCLUDING ALL); GRANT ALL ON secured_files TO farewell")
    yield admin
    fw.stack.worker.stop()
    admin("ALTER ROLE farewell NOBYPASSRLS; DROP TABLE secured_files CASCADE")
    fw.purge(PARKED)


@pytest.fixture
def check(more_worker):
    """The worst -t finds: (exit code, output)."""
    return lambda **worker: more_worker({"worker": {"files_sql": FILES, "files_done_sql": DONE, **worker}}, start=False).check()


def give(fw, table, user):
    for key in user.keys:
        table(f"INSERT INTO secured_files (user_id, file_path) VALUES ({user.id}, 's3://{fw.bucket}/{key}')")


def made_user(fw, table):
    """A user whose files' rows are in that table."""
    user = fw.make_user()
    fw.psql("worker", "DELETE FROM user_files WHERE user_id = %s", user.id)
    give(fw, table, user)
    return user


REFUSED = {
    "a policy": "ALTER TABLE secured_files ENABLE ROW LEVEL SECURITY; " + HIDE,
    "no policy": "ALTER TABLE secured_files ENABLE ROW LEVEL SECURITY",
    "a policy that shows everything": "ALTER TABLE secured_files ENABLE ROW LEVEL SECURITY; CREATE POLICY everything ON secured_files USING (true)",
    "the owner, forced": "ALTER TABLE secured_files OWNER TO farewell; ALTER TABLE secured_files ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; " + HIDE,
}


@pytest.mark.parametrize("how", REFUSED)
def test_the_check_names_it(table, check, how):
    table(REFUSED[how])
    code, output = check()
    assert code == EX_CONFIG, output
    line = next((x for x in output.splitlines() if "row-level security" in x), "")
    assert all(words in line for words in WORDS), output


def test_the_check_names_the_other_statements(table, check):
    table(REFUSED["a policy"])
    plain = "SELECT id::text, file_path FROM user_files WHERE user_id = $1 AND $2::text IS NULL LIMIT $3"
    for setting, more in (("files_done_sql", {}), ("prefixes_sql", {"files_done_sql": "UPDATE user_files SET deleted_at = now() WHERE user_id = $1 AND id = ANY ($2::bigint[])",
                                                                     "prefixes_sql": "SELECT file_path FROM secured_files WHERE user_id = $1"})):
        code, output = check(files_sql=plain, **more)
        line = next((x for x in output.splitlines() if "row-level security" in x), "")
        assert code == EX_CONFIG and f"worker.{setting}" in line and "BYPASSRLS" in line, output


VIEW = "CREATE VIEW seen_files AS SELECT * FROM secured_files; GRANT ALL ON seen_files TO farewell"
GOOD = {
    "the owner": ("ALTER TABLE secured_files OWNER TO farewell; ALTER TABLE secured_files ENABLE ROW LEVEL SECURITY; " + HIDE, "secured_files"),
    "BYPASSRLS": (REFUSED["a policy"] + "; ALTER ROLE farewell BYPASSRLS", "secured_files"),
    "a view of the owner's": (REFUSED["a policy"] + "; " + VIEW, "seen_files"),
}


@pytest.mark.own_worker
@pytest.mark.parametrize("how", GOOD)
def test_who_sees_all_rows_is_served(fw, table, check, how):
    sql, name = GOOD[how]
    table(sql)
    settings = {"files_sql": FILES.replace("secured_files", name), "files_done_sql": DONE.replace("secured_files", name)}
    code, output = check(**settings)
    assert code == 0, output
    user = made_user(fw, table)
    fw.stack.worker.configure({"worker": settings})
    ask(fw, user)
    completed(fw, user, files=3)
    quiet(fw)


def test_at_the_start(fw, table, more_worker):
    """It serves nobody, says why, and begins when the role sees all rows."""
    table(REFUSED["a policy"])
    worker = more_worker({"common": OWN, "worker": {"children": 1, "files_sql": FILES, "files_done_sql": DONE}}, start=False)
    before = len(worker.log_text())
    try:
        worker.start(wait=False)
        fw.wait_until(lambda: worker.log_text()[before:].count("BYPASSRLS") >= 2 or not worker.running, what="the start to be refused")
        assert worker.running and all(words in worker.log_text()[before:] for words in WORDS)
        table("ALTER ROLE farewell BYPASSRLS")
        worker.wait_ready()
    finally:
        worker.stop()


@pytest.mark.own_worker
def test_under_a_running_worker(fw, table):
    """A policy comes while it runs: nothing is completed, and nobody is charged for it; gone, all is deleted."""
    first = made_user(fw, table)
    fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no", "files_sql": FILES, "files_done_sql": DONE}})
    ask(fw, first)
    completed(fw, first, files=3)
    table(REFUSED["a policy"])
    user, before = made_user(fw, table), len(fw.stack.worker.log_text())
    ask(fw, user)
    fw.wait_until(lambda: "BYPASSRLS" in fw.stack.worker.log_text()[before:] or fw.mails(user), what="the worker to meet the policy")
    untouched(fw, user)
    assert all(row["status"] != "completed" for row in fw.ledger(user))
    table("ALTER TABLE secured_files DISABLE ROW LEVEL SECURITY")
    completed(fw, user, files=3)
    quiet(fw)
