"""The S3 store is away, and comes back: the deletion completes by itself, and GET shows meanwhile how it stands."""
import datetime

import pytest

from tools.jobs import completed, quiet, together

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]


def test_store_away_and_back(fw, wires):
    wires.worker()
    wires.s3.refuse()
    user, other = fw.make_user(), fw.make_user(files=0)
    fw.delete(user)
    shown = fw.wait_until(lambda: (a := fw.get(user).json())["status"] == "retrying" and a, what="GET to show how it stands")
    assert shown["attempts"] == 0 and shown["mail"] == "pending" and shown["finishedAt"] is None
    assert "no answer from the store" in shown["lastError"]
    due, asked = (datetime.datetime.fromisoformat(shown[name].replace("Z", "+00:00")) for name in ("nextAttemptAt", "requestedAt"))
    assert due > asked, "retries wait for a second and more"

    fw.delete(other)  # has no files: what is tried next need not be for the store
    completed(fw, other, files=0)

    version = fw.ledger(user)[-1]["version"]
    fw.wait_until(lambda: fw.ledger(user)[-1]["version"] >= version + 2, what="another trial")
    assert fw.mails(user) == []
    wires.s3.accept()
    row = completed(fw, user, files=3)
    assert (row["attempts"], row["turn"], row["starts"]) == (0, 1, 0), "nobody is charged"
    shown = fw.get(user).json()
    assert (shown["status"], shown["nextAttemptAt"], shown["attempts"]) == ("completed", None, 0)
    quiet(fw)


def test_store_that_cuts_answers_and_is_slow_to_answer(fw, wires):
    wires.worker(s3_timeout="3s", children=4)

    def cut_before_the_answer():
        user = fw.make_user()
        trap = wires.s3.cut_at(b"HTTP/1.1 200", way="down")
        fw.delete(user)
        trap.wait()
        completed(fw, user, files=3)
    cut_before_the_answer()

    def no_answer_in_time():
        user = fw.make_user()
        wires.s3.hold("down")
        fw.delete(user)
        row = fw.wait_status(user, "retrying")
        assert "store" in row["last_error"], row
        wires.s3.release()
        completed(fw, user, files=3)
    together(no_answer_in_time)
    quiet(fw)
