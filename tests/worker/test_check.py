"""farewell-workerd -t, and a start with the same mistakes: what is wrong is named, and the exit code is 78."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.jobs import at_port

EX_CONFIG = 78
SQL = {
    "lock_user_sql": {
        "SELEC id FROM users WHERE id = $1": "syntax error",
        "SELECT id::text, deleted_at::text FROM nobodys WHERE id = $1 FOR SHARE": "nobodys",
        "SELECT id::text, deleted_at::text FROM users WHERE id = 1 FOR SHARE": "takes 0 parameters, it must take 1",
        "SELECT id::text, deleted_at::text FROM users WHERE id = $1 AND name = $2 FOR SHARE": "takes 2 parameters",
        "SELECT id::text FROM users WHERE id = $1 FOR SHARE": "returns 1 column, it must return 2",
        "SELECT id::text, deleted_at::text FROM users WHERE id = $1": "locks no row",
        "SELECT id::text, deleted_at::text FROM users WHERE id = $1 AND deleted_at IS NOT NULL FOR SHARE": "deleted_at IS NOT NULL",
        "SELECT id::text, deleted_at::text FROM users WHERE id = $1 FOR SHARE SKIP LOCKED": "SKIP LOCKED",
        "SELECT id::text, deleted_at::text FROM users WHERE id = $1 FOR SHARE NOWAIT": "NOWAIT",
        "SELECT id::text, deleted_at::text FROM users WHERE id = $1 FOR KEY SHARE": "FOR KEY SHARE",
    },
    "user_contact_sql": {
        "SELECT email, name FROM users WHERE id = $1": "returns 2 columns, it must return 3",
        "SELECT email, name, local FROM users WHERE id = $1": "local",
        "DELETE FROM users": "takes 0 parameters",
    },
    "files_sql": {
        "SELECT id::text, file_path FROM user_files WHERE user_id = $1 ORDER BY id LIMIT $2": "takes 2 parameters, it must take 3",
        "SELECT id::text FROM user_files WHERE user_id = $1 AND id > $2::bigint LIMIT $3": "returns 1 column",
        "SELECT 1; SELECT 2": "multiple commands",
    },
    "files_done_sql": {
        "UPDATE user_files SET deleted_at = now() WHERE user_id = $1": "takes 1 parameter, it must take 2",
        "UPDATE user_file SET deleted_at = now() WHERE user_id = $1 AND id = ANY ($2::bigint[])": "user_file",
    },
}


@pytest.fixture
def check_all(fw, more_worker):
    """Runs -t with each of the overrides, several at a time: [(exit code, output)]."""
    def run(overrides):
        workers = [more_worker(o, start=False) for o in overrides]
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda worker: worker.check(), workers))
    return run


def test_all_is_well(fw, check_all):
    for code, output in check_all([{}, {"common": {"log_level": "error"}}]):
        assert code == 0 and "configuration, SQL and connections are good" in output


def test_each_statement_is_checked_and_named(fw, check_all):
    cases = [(setting, sql, words) for setting, some in SQL.items() for sql, words in some.items()]
    for (setting, sql, words), (code, output) in zip(cases, check_all([{"worker": {s: q}} for s, q, _ in cases])):
        assert code == EX_CONFIG, (sql, output)
        line = next((x for x in output.splitlines() if f"worker.{setting}" in x), "")
        assert words in line, (sql, output)


def test_each_server_is_looked_at(fw, check_all):
    stack = fw.stack
    closed = fw.stack.place.port("closed")
    wrong = stack.secret_file("wrong", "not the password")
    cases = {
        "password authentication failed": {"user_db_password_file": wrong},
        "worker.worker_db": {"worker_db": at_port(stack.postgres.conninfo("worker"), closed)},
        "does not exist": {"worker_db": stack.postgres.conninfo("worker").replace("worker_db", "no_such_db")},
        "SignatureDoesNotMatch": {"s3_secret_key_file": wrong},
        "InvalidAccessKeyId": {"s3_access_key": "NOBODY"},
        f"{closed}": {"s3_endpoint": f"http://127.0.0.1:{closed}"},
        "mail server": {"smtp_url": f"smtp://127.0.0.1:{closed}"},
        "smtp_ca_file": {"smtp_starttls": "required"},
        "broker: can't connect": {"broker": at_port(stack.rabbit.url, closed)},
        "user, password and virtual host": {"broker_password_file": wrong},
    }
    for words, (code, output) in zip(cases, check_all([{"worker": w} for w in cases.values()])):
        assert code == EX_CONFIG, (words, output)
        assert words in output, output


def test_everything_wrong_is_said_at_once(fw, check_all):
    closed = fw.stack.place.port("closed")
    (code, output), = check_all([{"worker": {
        "s3_endpoint": f"http://127.0.0.1:{closed}", "smtp_url": f"smtp://127.0.0.1:{closed}", "broker": f"amqp://farewell@127.0.0.1:{closed}/",
        "user_db": at_port(fw.stack.postgres.conninfo("users"), closed), "files_done_sql": "SELECT 1"}}])
    assert code == EX_CONFIG
    for words in ("worker.user_db", "worker.files_done_sql", "broker:", "mail server", "store"):
        assert words in output, output
    assert output.splitlines()[-1].endswith("not good: user_db, worker_db, broker, object store or mail; see above")


def test_a_mistake_in_the_mail_hides_nothing_else(fw, check_all):
    (code, output), = check_all([{"worker": {"mail_templates": "/no/such/directory", "files_done_sql": "SELECT 1"}}])
    assert code == EX_CONFIG and "/no/such/directory" in output and "worker.files_done_sql" in output


def test_a_start_with_a_mistake_ends_with_78(fw, more_worker):
    started = [more_worker({"worker": w}, start=False) for w in (
        {"lock_user_sql": "SELECT id::text, deleted_at::text FROM users WHERE id = $1"},
        {"files_done_sql": "SELECT 1"},
        {"s3_secret_key_file": "/no/such/file"},
        {"mail_templates": "/no/such/directory"})]
    for worker in started:
        worker.start(wait=False)
    for worker, words in zip(started, ("worker.lock_user_sql", "worker.files_done_sql", "worker.s3_secret_key_file", "mail_templates")):
        fw.wait_until(lambda: not worker.running, what=f"{worker.name} to give up")
        assert worker.child.returncode == EX_CONFIG
        assert words in worker.log_text()
