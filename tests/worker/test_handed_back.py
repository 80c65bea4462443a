"""A database that is away charges nobody: the message in hand goes back by the retry queue, and no child takes another until it is back."""
import os
import signal
import time

import pytest

from stack import PATIENCE
from stack.client import PARKED, QUEUE
from tools.jobs import RETRY_QUEUES, ask, completed, quiet, said
from tools.pool import Board

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

HANDED_BACK = 8           # enum job_outcome
WORKER_DB, SERVING, AWAY = 2, 1, 8    # a bit of enum server; enum scoreboard_flag


def workers(fw):
    """What the scoreboard says of the children that consume."""
    board = Board(os.path.join(fw.stack.place.path("run", "worker"), "farewell-workerd.scoreboard"))
    return [child for child in board.children if child["kind"] == "worker"]


def handed_back(fw):
    return sum(child["counters"][HANDED_BACK] for child in workers(fw))


def uncharged(fw, users):
    """Each was completed by its first message, without an attempt or a start being counted against it."""
    for user in users:
        row = completed(fw, user, files=1, timeout=2 * PATIENCE)
        assert (row["attempts"], row["starts"], row["turn"]) == (0, 0, 1), row
    assert fw.stack.rabbit.queue(PARKED)[0] == 0
    quiet(fw)


def delivery_counts(fw):
    """Of every message that waits somewhere, how often the broker has delivered it in vain."""
    counts = []
    connection = fw.stack.rabbit.connect()
    try:
        channel = connection.channel()
        for name in [*RETRY_QUEUES, QUEUE]:
            while (found := channel.basic_get(name))[0]:
                counts.append((found[1].headers or {}).get("x-delivery-count", 0))
    finally:
        connection.close()     # which puts them back
    return counts


def asked_while_the_ledger_is_away(fw, wires, children, count):
    fw.purge(PARKED)
    wires.worker(children=children, reconciler="no")
    users = [fw.make_user(files=1) for _ in range(count)]
    wires.ledger.refuse()
    wires.ledger.cut()
    for user in users:
        ask(fw, user)
    return users


def test_worker_database_away_for_longer_than_a_delay(fw, wires):
    users = asked_while_the_ledger_is_away(fw, wires, 3, 12)
    said(fw, "the worker database is away", str(wires.ledger.port))
    time.sleep(4)     # the first delay is 1 s
    assert 1 <= handed_back(fw) <= 6, "children go on taking messages"
    assert [len(fw.objects_of(user)) for user in users] == [1] * 12
    wires.ledger.accept()
    uncharged(fw, users)


def test_what_is_handed_back_is_not_requeued(fw, wires):
    """A requeued message is back at once, and counts as delivered each time."""
    users = asked_while_the_ledger_is_away(fw, wires, 2, 6)
    fw.wait_until(lambda: fw.stack.rabbit.queue(QUEUE)[1] == 0, what="the children to stop consuming")
    assert handed_back(fw) >= 1
    fw.stack.worker.stop()     # which they do at once
    assert delivery_counts(fw) == [0] * 6
    wires.ledger.accept()
    fw.stack.worker.start()
    uncharged(fw, users)


def test_a_log_in_that_is_refused(fw):
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"children": 2, "reconciler": "no"}})
    users = [fw.make_user(files=1) for _ in range(8)]
    admin = fw.stack.postgres.admin
    since = len(fw.stack.worker.log_text())
    admin("ALTER ROLE farewell PASSWORD 'another'")
    try:
        admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'farewell-workerd%'")
        for user in users:
            ask(fw, user)
        said(fw, "worker.user_db: can't connect", "28P01", since=since)
        time.sleep(3)
        assert fw.stack.rabbit.queue(PARKED)[0] == 0 and [fw.ledger(user) for user in users] == [[]] * 8
    finally:
        admin("ALTER ROLE farewell PASSWORD %s", "correct horse")
    uncharged(fw, users)


