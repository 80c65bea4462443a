"""-t and the start: a wrong setting is refused and named, a server that is away is not."""
import pytest

from stack import PATIENCE

LOCK = "SELECT id::text, deleted_at::text FROM users WHERE id = $1 FOR NO KEY UPDATE"
MARK = "UPDATE users SET deleted_at = now() WHERE id = $1 RETURNING deleted_at::text"


def check(more_gateway, gateway=None, common=None):
    return more_gateway({"common": common or {}, "gateway": gateway or {}}, start=False).check()


def test_good(more_gateway):
    for level in ("info", "error"):
        code, output = check(more_gateway, common={"log_level": level})
        assert code == 0 and "configuration, SQL and connections are good" in output, output


def test_it_leaves_nothing_behind(fw, stack, more_gateway):
    import os
    gateway = more_gateway({}, start=False)
    assert gateway.check()[0] == 0
    assert not os.path.exists(gateway.socket_path)


WRONG_SQL = {
    "lock: no lock": ("lock_user_sql", LOCK.replace("FOR NO KEY UPDATE", ""), "locks no row"),
    "lock: syntax": ("lock_user_sql", LOCK.replace("SELECT", "SELEKT"), "syntax error"),
    "lock: one column": ("lock_user_sql", LOCK.replace(", deleted_at::text", ""), "1 column"),
    "lock: three columns": ("lock_user_sql", LOCK.replace("SELECT", "SELECT name,"), "3 columns"),
    "lock: no parameter": ("lock_user_sql", LOCK.replace("$1", "1"), "0 parameters"),
    "lock: two parameters": ("lock_user_sql", LOCK.replace("$1", "$1 AND name = $2"), "2 parameters"),
    "lock: no such table": ("lock_user_sql", LOCK.replace("users", "people"), "people"),
    "lock: no such column": ("lock_user_sql", LOCK.replace("deleted_at", "gone_at"), "gone_at"),
    "lock: another condition": ("lock_user_sql", LOCK.replace("$1", "$1 AND deleted_at IS NULL"), "deleted_at IS NULL"),
    "lock: a choice": ("lock_user_sql", LOCK.replace("$1", "$1 OR email = $1::text"), "email"),
    "lock: a join": ("lock_user_sql", LOCK.replace("id::text", "u.id::text").replace("users", "users u JOIN farewell.request r ON r.user_id = u.id::text")
                     .replace("id = $1", "u.id = $1").replace("UPDATE", "UPDATE OF u"), "user_id"),
    "lock: no key": ("lock_user_sql", LOCK.replace("id = $1", "$1::text IS NOT NULL"), "key"),
    "lock: skipping": ("lock_user_sql", LOCK + " SKIP locked", "SKIP LOCKED"),
    "lock: not waiting": ("lock_user_sql", LOCK + " -- soon\n nowait", "NOWAIT"),
    "lock: a weak one": ("lock_user_sql", LOCK.replace("NO KEY UPDATE", "KEY SHARE"), "FOR KEY SHARE"),
    "lock: a shared one": ("lock_user_sql", LOCK.replace("NO KEY UPDATE", "SHARE"), "FOR NO KEY UPDATE"),
    "mark: syntax": ("mark_user_sql", MARK.replace("UPDATE", "UPDAET"), "syntax error"),
    "mark: returns nothing": ("mark_user_sql", MARK.replace("RETURNING deleted_at::text", ""), "0 columns"),
    "mark: two columns": ("mark_user_sql", MARK + ", name", "2 columns"),
    "mark: two parameters": ("mark_user_sql", MARK.replace("WHERE", "WHERE name = $2 AND"), "2 parameters"),
    "mark: no parameter": ("mark_user_sql", MARK.replace("$1", "1"), "0 parameters"),
    "mark: two statements": ("mark_user_sql", "SELECT 1; " + MARK, ""),
}


@pytest.mark.parametrize("name", WRONG_SQL)
def test_wrong_sql_names_the_setting(more_gateway, name):
    setting, sql, why = WRONG_SQL[name]
    code, output = check(more_gateway, {setting: sql})
    assert code == 78, output
    [line] = [line for line in output.splitlines() if "gateway." + setting in line]
    assert why in line


def test_a_condition_that_an_index_has_in_it(fw, more_gateway):
    """With an index for the deleted alone the plan shows no filter, and an active user seems not to exist."""
    fw.psql("users", "CREATE INDEX users_deleted ON users (id) WHERE deleted_at IS NOT NULL")
    try:
        code, output = check(more_gateway, {"lock_user_sql": LOCK.replace("$1", "$1 AND deleted_at IS NOT NULL")})
    finally:
        fw.psql("users", "DROP INDEX users_deleted")
    assert code == 78 and "deleted_at IS NOT NULL" in output, output


