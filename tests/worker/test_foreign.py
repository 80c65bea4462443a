"""Messages of other producers, {"userId": …} and NestJS's envelope: the users row decides."""
import random
import time

import pytest

from tools.jobs import completed, log_lines, quiet, said, together, untouched

pytestmark = pytest.mark.own_worker

MARK = "UPDATE users SET deleted_at = now() WHERE id = %s"


def nest(user):
    return {"pattern": "UserDeleted", "data": {"userId": user.id}}


def plain(user):
    return {"userId": str(user)}


def test_other_producers_messages(fw):
    fw.stack.worker.configure({"worker": {"children": 8, "foreign_grace": "4s"}})

    def deleted_by_other_means(body):
        user = fw.make_user()
        fw.psql("users", MARK, user.id)
        fw.publish(body(user))
        completed(fw, user, files=3)
        assert len(fw.requests(user)) == 1
        assert fw.get(user).json()["status"] == "completed"

    def as_plain_message():
        deleted_by_other_means(plain)

    def in_nestjs_envelope():
        deleted_by_other_means(nest)

    def of_an_active_user():
        user, began = fw.make_user(), time.monotonic()
        fw.publish(nest(user))
        said(fw, "aborted: the user is active", f"user={user.id} ")
        assert time.monotonic() - began > 3, "foreign_grace was not waited for"
        untouched(fw, user)
        assert fw.requests(user) == [] and fw.ledger(user) == []

    def the_same_three_times():
        user = fw.make_user()
        fw.psql("users", MARK, user.id)
        for body in (plain(user), nest(user), plain(user)):
            fw.publish(body)
        completed(fw, user, files=3)
        fw.publish(plain(user))
        fw.wait_until(lambda: len(log_lines(fw.stack.worker, f"user={user.id} ", "finished before")) >= 1, what="the echo")
        assert len(fw.mails(user)) == 1 and len(fw.requests(user)) == 1

    def beside_the_gateways():
        user = fw.make_user()
        deletion_id = fw.delete(user).json()["deletionId"]
        fw.publish(plain(user))
        completed(fw, user, files=3)
        assert [str(r["deletion_id"]) for r in fw.requests(user)] == [deletion_id]

    def of_nobody():
        user_id = random.randrange(10 ** 12, 10 ** 18)
        fw.publish({"userId": str(user_id)})
        said(fw, "parked: there is no such user", f"user={user_id} ")

    together(as_plain_message, in_nestjs_envelope, of_an_active_user, the_same_three_times,
             beside_the_gateways, of_nobody)
    quiet(fw)


def test_a_producer_that_publishes_before_it_commits(fw):
    fw.stack.worker.configure({"worker": {"foreign_grace": "10m"}})
    user = fw.make_user()
    fw.publish(plain(user))
    said(fw, "later: the user is active", f"user={user.id} ")
    untouched(fw, user)
    fw.psql("users", MARK, user.id)
    completed(fw, user, files=3)
    assert not log_lines(fw.stack.worker, "aborted", f"user={user.id} ")
    quiet(fw)
