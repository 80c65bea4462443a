"""A deletion whose ledger row can't be written makes room for the others, and goes on when it can."""
import pytest

from tools.jobs import ask, completed, quiet, said

pytestmark = pytest.mark.own_worker


def test_locked_ledger_rows_hold_nobody_up(fw):
    """A transaction that somebody forgot to end, after looking for what is retrying."""
    fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no", "lock_timeout": "500ms", "statement_timeout": "1s"}})
    odd = [fw.make_user() for _ in range(2)]
    fw.stack.smtp.control(rcpt={user.email: "451 4.3.0 later" for user in odd})
    for user in odd:
        ask(fw, user)
    for user in odd:
        fw.wait_status(user, "retrying")
    connection = fw.stack.postgres.connect("worker")
    try:
        with connection.cursor() as c:
            c.execute("SELECT 1 FROM farewell.deletion WHERE user_id = ANY (%s) FOR UPDATE", ([str(user.id) for user in odd],))
            for user in odd:
                said(fw, "failed, attempt", "55P03", f"user={user.id} ")
            others = [fw.make_user() for _ in range(3)]
            for user in others:
                ask(fw, user)
            for user in others:
                completed(fw, user, files=3)
    finally:
        connection.rollback()
        connection.close()
    fw.stack.smtp.control()
    for user in odd:
        completed(fw, user, files=3)
    quiet(fw)
