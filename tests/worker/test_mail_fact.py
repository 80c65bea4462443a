"""That a mail was sent is a fact: it is written down however the job ended, and the mail is never sent again."""
import contextlib

from tools.jobs import ask, completed, quiet, said


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
