"""A mail server that has nobody's mail: files go on, mails wait, and nobody is charged."""
import os

import pytest

from stack.client import PARKED
from tools.jobs import completed, log_lines, quiet, said
from tools.pool import Board

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

MAIL_SERVER = 8     # a bit of enum server

AWAY = {
    "at the greeting": {"greeting": "554 5.3.2 no service here"},
    "at the log-in": {"auth": ["somebody", "else"]},
}


@pytest.mark.parametrize("faults", AWAY.values(), ids=AWAY)
def test_files_go_on_and_mails_wait(fw, faults):
    fw.purge(PARKED)
    worker = fw.stack.worker.configure({"worker": {"children": 2, "operator_attempts": 1}})
    since = len(worker.log_text())
    fw.stack.smtp.control(**faults)
    users = [fw.make_user(files=2) for _ in range(8)]
    for user in users:
        fw.delete(user)
    said(fw, "the mail server is away", "files are deleted, mails wait", since=since)
    for user in users:
        row = fw.wait_status(user, "retrying")
        assert (row["attempts"], row["starts"], row["mail"], row["mails"]) == (0, 0, "pending", 0), row
        assert fw.objects_of(user) == [] and row["files_deleted"] == 2 and row["turn"] == 1
        assert "SMTP" in row["last_error"] or "mail server" in row["last_error"], row
    shown = fw.wait_until(lambda: (a := fw.get(users[0]).json())["status"] == "retrying" and a, what="GET to say so")
    assert (shown["mail"], shown["attempts"], shown["filesDeleted"]) == ("pending", 0, 2) and shown["lastError"]
    late = fw.make_user(files=2)     # while they wait
    fw.delete(late)
    fw.wait_status(late, "retrying")
    assert fw.objects_of(late) == []
    board = Board(os.path.join(fw.stack.place.path("run", "worker"), "farewell-workerd.scoreboard"))
    assert any(child["away"] == MAIL_SERVER for child in board.children)
    fw.stack.smtp.control()
    for user in [*users, late]:
        row = completed(fw, user, files=2)     # one mail
        assert (row["attempts"], row["starts"], row["mails"]) == (0, 0, 1), row
    said(fw, "the mail server is back", since=since)
    lines = len(log_lines(worker, "the mail server is away", since=since))
    assert 1 <= lines <= 2, "each child says it once a minute"
    quiet(fw)
