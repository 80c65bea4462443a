"""The user database is away, slow or breaks in the middle: what is answered is what is true."""
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.gateway import problem, through, unchanged
from tools.proxy import COMMIT_ANSWER, Proxy

pytestmark = pytest.mark.outage

READY_FOR_QUERY = b"Z\x00\x00\x00\x05"  # ends an exchange
QUICK = {"confirm_timeout": "1s", "lock_timeout": "2s", "statement_timeout": "3s", "request_timeout": "4s", "connect_timeout": "1s"}


@pytest.fixture
def proxied(fw, stack, more_gateway, outbox):
    """(helper, proxy): a gateway of one process whose user database is behind the proxy."""
    with Proxy(stack.postgres.port) as proxy:
        yield fw.at(more_gateway(outbox.settings(**QUICK, **through(stack, proxy.port, "user_db"), children=1))), proxy


def test_down_and_back(fw, stack, proxied, outbox, user):
    client, proxy = proxied
    proxy.refuse()
    proxy.cut()
    for _ in range(2):
        problem(client.delete(user), 503, "database-unavailable")
        problem(client.get(user), 503, "database-unavailable")
    assert "database" in problem(client.request("GET", "/readyz"), 503, "not-ready")["detail"]
    assert client.request("GET", "/healthz").status == 200
    assert unchanged(fw, user) and outbox.messages() == []
    proxy.accept()
    assert client.delete(user).status == 200
    assert client.request("GET", "/readyz").status == 200
    assert len(outbox.messages()) == 1


def test_the_gateway_comes_up_without_a_database(fw, stack, more_gateway, outbox, user):
    with Proxy(stack.postgres.port) as proxy:
        proxy.refuse()
        client = fw.at(more_gateway(outbox.settings(**QUICK, **through(stack, proxy.port, "user_db")), serving=False))
        problem(client.delete(user), 503, "database-unavailable")
        proxy.accept()
        assert client.delete(user).status == 200


def test_a_black_hole(fw, proxied, outbox, user):
    client, proxy = proxied
    assert client.get(user).status == 404
    proxy.hold()
    # Answered by the gateway within its deadlines: nginx, which would say 504, waits longer than all of them.
    problem(client.delete(user), 503, "database-unavailable")
    problem(client.request("GET", "/readyz"), 503, "not-ready")
    proxy.release()
    assert client.delete(user).status == 200
    assert len(outbox.messages()) == 1


def test_a_restart_while_idle_is_not_noticed(fw, stack, outbox, more_gateway):
    client = fw.at(more_gateway(outbox.settings(**QUICK)))
    users = [fw.make_user(files=0) for _ in range(6)]
    assert client.delete(users[0]).status == 200
    stack.postgres.restart()
    assert [client.delete(u).status for u in users] == [200] * 6
    assert len(outbox.messages()) == 6


def test_a_connection_that_dies_at_begin(fw, proxied, outbox, user):
    """Nothing has happened yet: once more on a new one, and nobody notices."""
    client, proxy = proxied
    assert client.get(user).status == 404
    trap = proxy.cut_at(b"BEGIN")
    assert client.delete(user).status == 200
    assert trap.hits == 1 and len(outbox.messages()) == 1 and len(fw.requests(user)) == 1


def test_it_keeps_dying_at_begin(fw, proxied, outbox, user):
    client, proxy = proxied
    proxy.trap(b"BEGIN", times=100)
    problem(client.delete(user), 503, "database-unavailable")
    assert unchanged(fw, user) and outbox.messages() == []


def test_somebody_holds_the_row(fw, stack, proxied, outbox, user):
    client, _ = proxied
    holder = stack.postgres.connect("users")
    with holder.cursor() as cursor:
        cursor.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [user.id])
    started = time.monotonic()
    problem(client.delete(user), 503, "user-busy")
    assert time.monotonic() - started > 1.5, "lock_timeout was not waited for"
    assert outbox.messages() == []
    assert "the row's lock that was waited for" in stack.extra[0].log_text()
    holder.rollback()
    holder.close()
    assert client.delete(user).status == 200