GOOD_LOCKS = {
    "for update": LOCK.replace("NO KEY ", ""),
    "a cast": LOCK.replace("id = $1", "id::text = $1"),
    "a function": LOCK.replace("id = $1", "lower(email) = lower($1)"),
    "quoted": LOCK.replace("deleted_at::text", "deleted_at::text AS \"skip locked\"").replace("$1", "$1 /* NOWAIT */"),
    "a subquery": "SELECT * FROM (" + LOCK + ") AS u",
    "a limit": LOCK + " LIMIT 2",
}


@pytest.mark.parametrize("name", GOOD_LOCKS)
def test_good_locks(more_gateway, name):
    code, output = check(more_gateway, {"lock_user_sql": GOOD_LOCKS[name]})
    assert code == 0, output


def test_the_start_refuses_what_the_check_refuses(more_gateway, fw):
    gateway = more_gateway({"gateway": {"lock_user_sql": WRONG_SQL["lock: no lock"][1]}}, start=False)
    gateway.start(wait=False)
    assert gateway.child.wait(PATIENCE) == 78
    assert "gateway.lock_user_sql" in gateway.log_text()


def test_comments_and_semicolons(fw, more_gateway):
    for end in (" -- at last", " ; \n", ";"):
        user = fw.make_user(files=0)
        gateway = more_gateway({"gateway": {"lock_user_sql": LOCK + end, "mark_user_sql": MARK + end}})
        assert gateway.check()[0] == 0
        assert fw.at(gateway).delete(user).status == 200


def test_servers_that_are_away(fw, stack, more_gateway):
    url, info = stack.rabbit.url, stack.postgres.conninfo("users")
    code, output = check(more_gateway, {"user_db": info.replace(str(stack.postgres.port), "1")})
    assert code == 78 and "user_db" in output, output
    code, output = check(more_gateway, {"broker": url.replace(str(stack.rabbit.port), "1")})
    assert code == 78 and "broker" in output, output


def test_wrong_credentials(stack, more_gateway):
    wrong = stack.secret_file("wrong", "not the password")
    code, output = check(more_gateway, {"user_db_password_file": wrong})
    assert code == 78 and "user_db" in output and "password" in output, output
    code, output = check(more_gateway, {"broker_password_file": wrong})
    assert code == 78 and "broker" in output, output
    assert "not the password" not in output


def test_no_exchange(more_gateway):
    code, output = check(more_gateway, common={"exchange": "no-such-exchange"})
    assert code == 78 and "no-such-exchange" in output and "farewell-workerd" in output, output


def test_a_short_key(stack, more_gateway):
    code, output = check(more_gateway, {"jwt_key_file": stack.secret_file("short", "too short")})
    assert code == 78 and "gateway.jwt_key_file" in output and "too short" not in output, output
    code, output = check(more_gateway, {"jwt_algorithm": "HS512"})
    assert code == 78 and "gateway.jwt_key_file" in output, output


def test_a_long_socket_path(more_gateway):
    code, output = check(more_gateway, {"socket": "/" + "s" * 107})
    assert code == 78 and "gateway.socket" in output and "107" in output, output
    code, output = check(more_gateway, {"socket_group": "no-such-group"})
    assert code == 78 and "gateway.socket_group" in output, output


def test_options(stack, more_gateway):
    program = stack.program("farewell-fcgi")
    run = stack.place.run
    assert "Usage" in run([program, "-h"]).stdout
    assert "farewell-fcgi" in run([program, "-V"]).stdout
    for argv in (["-x"], ["extra"], ["-c"]):
        done = run([program, *argv], check=False)
        assert done.returncode == 64 and "Usage" in done.stdout
    done = run([program, "-t", "-c", "/nonexistent.conf"], check=False)
    assert done.returncode == 78 and "/nonexistent.conf" in done.stdout


def test_without_a_right(fw, stack, more_gateway):
    """A repeated DELETE locks the request's row: what is seldom needed is missed at the start."""
    stack.postgres.admin("REVOKE UPDATE ON farewell.request FROM farewell", database="users_db")
    try:
        code, output = check(more_gateway)
    finally:
        stack.postgres.admin("GRANT UPDATE ON farewell.request TO farewell", database="users_db")
    assert code == 78 and "farewell.request" in output and "UPDATE" in output, output


def test_without_the_newest_migration(fw, more_gateway):
    fw.psql("users", "ALTER TABLE farewell.request RENAME sweep_asked TO moved")
    try:
        code, output = check(more_gateway)
    finally:
        fw.psql("users", "ALTER TABLE farewell.request RENAME moved TO sweep_asked")
    assert code == 78 and "have the migrations been applied?" in output, output
