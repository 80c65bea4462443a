"""The reconciler dies at each of its crash points, or its sessions are cut there, and every guarantee holds."""
import os

import pytest

from stack.checker import Checker
from stack.client import Client
from stack.proc import wait_until
from tools.crash import RECONCILING, ROUNDS, WAYS, Instance, judge, make_user


def lost_message(checker):
    """A committed request whose message the broker has lost."""
    user = make_user(checker, "reconciler", "a lost message")
    checker.client.psql("users", "UPDATE users SET deleted_at = now() WHERE id = %s", user.id)
    checker.client.psql(
        "users", "INSERT INTO farewell.request (deletion_id, user_id, mark) SELECT gen_random_uuid(), id::text,"
        " (deleted_at AT TIME ZONE 'UTC')::text || '+00' FROM users WHERE id = %s", user.id)
    checker.answers[user.id] = [200]
    return user


def add_late_file(checker, user):
    """A file that is recorded when the deletion is completed, and the sweep that is due."""
    checker.client.wait_finished(user)
    checker.client.add_files(user, [f"late-{os.urandom(4).hex()}"])


RECONCILER_ROUNDS = {name: ROUNDS[name] for name in ("alone", "broker restarted", "PostgreSQL stopped at once", "sessions of the ledger cut")}


@pytest.mark.parametrize("round_name", RECONCILER_ROUNDS)
@pytest.mark.parametrize("point", RECONCILING)
def test_while_reconciling(crash_stack, point, round_name):
    instance, wanted = Instance(crash_stack, point), RECONCILER_ROUNDS[round_name]
    try:
        instance.start()
        checker = Checker(Client(crash_stack))
        late = WAYS[point] == "a late file"
        if not late:
            instance.arm()
        user = lost_message(checker)
        if late:
            add_late_file(checker, user)
            instance.arm()
            checker.client.psql("worker", "UPDATE farewell.deletion SET sweep_at = now() WHERE user_id = %s", str(user.id))
        wait_until(lambda: instance.reached, what=f"{point} to be reached")
        wanted.disturb(crash_stack)
        assert instance.release(wanted.release) == 1
        if late:
            wait_until(lambda: not checker.client.objects_of(user), what="the late file to go")
        checker.settle()
        assert judge(checker, user, checker.objects(), wanted.kills) == []
    finally:
        instance.stop()