@pytest.mark.parametrize("lock", ["ACCESS EXCLUSIVE", "SHARE"])
def test_somebody_holds_the_table(fw, stack, proxied, outbox, user, lock):
    """As ALTER TABLE does, and CREATE INDEX: that is not somebody who changes this account."""
    client, _ = proxied
    with contextlib.closing(stack.postgres.connect("users")) as holder:
        with holder.cursor() as cursor:
            cursor.execute(f"LOCK TABLE users IN {lock} MODE")
        pid = holder.info.backend_pid
        answer = client.delete(user)
    assert "definition" in problem(answer, 503, "table-locked")["detail"]
    assert f"table users that was waited for: process {pid} has or wants" in stack.extra[0].log_text()
    assert unchanged(fw, user)
    assert client.delete(user).status == 200


def test_the_second_waits_for_the_first(fw, stack, more_gateway, outbox, user):
    """The first is slow because its broker is: the second gets the same deletion, and there is one message."""
    with Proxy(stack.rabbit.port) as proxy:
        client = fw.at(more_gateway(outbox.settings(**through(stack, proxy.port, "broker"))))
        proxy.delay(0.5, "down")
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: client.delete(user), range(2)))
        assert [a.status for a in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert len(outbox.messages()) == 1


def test_two_round_trips(fw, proxied, outbox, user):
    """One to lock and read, one to change and commit: the row is locked for no longer than that and the broker's confirm."""
    client, proxy = proxied
    assert client.delete(fw.make_user(files=0)).status == 200  # after which the session is open, and knows the lineage
    for expected in ("accepted", "the same"):
        trap = proxy.trap(READY_FOR_QUERY, way="down", deliver=True, times=100, do=lambda link: None)
        assert client.delete(user).status == 200, expected
        assert trap.hits == 2, expected
        proxy.calm()


# The outcome of COMMIT.

def test_commit_done_and_its_answer_lost(fw, proxied, outbox, user):
    client, proxy = proxied
    assert client.get(user).status == 404
    trap = proxy.cut_at(COMMIT_ANSWER, way="down")
    answer = client.delete(user)
    assert trap.hits == 1
    assert answer.status == 200, answer
    [request] = fw.requests(user)
    assert answer.json()["deletionId"] == request["deletion_id"] and answer.json()["status"] == "accepted"
    [(_, message)] = outbox.messages()
    assert message["deletionId"] == request["deletion_id"]
    assert client.delete(user).json() == answer.json()


def test_commit_never_arrived(fw, proxied, outbox, user):
    client, proxy = proxied
    assert client.get(user).status == 404
    trap = proxy.cut_at(b"COMMIT")
    problem(client.delete(user), 503, "database-unavailable")
    assert trap.hits == 1
    assert unchanged(fw, user)
    [(_, void)] = outbox.messages()
    answer = client.delete(user)
    assert answer.status == 200 and answer.json()["deletionId"] != void["deletionId"]


def test_commit_done_and_the_database_gone(fw, proxied, outbox, user):
    """It can't be found out: a 503 of its own, and the same DELETE again is safe."""
    client, proxy = proxied
    assert client.get(user).status == 404

    def vanish(link):
        proxy.refuse()
        link.cut()
    trap = proxy.trap(COMMIT_ANSWER, way="down", do=vanish)
    answer = client.delete(user)
    assert trap.hits == 1
    assert "safe" in problem(answer, 503, "outcome-unknown")["detail"]
    proxy.accept()
    [request] = fw.requests(user)
    answer = client.delete(user)
    assert answer.status == 200 and answer.json()["deletionId"] == request["deletion_id"]
    assert len(outbox.messages()) == 1


def test_commit_done_and_the_database_soon_back(fw, proxied, outbox, user):
    """The gateway goes on asking until its deadline."""
    client, proxy = proxied
    assert client.get(user).status == 404

    def vanish(link):
        proxy.refuse()
        link.cut()
    proxy.trap(COMMIT_ANSWER, way="down", do=vanish)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.delete, user)
        time.sleep(0.5)
        assert not asked.done()
        proxy.accept()
        assert asked.result().status == 200


def test_commit_held_up_on_its_way(fw, stack, proxied, outbox, user):
    """The old session still has the row when the gateway looks: who gets the lock afterwards sees the truth."""
    client, proxy = proxied
    assert client.get(user).status == 404
    proxy.hold_at(b"COMMIT")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.delete, user)
        answer = asked.result()
    assert answer.status == 503
    assert answer.json()["type"] == "urn:farewell:problem:outcome-unknown"
    proxy.release()
    fw.wait_until(lambda: len(fw.requests(user)) == 1 or unchanged(fw, user), what="an outcome")
    again = client.delete(user)
    assert again.status == 200
    assert len(fw.requests(user)) == 1


