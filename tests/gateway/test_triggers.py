"""What a trigger of the users table does: refuses, waits, changes the mark, changes the session for who comes later."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.gateway import problem, trigger, unchanged

QUICK = {"confirm_timeout": "1s", "lock_timeout": "2s", "statement_timeout": "3s", "request_timeout": "5s", "connect_timeout": "1s"}
ONE_SESSION = {"children": 1}


def marks_agree(fw, user):
    """The newest request has the mark that a session of the worker will read."""
    return fw.value("users", "SELECT mark = (u.deleted_at AT TIME ZONE 'UTC')::text || '+00' FROM farewell.request r JOIN users u ON u.id::text = r.user_id"
                    " WHERE u.id = %s ORDER BY requested_at DESC LIMIT 1", user.id)


def row_is_free(fw, user):
    """Nobody holds the user's row."""
    return fw.psql("users", "SELECT FROM users WHERE id = %s FOR UPDATE SKIP LOCKED", user.id) != []


# It changes the session.

POISON = {"TimeZone": "Asia/Seoul", "DateStyle": "German", "extra_float_digits": "-10", "search_path": "nowhere", "default_transaction_isolation": "serializable",
          "default_transaction_read_only": "on", "client_encoding": "LATIN1", "lock_timeout": "1h"}


@pytest.mark.parametrize("local", ["true", "false"])
@pytest.mark.parametrize("name", POISON)
def test_a_changed_session(fw, more_gateway, outbox, name, local):
    """The mark is written as in any other session, and neither repeats nor the next users notice."""
    gateway = more_gateway(outbox.settings(**ONE_SESSION))
    before = len(gateway.log_text())
    client, users = fw.at(gateway), [fw.make_user(files=0) for _ in range(3)]
    with trigger(fw, users[0], f"PERFORM set_config('{name}', '{POISON[name]}', {local});"):
        answers = [client.delete(user) for user in users]
        assert [answer.status for answer in answers] == [200, 200, 200], answers
        assert [client.delete(user).json()["deletionId"] for user in users] == [answer.json()["deletionId"] for answer in answers]
    assert [marks_agree(fw, user) for user in users] == [True, True, True]
    assert len(outbox.messages()) == 3
    [line] = [line for line in gateway.log_text()[before:].splitlines() if "changed the session's" in line]
    assert name in line or name.lower() in line, line


def test_a_function_that_changes_the_session(fw, more_gateway, outbox, user):
    """One that no trigger calls, but the statement that locks: nothing is believed that was read in another zone."""
    other = fw.make_user(files=0)
    fw.psql("users", "CREATE OR REPLACE FUNCTION moved(text) RETURNS text LANGUAGE plpgsql AS"
            f" $$ BEGIN IF $1 = '{user}' THEN PERFORM set_config('TimeZone', 'Asia/Seoul', false); END IF; RETURN $1; END $$")
    try:
        client = fw.at(more_gateway(outbox.settings(
            **ONE_SESSION, lock_user_sql="SELECT moved(id::text), deleted_at::text FROM users WHERE id = $1 FOR NO KEY UPDATE")))
        for _ in range(2):
            client.delete(user)
        assert [client.delete(other).status for _ in range(2)] == [200, 200]
    finally:
        fw.psql("users", "DROP FUNCTION moved")
    assert marks_agree(fw, other) and len(fw.requests(other)) == 1


# It changes the mark.

@pytest.mark.parametrize("when", ["BEFORE", "AFTER", "deferred"])
def test_a_rounded_mark(fw, more_gateway, outbox, user, when):
    """The request has the mark that is stored in the end, whatever mark_user_sql returned."""
    client = fw.at(more_gateway(outbox.settings()))
    body = "NEW.deleted_at := date_trunc('hour', NEW.deleted_at);" if when == "BEFORE" else \
        "IF NEW.deleted_at <> date_trunc('hour', NEW.deleted_at) THEN UPDATE users SET deleted_at = date_trunc('hour', NEW.deleted_at) WHERE id = NEW.id; END IF;"
    with trigger(fw, user, body, when):
        first = client.delete(user)
    assert first.status == 200 and marks_agree(fw, user), fw.requests(user)
    assert client.delete(user).json()["deletionId"] == first.json()["deletionId"]


TAKEN_BACK = {
    "BEFORE": ("NEW.deleted_at := NULL;", "marked 0 rows"),
    "AFTER": ("IF NEW.deleted_at IS NOT NULL THEN UPDATE users SET deleted_at = NULL WHERE id = NEW.id; END IF;", "a trigger takes it back"),
    "deferred": ("IF NEW.deleted_at IS NOT NULL THEN UPDATE users SET deleted_at = NULL WHERE id = NEW.id; END IF;", "a trigger takes it back"),
    "AFTER, the row is gone": ("DELETE FROM users WHERE id = NEW.id;", "or no row: a trigger takes it back"),
}


