"""When a server is back, what waits for the hour's end is brought forward; what only a person can fix is not."""
import mmap

import pytest

from tools.jobs import ask, completed, said

RECOVERED = 8 + 4 * 4 + 32 + 16 * 32 + 4     # where the scoreboard's head counts how often a server came back
LATE = "farewell.retry.1h"


@pytest.fixture
def an_hour(fw):
    """Retries after a second, and then after an hour."""
    fw.stack.worker.configure({"common": {"retry_delays": "1s 1h"}, "worker": {
        "reconcile_every": "300ms", "reconcile_batch": 2,
        "user_contact_sql": "SELECT email, CASE WHEN name = 'Odd' THEN (name::int)::text ELSE name END, locale FROM users WHERE id = $1"}})
    yield
    fw.stack.worker.stop()
    connection = fw.stack.rabbit.connect()
    connection.channel().queue_delete(LATE)
    connection.close()


def say_that_a_server_is_back(fw):
    """As the child does that saw it."""
    with open(fw.stack.place.path("run", "worker", "farewell-workerd.scoreboard"), "r+b") as f, mmap.mmap(f.fileno(), 0) as board:
        board[RECOVERED] += 1


def test_a_server_that_is_back_shortens_the_wait(fw, an_hour):
    fw.stack.smtp.control(rcpt={"*": "451 4.3.0 later"})
    late = [fw.make_user(files=0) for _ in range(5)]
    odd = fw.make_user(files=0, name="Odd")
    for user in (*late, odd):
        ask(fw, user)
    before = {}
    for user in (*late, odd):
        before[user.id] = fw.wait_until(lambda user=user: (r := fw.ledger(user)) and r[0]["attempts"] == 2 and r[0]["status"] == "retrying" and r[0],
                                        what="the second attempt")
    assert not before[odd.id]["heals"] and all(before[user.id]["heals"] for user in late)
    fw.stack.smtp.control()
    since = len(fw.stack.worker.log_text())
    say_that_a_server_is_back(fw)
    for user in late:
        row = completed(fw, user)
        assert (row["attempts"], row["turn"]) == (2, before[user.id]["turn"] + 1), row
    said(fw, "a server is back", since=since)
    row, = fw.ledger(odd)
    assert (row["turn"], row["attempts"], row["next_attempt_at"]) == (before[odd.id]["turn"], 2, before[odd.id]["next_attempt_at"]), row
    # The messages that are still in the retry queue are superseded when they come.
    assert fw.stack.rabbit.queue(LATE)[0] == len(late) + 1