def test_postgres_dies_at_commit(fw, stack, proxied, outbox, user):
    """Immediate shutdown at that moment, and back: what is answered is what is there."""
    import signal
    client, proxy = proxied
    assert client.get(user).status == 404

    def die(link):
        stack.postgres.kill(signal.SIGQUIT)
        link.cut()
    proxy.trap(b"COMMIT", do=die)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.delete, user)
        fw.wait_until(lambda: not stack.postgres.running, what="PostgreSQL to be dead")
        stack.postgres.start()
        answer = asked.result()
    assert answer.status in (200, 503), answer
    if answer.status == 200:
        assert [r["deletion_id"] for r in fw.requests(user)] == [answer.json()["deletionId"]]
    elif answer.json()["type"].endswith("database-unavailable"):
        assert unchanged(fw, user)
    assert client.delete(user).status == 200


# Statements that go wrong while the gateway is running.

def test_mark_user_sql_that_marks_nothing(fw, more_gateway, outbox, user):
    client = fw.at(more_gateway(outbox.settings(
        mark_user_sql="UPDATE users SET deleted_at = now() WHERE id = $1 AND name = 'nobody has this' RETURNING deleted_at::text")))
    answer = client.delete(user)
    assert "gateway.mark_user_sql" in problem(answer, 500, "misconfigured")["detail"]
    assert unchanged(fw, user)
    assert len(outbox.messages()) == 1


def test_lock_user_sql_that_returns_two_rows(fw, more_gateway, outbox, user):
    client = fw.at(more_gateway(outbox.settings(
        lock_user_sql="SELECT id::text, deleted_at::text FROM users WHERE id >= $1 - 1 ORDER BY id FOR NO KEY UPDATE LIMIT 2")))
    other = fw.make_user(files=0)
    problem(client.delete(other), 500, "misconfigured")
    assert unchanged(fw, user) and unchanged(fw, other) and outbox.messages() == []


def test_a_trigger_that_objects(fw, stack, proxied, outbox, user):
    """The UPDATE fails after the confirm: rolled back, 500, and the transaction is not left open."""
    client, _ = proxied
    fw.psql("users", "CREATE OR REPLACE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;"
            " CREATE TRIGGER object BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION object()")
    try:
        problem(client.delete(user), 500, "refused-by-database")
    finally:
        fw.psql("users", "DROP TRIGGER object ON users; DROP FUNCTION object()")
    assert unchanged(fw, user)
    assert fw.value("users", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'farewell-fcgi' AND state LIKE 'idle in transaction%%'"
                    " AND %s = 1", 1) == 0
    assert client.delete(user).status == 200


def test_a_deferred_constraint_that_objects(fw, proxied, outbox, user):
    """It is called before COMMIT, with an error as any other."""
    client, _ = proxied
    fw.psql("users", "CREATE OR REPLACE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;"
            " CREATE CONSTRAINT TRIGGER object AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION object()")
    try:
        problem(client.delete(user), 500, "refused-by-database")
    finally:
        fw.psql("users", "DROP TRIGGER object ON users; DROP FUNCTION object()")
    assert unchanged(fw, user)
    assert client.delete(user).status == 200


def test_synchronous_commit_is_never_lowered(fw, stack, more_gateway, outbox, user):
    stack.postgres.admin("ALTER ROLE farewell SET synchronous_commit = off")
    try:
        client = fw.at(more_gateway(outbox.settings(
            **QUICK, mark_user_sql="WITH s AS (SELECT current_setting('synchronous_commit') AS sync) UPDATE users SET deleted_at = now(), name = s.sync ||"
            " ' ' || current_setting('transaction_isolation') || ' ' || current_setting('lock_timeout') || ' ' ||"
            " current_setting('idle_in_transaction_session_timeout') FROM s WHERE id = $1 RETURNING deleted_at::text")))
        assert client.delete(user).status == 200
    finally:
        stack.postgres.admin("ALTER ROLE farewell RESET synchronous_commit")
    assert fw.user_row(user)["name"] == "on read committed 2s 4s"