@pytest.mark.parametrize("when", TAKEN_BACK)
def test_a_mark_that_is_taken_back(fw, more_gateway, outbox, user, when):
    gateway = more_gateway(outbox.settings())
    before = len(gateway.log_text())
    body, said = TAKEN_BACK[when]
    with trigger(fw, user, body, when.split(",")[0]):
        problem(fw.at(gateway).delete(user), 500, "misconfigured")
    assert unchanged(fw, user)
    assert said in gateway.log_text()[before:]
    assert fw.at(gateway).delete(user).status == 200


def test_a_statement_that_marks_everybody(fw, more_gateway, outbox, user):
    others = [fw.make_user(files=0) for _ in range(2)]
    mark = f"UPDATE users SET deleted_at = now() WHERE id >= $1 AND id <= {others[-1]} AND deleted_at IS NULL RETURNING deleted_at::text"
    gateway = more_gateway(outbox.settings(mark_user_sql=mark))
    before = len(gateway.log_text())
    problem(fw.at(gateway).delete(user), 500, "refused-by-database")
    assert "gateway.mark_user_sql" in gateway.log_text()[before:]
    assert [unchanged(fw, one) for one in (user, *others)] == [True] * 3


# It refuses.

REFUSALS = {
    "P0001": ("RAISE EXCEPTION 'he owes us money';", 500, "refused-by-database"),
    "23514": ("RAISE check_violation;", 500, "refused-by-database"),
    "42501": ("RAISE insufficient_privilege;", 500, "refused-by-database"),
    "22P02": ("PERFORM 'x'::integer;", 500, "refused-by-database"),
    "40001": ("RAISE serialization_failure;", 503, "user-busy"),
    "40P01": ("RAISE deadlock_detected;", 503, "user-busy"),
    "53100": ("RAISE disk_full;", 503, "database-unavailable"),
}


@pytest.mark.parametrize("when", ["BEFORE", "deferred"])
@pytest.mark.parametrize("state", REFUSALS)
def test_a_refusal(fw, more_gateway, outbox, user, state, when):
    """What does not pass by itself is not answered with "try again"."""
    body, status, slug = REFUSALS[state]
    gateway = more_gateway(outbox.settings())
    before = len(gateway.log_text())
    with trigger(fw, user, body, when):
        problem(fw.at(gateway).delete(user), status, slug)
    assert f"(SQLSTATE {state})" in gateway.log_text()[before:]
    assert unchanged(fw, user)
    assert fw.at(gateway).delete(user).status == 200


# It takes its time.

def test_a_deferred_trigger_that_sleeps(fw, more_gateway, outbox, user):
    """In COMMIT no statement_timeout counts, so it is called before."""
    client = fw.at(more_gateway(outbox.settings(**QUICK)))
    with trigger(fw, user, "PERFORM pg_sleep(600);", "deferred"):
        problem(client.delete(user), 503, "database-unavailable")
        assert unchanged(fw, user)
        fw.wait_until(lambda: row_is_free(fw, user), what="the row to be free")
    assert client.delete(user).status == 200


def test_nobody_waits_for_a_client_that_has_gone(fw, more_gateway, outbox, user):
    """The gateway gives up; the server notices, and ends what holds the row, though nothing limits its time."""
    client = fw.at(more_gateway(outbox.settings(**QUICK)))
    with trigger(fw, user, "PERFORM set_config('statement_timeout', '0', true);"), trigger(fw, user, "PERFORM pg_sleep(600);", "deferred", "late"):
        assert client.delete(user).status == 503
        fw.wait_until(lambda: row_is_free(fw, user), what="the row to be free")
    assert client.delete(user).status == 200


# Partitions.

def test_a_row_that_moves_to_another_partition(fw, stack, more_gateway, outbox):
    """Somebody marks the user while we wait for the row, which is then in the partition of the deleted."""
    fw.psql("users", "DROP TABLE IF EXISTS part_users; CREATE TABLE part_users (id bigint, deleted_at timestamptz) PARTITION BY LIST ((deleted_at IS NULL));"
            " CREATE TABLE part_active PARTITION OF part_users FOR VALUES IN (true); CREATE TABLE part_gone PARTITION OF part_users FOR VALUES IN (false);"
            " CREATE INDEX ON part_users (id)")
    user = int(fw.value("users", "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"))
    fw.psql("users", "INSERT INTO part_users VALUES (%s)", user)
    client = fw.at(more_gateway(outbox.settings(
        lock_user_sql="SELECT id::text, deleted_at::text FROM part_users WHERE id = $1 FOR NO KEY UPDATE",
        mark_user_sql="UPDATE part_users SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING deleted_at::text")))
    holder = stack.postgres.connect("users")
    try:
        with holder.cursor() as cursor, ThreadPoolExecutor(1) as pool:
            cursor.execute("UPDATE part_users SET deleted_at = now() WHERE id = %s", [user])
            asked = pool.submit(client.delete, user)
            fw.wait_until(lambda: asked.done() or fw.value("users", "SELECT count(*) FROM pg_locks WHERE NOT granted"), what="the gateway to wait for the row")
            holder.commit()
            answer = asked.result()
    finally:
        holder.close()
        fw.psql("users", "DROP TABLE part_users")
    assert answer.status == 200, answer
    assert len(outbox.messages()) == 1
