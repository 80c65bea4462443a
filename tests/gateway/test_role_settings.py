"""What the role or the database sets for its sessions: ours have what they need all the same."""
import contextlib
import time

QUICK = {"confirm_timeout": "1s", "lock_timeout": "2s", "statement_timeout": "3s", "request_timeout": "5s", "connect_timeout": "1s"}


@contextlib.contextmanager
def role_with(stack, **settings):
    """Sessions that are opened meanwhile begin with these."""
    for name, value in settings.items():
        stack.postgres.admin(f"ALTER ROLE farewell SET {name} = '{value}'")
    try:
        yield
    finally:
        for name in settings:
            stack.postgres.admin(f"ALTER ROLE farewell RESET {name}")


def sessions(fw):
    return fw.psql("users", "SELECT pid FROM pg_stat_activity WHERE application_name = 'farewell-fcgi' AND datname = current_database() ORDER BY pid")


def test_a_session_is_not_ended_for_being_idle(fw, stack, more_gateway, outbox, user):
    before = sessions(fw)
    with role_with(stack, idle_session_timeout="500ms"):
        gateway = more_gateway(outbox.settings(**QUICK, children=1))
    [ours] = [row for row in sessions(fw) if row not in before]
    time.sleep(2)
    assert fw.at(gateway).delete(user).status == 200
    assert ours in sessions(fw)


def test_a_time_out_too_short_to_be_overridden_with_the_rest(fw, stack, more_gateway, outbox, user):
    """The statement that overrides it may itself take longer on a busy machine: then the session is opened again."""
    with role_with(stack, statement_timeout="1ms", lock_timeout="1ms", idle_in_transaction_session_timeout="1ms"):
        gateway = more_gateway(outbox.settings(**QUICK), start=False)
        gateway.start()
        gateway.nginx.start()
        gateway.wait_serving(gateway.url)
        assert [fw.at(gateway).request("GET", "/readyz").status for _ in range(20)] == [200] * 20
    assert fw.at(gateway).delete(user).status == 200