def test_children_believe_each_other(fw, wires):
    """One finds the worker database away; the others take no message to find out the same, and are not called ready."""
    fw.purge(PARKED)
    wires.worker(children=3, reconciler="no", broker_heartbeat="3s")
    first, users = fw.make_user(files=1), [fw.make_user(files=1) for _ in range(8)]
    fw.wait_until(lambda: [c["flags"] & SERVING for c in workers(fw)] == [SERVING] * 3, what="each child to have its sessions")
    wires.ledger.refuse()
    wires.ledger.cut()
    ask(fw, first)
    fw.wait_until(lambda: fw.stack.rabbit.queue(QUEUE)[1] == 0 and [c["flags"] & AWAY for c in workers(fw)] == [AWAY] * 3,
                  what="every child to stop consuming")
    for user in users:
        ask(fw, user)
    time.sleep(3)
    shown = workers(fw)
    assert handed_back(fw) <= 3, "at most the one that each had in hand"
    assert sorted(child["away"] for child in shown) == [0, 0, WORKER_DB], shown
    assert {child["step"] for child in shown} <= {"waiting for the worker database", "connecting"}
    assert fw.stack.worker.place.run(fw.stack.worker.argv("-H"), check=False).returncode != 0
    wires.ledger.accept()
    uncharged(fw, [first, *users])
    fw.wait_until(lambda: [child["away"] for child in workers(fw)] == [0, 0, 0], what="the flag to be taken down")


def test_a_database_that_hangs_costs_each_child_one_job(fw, wires):
    """Their sessions look well, so each finds out for itself, and then takes no more."""
    fw.purge(PARKED)
    wires.worker(children=3, reconciler="no", lock_timeout="1s", statement_timeout="2s", broker_heartbeat="3s")
    users = [fw.make_user(files=1) for _ in range(12)]
    fw.wait_until(lambda: [c["flags"] & SERVING for c in workers(fw)] == [SERVING] * 3, what="each child to have its sessions")
    wires.ledger.hold()
    for user in users:
        ask(fw, user)
    fw.wait_until(lambda: [child["away"] for child in workers(fw)] == [WORKER_DB] * 3, what="each child to find out")
    fw.wait_until(lambda: fw.stack.rabbit.queue(QUEUE)[1] == 0, what="every child to stop consuming")
    time.sleep(3)
    assert 3 <= handed_back(fw) <= 6, "the one that each had in hand, and the one that came meanwhile"
    wires.ledger.release()
    uncharged(fw, users)


def test_a_flag_of_a_child_that_hangs_is_not_believed_for_ever(fw, wires):
    fw.purge(PARKED)
    wires.worker(children=2, reconciler="no", broker_heartbeat="3s")
    first, other = fw.make_user(files=1), fw.make_user(files=1)
    wires.ledger.refuse()
    wires.ledger.cut()
    ask(fw, first)
    liar = fw.wait_until(lambda: next((c["pid"] for c in workers(fw) if c["away"]), None), what="a child to say so")
    fw.wait_until(lambda: fw.stack.rabbit.queue(QUEUE)[1] == 0, what="both to stop consuming")
    os.kill(liar, signal.SIGSTOP)
    try:
        wires.ledger.accept()
        ask(fw, other)
        uncharged(fw, [first, other])     # by the other child
    finally:
        os.kill(liar, signal.SIGCONT)


@pytest.mark.parametrize("signal_name", ["SIGHUP", "SIGUSR2"])
def test_told_something_while_waiting(fw, wires, signal_name):
    fw.purge(PARKED)
    wires.worker(children=2, reconciler="no")
    user = fw.make_user(files=1)
    wires.ledger.refuse()
    wires.ledger.cut()
    ask(fw, user)
    before = {child["pid"] for child in fw.wait_until(lambda: any(c["away"] for c in workers(fw)) and workers(fw), what="a child to say so")}
    os.kill(fw.stack.worker.pid, getattr(signal, signal_name))
    if signal_name == "SIGHUP":
        wires.ledger.accept()
        uncharged(fw, [user])
        fw.wait_until(lambda: not before & {c["pid"] for c in workers(fw)}, what="the children to be replaced")
        return
    wires.ledger.accept()
    time.sleep(2)
    assert fw.ledger(user) == [] or fw.status(user) != "completed"
    os.kill(fw.stack.worker.pid, signal.SIGUSR2)
    uncharged(fw, [user])
