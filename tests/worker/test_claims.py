"""The reconciler's claims: not charged to requests that were not got to, and one that is refused keeps no other."""
import pytest

from tools.jobs import commit_request, completed, log_lines, quiet

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

QUICK = {"reconcile_after": "1s", "reconcile_every": "300ms"}


@pytest.fixture
def end_alarm(fw):
    """A memory alarm, until it is called."""
    fw.stack.worker.configure({"worker": {**QUICK, "children": 1}})
    fw.stack.rabbit.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    yield lambda: fw.stack.rabbit.ctl("set_vm_memory_high_watermark", "0.4")
    fw.stack.rabbit.ctl("set_vm_memory_high_watermark", "0.4")


def charged(fw, users):
    """How often the requests of these users count as tried."""
    return sum(fw.requests(user)[0]["reconciled"] for user in users)


def test_claims_of_an_alarm_are_given_back(fw, end_alarm):
    since = len(fw.stack.worker.log_text())
    users = [fw.make_user(files=1) for _ in range(5)]
    for user in users:
        commit_request(fw, user)

    def said(words):
        return len(log_lines(fw.stack.worker, words, since=since))
    fw.wait_until(lambda: said("could not be passed on") >= 1 and said("it blocks publishers") >= 3, what="the reconciler to meet the alarm")
    fw.wait_until(lambda: charged(fw, users) <= said("could not be passed on"), what="what was not tried to count as not tried")
    assert charged(fw, users) < len(users)
    end_alarm()
    for user in users:
        completed(fw, user, files=1)
    quiet(fw)


def test_a_request_that_the_ledger_refuses_keeps_no_other(fw):
    fw.stack.worker.stop()
    odd, others = fw.make_user(files=1), [fw.make_user(files=1) for _ in range(5)]
    for user in (odd, *others):  # the oldest first
        commit_request(fw, user)
    fw.psql("worker", "CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$")
    fw.psql("worker", "CREATE TRIGGER refuse_one BEFORE INSERT ON farewell.deletion FOR EACH ROW"
            f" WHEN (NEW.user_id = '{odd.id}') EXECUTE FUNCTION refuse_one()")
    try:
        fw.stack.worker.configure({"worker": QUICK})
        for user in others:
            completed(fw, user, files=1)
        assert fw.ledger(odd) == [] and fw.objects_of(odd) == odd.keys
    finally:
        fw.psql("worker", "DROP FUNCTION refuse_one CASCADE")
    fw.psql("users", "UPDATE farewell.request SET reconcile_at = now() - interval '1 hour' WHERE user_id = %s", str(odd))
    completed(fw, odd, files=1)
    quiet(fw)
