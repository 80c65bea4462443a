"""A retry queue that takes nothing, as a policy with a length limit makes it: no child waits for it, nothing is lost or charged."""
import pika.exceptions
import pytest

from stack.client import PARKED
from tools.jobs import ask, commit_request, completed, lease_held, log_lines, message, quiet, said

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

QUEUES = ["refusing.10m", "refusing.20m"]
SETTINGS = {"common": {"retry_queue_prefix": "refusing", "retry_delays": "10m 20m"},
            "worker": {"children": 1, "reconcile_every": "300ms", "reconcile_after": "1s"}}


@pytest.fixture
def refusing(fw):
    """Both retry queues are longer than the policy allows: the broker answers each publish with a nack."""
    fw.purge(PARKED)
    fw.stack.worker.configure(SETTINGS)
    for queue in QUEUES:
        fw.stack.rabbit.wait_queue(queue)
        fw.publish({"filler": 1}, queue=queue)
    fw.stack.rabbit.ctl("set_policy", "refusing", "^refusing", '{"max-length":0}', "--apply-to", "queues")
    fw.wait_until(lambda: [nacked(fw, queue) for queue in QUEUES] == [True, True], what="the queues to refuse")
    yield
    fw.stack.rabbit.ctl("clear_policy", "refusing", check=False)
    fw.stack.worker.stop()
    connection = fw.stack.rabbit.connect()
    for queue in QUEUES:
        connection.channel().queue_delete(queue)
    connection.close()


def nacked(fw, queue):
    try:
        fw.publish({"filler": 2}, queue=queue)
    except pika.exceptions.NackError:
        return True
    return False


def test_a_recorded_retry_is_left_to_the_reconciler(fw, refusing):
    failing, other = fw.make_user(files=1), fw.make_user(files=1)
    fw.psql("worker", "UPDATE user_files SET file_path = 's3://no-such-bucket-at-all/x' WHERE user_id = %s", failing.id)
    ask(fw, failing)
    said(fw, "the reconciler publishes it", f"user={failing.id} ")
    ask(fw, other)
    completed(fw, other, files=1)     # by the only child
    row = fw.ledger(failing)[0]
    assert (row["status"], row["turn"], row["attempts"]) == ("retrying", 2, 1), row
    fw.psql("worker", "UPDATE user_files SET file_path = %s WHERE user_id = %s", f"s3://{fw.bucket}/{failing.keys[0]}", failing.id)
    fw.psql("worker", "UPDATE farewell.deletion SET next_attempt_at = now() WHERE user_id = %s", str(failing))
    fw.psql("users", "UPDATE farewell.request SET reconcile_at = now() - interval '1 hour' WHERE user_id = %s", str(failing))
    completed(fw, failing, files=1)   # while the queues still refuse
    quiet(fw)


def test_what_is_not_recorded_goes_round_by_the_main_queue(fw, refusing):
    leased, other = fw.make_user(files=1), fw.make_user(files=1)
    fw.stack.worker.configure({**SETTINGS, "worker": {"children": 1, "reconciler": "no"}})
    deletion_id = commit_request(fw, leased)
    since = len(fw.stack.worker.log_text())
    with lease_held(fw, deletion_id):
        fw.publish(message(leased, deletion_id))
        said(fw, "later: ", f"user={leased.id} ", since=since)
        ask(fw, other)
        completed(fw, other, files=1)
        fw.wait_until(lambda: len(log_lines(fw.stack.worker, "later: ", f"user={leased.id} ", since=since)) >= 2, what="it to come round")
        assert fw.ledger(leased) == []
    row = completed(fw, leased, files=1)
    assert (row["turn"], row["attempts"], row["starts"]) == (1, 0, 0), row
    assert fw.stack.rabbit.queue(PARKED)[0] == 0
    quiet(fw)


def test_once_it_takes_messages_again_it_is_used_at_once(fw, refusing):
    """The broker goes on answering the old connection with nacks for minutes; a new one it does not."""
    first, later = fw.make_user(files=1), fw.make_user(files=1)
    for user in (first, later):
        fw.psql("worker", "UPDATE user_files SET file_path = 's3://no-such-bucket-at-all/x' WHERE user_id = %s", user.id)
    ask(fw, first)
    said(fw, "the reconciler publishes it", f"user={first.id} ")
    fw.stack.rabbit.ctl("clear_policy", "refusing", check=False)
    fw.wait_until(lambda: [nacked(fw, queue) for queue in QUEUES] == [False, False], what="the queues to take messages")
    before = fw.stack.rabbit.queue(QUEUES[0])[0]
    ask(fw, later)
    fw.wait_status(later, "retrying")
    fw.wait_until(lambda: fw.stack.rabbit.queue(QUEUES[0])[0] > before, what="the retry to be in its queue")
    assert not log_lines(fw.stack.worker, "the reconciler publishes it", f"user={later.id} ")
