"""A synchronous standby is away: a 200 is given only for what it has, whatever the primary shows."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.gateway import problem, trigger
from tools.standby import Standby

pytestmark = pytest.mark.outage

QUICK = {"confirm_timeout": "1s", "lock_timeout": "2s", "statement_timeout": "3s", "request_timeout": "5s", "connect_timeout": "1s"}


@pytest.fixture
def standby(stack):
    with Standby(stack) as standby:
        yield standby


@pytest.fixture
def client(fw, more_gateway, outbox, standby):
    return fw.at(more_gateway(outbox.settings(**QUICK)))


def ends_while_waiting(fw, stack, client, standby, user, end):
    """The answer to a DELETE whose COMMIT waits for the standby when END, an SQL function, is called with its session's pid."""
    standby.pause()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.delete, user)
        [pid] = fw.wait_until(lambda: standby.waiting(), 30, "COMMIT to wait for the standby")
        stack.postgres.admin(f"SELECT {end}(%s)", pid)
        fw.wait_until(lambda: fw.requests(user), 30, "the row to be seen on the primary")
        return asked.result()


@pytest.mark.parametrize("end", ["pg_terminate_backend", "pg_cancel_backend"])
def test_the_wait_is_ended(fw, stack, client, standby, outbox, end):
    """The row is there for all to see, and would be lost with the primary: no 200 before the standby has it."""
    user = fw.make_user(files=0)
    answer = ends_while_waiting(fw, stack, client, standby, user, end)
    problem(answer, 503, "outcome-unknown")
    # Nor does a repeat believe what it sees.
    assert client.delete(user).status == 503
    standby.resume()
    fw.wait_until(lambda: client.delete(user).status == 200, 60, "the standby to be back")
    [request] = fw.requests(user)
    assert client.delete(user).json()["deletionId"] == request["deletion_id"]
    assert len(outbox.messages()) == 1


SILENCED = {"the role": None, "a trigger, for good": "false", "a trigger, for the transaction": "true"}


@pytest.mark.parametrize("by", SILENCED)
def test_the_warning_is_silenced(fw, stack, more_gateway, outbox, standby, by):
    """client_min_messages hides that a COMMIT is not replicated."""
    user, local = fw.make_user(files=0), SILENCED[by]
    if local is None:
        stack.postgres.admin("ALTER ROLE farewell SET client_min_messages = error")
    try:
        client = fw.at(more_gateway(outbox.settings(**QUICK)))
    finally:
        stack.postgres.admin("ALTER ROLE farewell RESET client_min_messages")
    body = f"PERFORM set_config('client_min_messages', 'error', {local});" if local else ""
    with trigger(fw, user, body):
        answer = ends_while_waiting(fw, stack, client, standby, user, "pg_cancel_backend")
        standby.resume()  # for the trigger to go
    problem(answer, 503, "outcome-unknown")


@pytest.mark.parametrize("local", ["true", "false"])
def test_a_trigger_that_would_not_wait(fw, more_gateway, outbox, standby, local):
    """Neither this user's COMMIT nor the next one's in that session leaves out the wait for the standby."""
    user, other = fw.make_user(files=0), fw.make_user(files=0)
    client = fw.at(more_gateway(outbox.settings(**QUICK, children=1)))
    with trigger(fw, user, f"PERFORM set_config('synchronous_commit', 'off', {local});"):
        for one in (user, other):
            standby.pause()
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(client.delete, one)
                fw.wait_until(lambda: standby.waiting() or asked.done(), what="COMMIT to wait for the standby")
                waited = not asked.done()
                standby.resume()
                assert waited, asked.result()
            fw.wait_until(lambda: client.delete(one).status == 200, 60, "the standby to be back")


def test_a_repeat_waits_for_the_standby(fw, stack, client, standby, outbox):
    """The row was seen by a session that was not told that the standby has it."""
    user = fw.make_user(files=0)
    first = client.delete(user).json()
    standby.pause()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.delete, user)
        fw.wait_until(lambda: standby.waiting(), 30, "the repeat's COMMIT to wait for the standby")
        standby.resume()
        assert asked.result().json() == first


def test_the_users_row_is_gone(fw, stack, client, standby, outbox):
    """Then the request's row is locked, so that COMMIT waits all the same."""
    user = fw.make_user(files=0)
    standby.pause()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.delete, user)
        [pid] = fw.wait_until(lambda: standby.waiting(), 30, "COMMIT to wait for the standby")
        # Both under one roof: the row goes with the session, so that no look finds it. The DELETE's own commit waits, too.
        gone = stack.postgres.connect("users")
        with gone.cursor() as cursor:
            cursor.execute("SET synchronous_commit = local; SET lock_timeout = '20s'")
            gone.commit()
            stack.postgres.admin("SELECT pg_terminate_backend(%s)", pid)
            cursor.execute("DELETE FROM users WHERE id = %s", [user.id])
            gone.commit()
        gone.close()
        standby.resume()
        answer = asked.result()
    [request] = fw.requests(user)
    assert answer.status == 200 and answer.json()["deletionId"] == request["deletion_id"], answer


def test_a_warning_of_a_function_is_no_doubt(fw, stack, more_gateway, outbox):
    """What a trigger raises says nothing about the commit."""
    user = fw.make_user(files=0)
    fw.psql("users", "CREATE OR REPLACE FUNCTION mutter() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'hm'; RETURN NEW; END $$;"
            " CREATE CONSTRAINT TRIGGER mutter AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mutter()")
    try:
        gateway = more_gateway(outbox.settings(**QUICK))
        answer = fw.at(gateway).delete(user)
    finally:
        fw.psql("users", "DROP TRIGGER mutter ON users; DROP FUNCTION mutter()")
    assert answer.status == 200
    assert not [line for line in gateway.log_text().splitlines() if "looking up" in line and answer.json()["deletionId"] in line]


def test_the_check_warns_without_one(fw, stack, more_gateway):
    gateway = more_gateway({}, start=False)
    code, output = gateway.check()
    assert code == 0 and "synchronous_standby_names is empty" in output, output
    with Standby(stack):
        code, output = gateway.check()
        assert code == 0 and "synchronous_standby_names" not in output, output
