"""Every message of the broker may be lost: the reconciler finds what is unfinished and publishes it again, and nothing else."""
import os
import signal

import pytest

from stack.client import QUEUE
from tools.jobs import commit_request, completed, lease_held, log_lines, message, quiet

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

QUICK = {"reconcile_after": "1s", "reconcile_every": "300ms"}


def ledger_row(fw, user, deletion_id, status, turn, more="", *values):
    columns = ", ".join(["deletion_id", "user_id", "status", "turn"] + ([more] if more else []))
    places = ", ".join(["%s"] * (4 + len(values)))
    fw.psql("worker", f"INSERT INTO farewell.deletion ({columns}) VALUES ({places})", deletion_id, str(user), status, turn, *values)


def look_now(fw, user):
    fw.psql("users", "UPDATE farewell.request SET reconcile_at = now() - interval '1 hour' WHERE user_id = %s", str(user))


def test_all_messages_lost(fw):
    fw.stack.worker.stop()
    users = [fw.make_user(files=1) for _ in range(6)]
    for user in users:
        fw.publish(message(user, commit_request(fw, user)))
    fw.purge(QUEUE)
    fw.stack.worker.configure({"worker": QUICK})
    for user in users:
        completed(fw, user, files=1)
        assert fw.ledger(user)[0]["turn"] == 2
    quiet(fw)


def test_retries_lost(fw):
    """In a queue in which they would have stayed for an hour."""
    fw.stack.worker.configure({"common": {"retry_delays": "1s 1h"}, "worker": QUICK})
    fw.stack.smtp.control(rcpt={"*": "451 4.3.0 later"})
    user = fw.make_user(files=1)
    fw.publish(message(user, commit_request(fw, user)))
    row = fw.wait_until(lambda: (r := fw.ledger(user)) and r[0]["attempts"] == 2 and r[0], what="the second attempt")
    fw.wait_until(lambda: fw.stack.rabbit.queue("farewell.retry.1h")[0] == 1, what="its message to wait")
    fw.purge("farewell.retry.1h")
    fw.stack.smtp.control()
    fw.psql("worker", "UPDATE farewell.deletion SET next_attempt_at = now() WHERE user_id = %s", str(user))
    look_now(fw, user)
    completed(fw, user, files=1)
    assert fw.ledger(user)[0]["turn"] > row["turn"]
    quiet(fw)
    with fw.stack.rabbit.channel() as channel:
        channel.queue_delete("farewell.retry.1h")


def test_what_is_left_alone(fw):
    fw.stack.worker.stop()
    since = len(fw.stack.worker.log_text())
    due_later, parked, finished, leased, restored = (fw.make_user(files=1) for _ in range(5))
    ids = {user.id: commit_request(fw, user) for user in (due_later, parked, finished, leased, restored)}
    ledger_row(fw, due_later, ids[due_later.id], "retrying", 3, "next_attempt_at, attempts", "tomorrow", 2)
    ledger_row(fw, parked, ids[parked.id], "parked", 2, "last_error", "for a reason")
    ledger_row(fw, finished, ids[finished.id], "completed", 1, "finished_at, mail", "now", "sent")
    fw.psql("users", "UPDATE users SET deleted_at = NULL WHERE id = %s", restored.id)
    with lease_held(fw, ids[leased.id]):
        fw.stack.worker.configure({"worker": QUICK})
        assert fw.wait_finished(finished)["status"] == "completed"
        fw.wait_until(lambda: fw.requests(parked)[0]["status"] == "parked", what="the request to say parked")
        assert fw.requests(parked)[0]["last_error"] == "for a reason"
        fw.wait_status(restored, "cancelled")
        fw.wait_until(lambda: fw.requests(leased)[0]["reconciled"] >= 2, what="the reconciler to look twice")
        for user in (due_later, parked, finished, leased):
            assert fw.objects_of(user) == user.keys
        assert fw.ledger(leased) == [] and fw.ledger(due_later)[0]["turn"] == 3 and fw.ledger(parked)[0]["turn"] == 2
        for user in (due_later, parked, finished, leased):
            assert not log_lines(fw.stack.worker, "published again", ids[user.id], since=since)
            assert not log_lines(fw.stack.worker, " parked: ", ids[user.id], since=since)
    look_now(fw, leased)
    completed(fw, leased, files=1)
    fw.psql("worker", "UPDATE farewell.deletion SET next_attempt_at = now() WHERE user_id = %s", str(due_later))
    look_now(fw, due_later)
    completed(fw, due_later, files=1)
    # An end for those that wait for a person: they would be reconciled by every later test.
    fw.psql("users", "DELETE FROM farewell.request WHERE user_id = %s", str(parked))
    quiet(fw)


