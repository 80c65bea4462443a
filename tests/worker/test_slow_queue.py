"""A slow queue: nothing is published again that the queue still has; what is lost is, and all of it as fast as it goes."""
import threading

import pytest

from stack.client import QUEUE
from tools.jobs import ask, commit_request, completed, forget_the_unfinished, log_lines, message, quiet, said

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

QUICK = {"reconcile_after": "1s", "reconcile_every": "300ms"}


@pytest.fixture(autouse=True)
def alone(fw):
    forget_the_unfinished(fw)


def published_again(fw, since):
    return log_lines(fw.stack.worker, "published again", since=since)


def look_now(fw, users):
    fw.psql("users", "UPDATE farewell.request SET reconcile_at = now() - interval '1 hour' WHERE user_id = ANY (%s)", [str(u) for u in users])


def finished_in_order(fw, users):
    rows = fw.psql("worker", "SELECT user_id, turn FROM farewell.deletion WHERE user_id = ANY (%s) ORDER BY finished_at", [str(u) for u in users])
    return [(row["user_id"], row["turn"]) for row in rows]


def test_what_is_only_late_is_left_in_its_place(fw):
    """Ten times as long in the queue as the reconciler waits before it looks."""
    fw.stack.worker.configure({"worker": {**QUICK, "children": 1}})
    since = len(fw.stack.worker.log_text())
    fw.stack.smtp.control(delay=0.5)
    users = fw.make_users(24)
    for user in users:
        ask(fw, user)
    fw.wait_status(users[11], "completed")
    fw.stack.smtp.control()
    for user in users:
        completed(fw, user)
    assert published_again(fw, since) == []
    assert finished_in_order(fw, users) == [(str(user), 1) for user in users]
    quiet(fw)


def test_after_the_loss_of_a_broker_all_at_once(fw):
    """Batch after batch in one look; the next look would be in an hour."""
    fw.stack.worker.stop()
    users = fw.make_users(45)
    for user in users:
        fw.publish(message(user, commit_request(fw, user)))
    fw.purge(QUEUE)
    look_now(fw, users)
    fw.stack.worker.configure({"worker": {"reconcile_batch": 10, "reconcile_every": "1h"}})
    for user in users:
        completed(fw, user)
    assert {turn for _, turn in finished_in_order(fw, users)} == {2}
    quiet(fw)


def test_the_queue_limit_bounds_what_is_published(fw):
    """More messages than reconcile_queue_limit and a batch never wait, and yet all come."""
    fw.stack.worker.stop()
    users = fw.make_users(40)
    for user in users:
        commit_request(fw, user)
    look_now(fw, users)
    fw.stack.smtp.control(delay=0.1)
    most, done = [], threading.Event()

    def watch():
        while not done.wait(0.05):
            most.append(fw.queue_messages(QUEUE))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        fw.stack.worker.configure({"worker": {"reconcile_batch": 5, "reconcile_queue_limit": 5, "reconcile_every": "1h", "children": 1}})
        for user in users:
            completed(fw, user)
    finally:
        done.set()
        watcher.join()
    assert 0 < max(most) <= 10, most
    quiet(fw)


def test_one_that_is_lost_in_a_queue_that_is_never_empty(fw):
    fw.stack.worker.configure({"worker": {**QUICK, "children": 1}})
    since = len(fw.stack.worker.log_text())
    fw.stack.smtp.control(delay=0.5)
    crowd, least, done = [], [], threading.Event()
    crowded = 40     # what takes the worker longer than whoever feeds it can be held up

    def feed():
        while not done.wait(0.02):
            waiting = fw.queue_messages(QUEUE)
            least.append(waiting)
            if waiting < crowded:
                for user in fw.make_users(8):
                    ask(fw, user)
                    crowd.append(user)
    for user in fw.make_users(crowded):
        ask(fw, user)
        crowd.append(user)
    lost = fw.make_user(files=1)
    deletion_id = commit_request(fw, lost)
    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        said(fw, "published again", deletion_id, since=since)
    finally:
        done.set()
        feeder.join()
    fw.stack.smtp.control()
    completed(fw, lost, files=1)
    for user in crowd:
        completed(fw, user)
    assert min(least) > 0, "it was empty once"
    assert len(published_again(fw, since)) == 1, "the others were only late"
    quiet(fw)
