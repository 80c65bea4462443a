"""A store that refuses everybody charges nobody for it, and deletes all when it is put right; a bucket's refusal is its rows' own."""
import os
import signal

import pytest

from stack.client import PARKED
from tools.jobs import ask, completed, quiet, said
from tools.s3_canned import Canned, deleted, error

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]


def deny_all(bucket):
    return [{"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]


def none_parked(fw, users):
    assert {fw.status(user) for user in users} <= {"running", "retrying", None}
    assert fw.stack.rabbit.queue(PARKED)[0] == 0


def test_wrong_credentials_park_nobody(fw):
    fw.purge(PARKED)
    worker = fw.stack.worker
    settings = {"children": 2, "reconciler": "no", "operator_attempts": 1}
    worker.configure({"worker": {**settings, "s3_secret_key_file": fw.stack.secret_file("s3-wrong", "not the secret")}})
    users = [fw.make_user(files=1) for _ in range(20)]
    for user in users:
        ask(fw, user)
    said(fw, "the store is away", "SignatureDoesNotMatch")
    fw.wait_until(lambda: sum(fw.status(user) == "retrying" for user in users) >= 5, what="some trials, another deletion each time")
    rows = [row for user in users for row in fw.ledger(user)]
    assert {(row["attempts"], row["turn"], row["mail"]) for row in rows} == {(0, 1, "pending")}, rows
    handed = [row for row in rows if row["status"] == "retrying"]
    assert {row["starts"] for row in handed} == {0} and all("SignatureDoesNotMatch" in row["last_error"] for row in handed)
    none_parked(fw, users)
    worker.configure({"worker": settings}, restart=False)     # a person puts it right
    os.kill(worker.pid, signal.SIGHUP)
    for user in users:
        row = completed(fw, user, files=1)
        assert (row["attempts"], row["turn"], row["starts"]) == (0, 1, 0), row
    quiet(fw)


def test_a_refusal_of_all_charges_three(fw):
    """Nobody can tell what is refused to all from what is refused of one account but by what becomes of other deletions."""
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no", "operator_attempts": 1}})
    users = [fw.make_user(files=1) for _ in range(8)]
    fw.stack.s3.policy(fw.bucket, deny_all(fw.bucket))
    try:
        for user in users:
            ask(fw, user)
        said(fw, f"bucket {fw.bucket} refuses", "AccessDenied")
        fw.wait_until(lambda: sum(bool(fw.ledger(user)) for user in users) >= 6, what="some trials")
        charged = [row["attempts"] > 0 for user in users for row in fw.ledger(user)]
        assert sum(charged) == 3, charged
        none_parked(fw, users)
    finally:
        fw.stack.s3.policy(fw.bucket, None)
    for user in users:
        completed(fw, user, files=1)
    said(fw, f"bucket {fw.bucket} serves again")
    quiet(fw)


def test_trials_take_one_deletion_after_the_other(fw):
    """The store says 503; once it is back, one success lets all through."""
    fw.purge(PARKED)
    good, asked = [], []

    def reply(request):
        if asked[-1:] != request.keys[:1]:      # each asks several times
            asked.append(request.keys[0])
        return deleted(request.keys) if good else error(503, "SlowDown")
    store = Canned(reply)
    try:
        fw.stack.worker.configure({"worker": {"s3_endpoint": store.endpoint, "s3_versions": "current", "children": 1, "reconciler": "no"}})
        users = [fw.make_user(files=1, put=False) for _ in range(8)]
        for user in users:
            ask(fw, user)
        said(fw, "the store is away", "SlowDown")
        fw.wait_until(lambda: len(set(asked)) >= 6, what="trials of several deletions")
        trials = list(asked)     # what was charged comes again, too, but not at once
        assert all(trial != after for trial, after in zip(trials, trials[1:])), trials
        good.append(True)
        for user in users:
            fw.wait_status(user)
        none_parked(fw, [])
    finally:
        store.close()
    quiet(fw)


@pytest.fixture
def denied(fw):
    """The same words for a bucket in which nobody may delete."""
    fw.purge(PARKED)
    denied = fw.at(fw.url)
    denied.bucket = fw.stack.s3.make_bucket("farewell-breaker")
    fw.stack.s3.policy(denied.bucket, deny_all(denied.bucket))
    yield denied
    fw.stack.s3.policy(denied.bucket, None)
    fw.purge(PARKED)


def test_many_in_a_bucket_that_refuses_keep_nobody_waiting(fw, denied):
    """Three of them are charged; the others wait for the bucket, whatever comes between, and nobody else for them."""
    worker = fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no"}})
    since = len(worker.log_text())
    refused, both = [denied.make_user(files=1) for _ in range(12)], fw.make_user(files=2)
    fw.add_files(both, [f"s3://{denied.bucket}/both-{both.id}"], put=False)
    fw.stack.s3.put(denied.bucket, f"both-{both.id}")
    for user in (*refused, both):
        ask(fw, user)
    said(fw, f"bucket {denied.bucket} refuses", "AccessDenied", since=since)
    fw.wait_until(lambda: fw.objects_of(both) == [], what="what the account has elsewhere to go")
    for user in [fw.make_user(files=1) for _ in range(3)]:
        ask(fw, user)
        completed(fw, user, files=1)
    fw.wait_until(lambda: all(fw.status(user) == "retrying" for user in (*refused, both)), what="a look at each")
    assert sum(fw.ledger(user)[0]["attempts"] > 0 for user in (*refused, both)) == 3
    assert "AccessDenied" in fw.ledger(both)[0]["last_error"] and fw.mails(both) == []
    assert "the store is away" not in worker.log_text()[since:]
    none_parked(fw, (*refused, both))
    fw.stack.s3.policy(denied.bucket, None)
    for user in refused:
        completed(denied, user, files=1)
    completed(fw, both, files=3)
    said(fw, f"bucket {denied.bucket} serves again", since=since)
    quiet(fw)


def test_one_bucket_that_refuses_stops_nobody(fw, denied):
    """The same two fail again and again while others succeed: that is counted as their own, and the store is not away."""
    worker = fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no"}})
    since = len(worker.log_text())
    try:
        refused = [denied.make_user(files=1) for _ in range(2)]
        for user in refused:
            ask(fw, user)
        while min((fw.ledger(user) or [{"attempts": 0}])[0]["attempts"] for user in refused) < 3:
            served = fw.make_user(files=1)
            ask(fw, served)
            completed(fw, served, files=1)
        assert "the store is away" not in worker.log_text()[since:]
        none_parked(fw, refused)
    finally:
        fw.stack.s3.policy(denied.bucket, None)
    for user in refused:
        completed(denied, user, files=1)
    quiet(fw)
