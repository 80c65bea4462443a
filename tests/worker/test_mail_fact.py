"""That a mail was sent is a fact: it is written down however the job ended, and the mail is never sent again."""
import contextlib

import pytest

from tools.jobs import ask, completed, log_lines, quiet, said


@contextlib.contextmanager
def completing_refused(fw, user):
    """Within, the worker database refuses to have this user's deletion completed."""
    fw.psql("worker", f"""CREATE FUNCTION refuse_completed() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'not now' USING ERRCODE = 'XX001'; END $$;
        CREATE TRIGGER refuse_completed BEFORE UPDATE ON farewell.deletion FOR EACH ROW
        WHEN (NEW.status = 'completed' AND NEW.user_id = '{user.id}') EXECUTE FUNCTION refuse_completed()""")
    try:
        yield
    finally:
        fw.psql("worker", "DROP TRIGGER refuse_completed ON farewell.deletion; DROP FUNCTION refuse_completed()")


def test_completing_is_refused_after_the_mail(fw):
    user, other = fw.make_user(), fw.make_user()
    with completing_refused(fw, user):
        ask(fw, user)
        said(fw, "failed, attempt 1", "XX001", f"user={user.id} ")
        fw.wait_until(lambda: fw.ledger(user)[0]["mail"] == "sent", what="the mail in the ledger")
        said(fw, "failed, attempt 2", "XX001", f"user={user.id} ")
        ask(fw, other)
        completed(fw, other, files=3)
    completed(fw, user, files=3)
    assert len(fw.mails(user)) == 1
    quiet(fw)


@pytest.mark.own_worker
def test_who_cant_write_it_down_keeps_nobody_else(fw):
    """The ledger's row is locked by somebody while the mail is sent: the child that knows of the mail waits, the other works."""
    fw.stack.worker.configure({"worker": {"children": 2, "reconciler": "no", "lock_timeout": "500ms", "statement_timeout": "1s"}})
    user, since = fw.make_user(), len(fw.stack.worker.log_text())
    fw.stack.smtp.control(delay=5)
    ask(fw, user)
    fw.wait_until(lambda: fw.ledger(user) and fw.ledger(user)[0]["mail"] == "sending", what="the mail to be under way")
    connection = fw.stack.postgres.connect("worker")
    try:
        with connection.cursor() as c:
            c.execute("SELECT 1 FROM farewell.deletion WHERE user_id = %s FOR UPDATE", (str(user),))
            fw.wait_until(lambda: len(log_lines(fw.stack.worker, "55P03", since=since)) >= 5, what="the child to try again and again")
            fw.stack.smtp.control()
            for _ in range(3):
                other = fw.make_user()
                ask(fw, other)
                completed(fw, other, files=3)
            assert fw.ledger(user)[0]["mail"] == "sending"
            assert not log_lines(fw.stack.worker, "the worker database is away", since=since)
    finally:
        connection.rollback()
        connection.close()
    completed(fw, user, files=3)
    assert len(fw.mails(user)) == 1
    quiet(fw)