def test_the_wait_doubles(fw):
    user = fw.make_user(files=1)
    deletion_id = commit_request(fw, user)
    with lease_held(fw, deletion_id):
        fw.stack.worker.configure({"worker": QUICK})
        first, second = (fw.wait_until(lambda: (r := fw.requests(user)[0])["reconciled"] == count and r, what=f"look {count}")["reconcile_at"]
                         for count in (1, 2))
    assert (second - first).total_seconds() >= 4  # 2 s until the second look, and its 3 s are 2 s more than the first one's
    look_now(fw, user)
    completed(fw, user, files=1)
    quiet(fw)


def test_queue_deleted_under_the_consumers(fw):
    fw.stack.worker.configure({"worker": QUICK})
    user = fw.make_user(files=1)
    connection = fw.stack.rabbit.connect()
    connection.channel().queue_delete(QUEUE)
    connection.close()
    commit_request(fw, user)
    completed(fw, user, files=1)
    fw.wait_until(lambda: fw.stack.rabbit.queue(QUEUE)[1] == 2, what="both children to consume again")
    quiet(fw)


def test_queue_deleted_when_the_first_child_is_gone(fw):
    fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no"}})
    child, = fw.stack.worker.children()
    os.kill(child, signal.SIGKILL)
    fw.wait_until(lambda: fw.stack.worker.children() not in ([], [child]) and fw.stack.rabbit.queue(QUEUE)[1] == 1, what="another child")
    connection = fw.stack.rabbit.connect()
    connection.channel().queue_delete(QUEUE)
    connection.close()
    fw.wait_until(lambda: (fw.stack.rabbit.queue(QUEUE) or (0, 0))[1] == 1, what="the queue to be there again, and consumed")
    user = fw.make_user(files=1)
    fw.delete(user)
    completed(fw, user, files=1)


def test_queue_deleted_when_the_first_child_was_recycled(fw):
    fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no", "max_jobs_per_child": 1}})
    first, user = fw.stack.worker.children(), fw.make_user(files=1)
    fw.delete(user)
    completed(fw, user, files=1)
    fw.wait_until(lambda: fw.stack.worker.children() not in ([], first) and fw.stack.rabbit.queue(QUEUE)[1] == 1, what="another child")
    connection = fw.stack.rabbit.connect()
    connection.channel().queue_delete(QUEUE)
    connection.close()
    fw.wait_until(lambda: (fw.stack.rabbit.queue(QUEUE) or (0, 0))[1] == 1, what="the queue to be there again, and consumed")


def test_two_hosts_publish_once(fw, more_worker):
    fw.stack.worker.configure({"worker": QUICK})
    second = more_worker({"worker": QUICK})
    users = [fw.make_user(files=1) for _ in range(10)]
    ids = [commit_request(fw, user) for user in users]
    for user in users:
        assert fw.wait_status(user)["turn"] == 2
        assert len(fw.mails(user)) == 1
    lines = [[line for deletion_id in ids for line in log_lines(worker, "published again", deletion_id)] for worker in (fw.stack.worker, second)]
    assert sorted(map(len, lines)) == [0, len(ids)], "one of them leads"
    quiet(fw)


def test_one_request_that_can_not_be_told_keeps_no_other(fw):
    """The reconciler carries to the requests what they have not heard of, past one that refuses to be told."""
    fw.stack.worker.stop()
    odd, other = fw.make_user(), fw.make_user()
    for user in (odd, other):
        deletion_id = commit_request(fw, user)
        fw.psql("worker", "INSERT INTO farewell.deletion (deletion_id, user_id, status, mail, finished_at, updated_at, version)"
                " VALUES (%s, %s, 'completed', 'none', now(), now() - interval '1 hour', 2)", deletion_id, str(user.id))
    fw.psql("users", "CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$")
    fw.psql("users", f"CREATE TRIGGER refuse_one BEFORE UPDATE ON farewell.request FOR EACH ROW WHEN (NEW.user_id = '{odd.id}'"
            " AND NEW.status = 'completed') EXECUTE FUNCTION refuse_one()")
    try:
        fw.stack.worker.configure({"worker": QUICK})
        assert fw.wait_finished(other)["status"] == "completed"
        assert fw.requests(odd)[0]["finished_at"] is None
    finally:
        fw.psql("users", "DROP FUNCTION refuse_one CASCADE")
    assert fw.wait_finished(odd)["status"] == "completed"
