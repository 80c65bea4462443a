"""When a server is back, what waits for the hour's end is brought forward; what only a person can fix is not."""
import time

import pytest

from tools.jobs import ask, completed, said

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

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


def away_for_a_while(fw):
    """The mail server, for longer than the first delay, and somebody whose mail shows that it is back."""
    since = len(fw.stack.worker.log_text())
    fw.stack.smtp.control(greeting="554 5.3.2 no service here")
    witness = fw.make_user(files=0)
    ask(fw, witness)
    said(fw, "the mail server is away", since=since)
    time.sleep(1.5)
    fw.stack.smtp.control()
    completed(fw, witness)
    said(fw, "the mail server is back", since=since)


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
    since = len(fw.stack.worker.log_text())
    away_for_a_while(fw)
    for user in late:
        row = completed(fw, user)
        assert (row["attempts"], row["turn"]) == (2, before[user.id]["turn"] + 1), row
    said(fw, "a server is back", since=since)
    row, = fw.ledger(odd)
    assert (row["turn"], row["attempts"], row["next_attempt_at"]) == (before[odd.id]["turn"], 2, before[odd.id]["next_attempt_at"]), row
    # The messages that are still in the retry queue are superseded when they come.
    assert fw.stack.rabbit.queue(LATE)[0] == len(late) + 1
