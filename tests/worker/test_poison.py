"""Messages that can't be read are parked with the reason, and the next one is served at once."""
import json
import time

import pytest

from stack.client import PARKED, QUEUE
from tools.jobs import ask, completed, quiet

pytestmark = pytest.mark.outage

WRONG = {
    "": "the body is empty",
    "{": "not JSON",
    "delete user 5, please": "not JSON",
    '{"userId": 5} {"userId": 6}': "not JSON",
    "[5]": "not an object",
    "null": "the body is",
    "{}": '"userId" is missing',
    '{"userid": "5"}': '"userId" is missing',
    '{"userId": null}': '"userId"',
    '{"userId": ["5"]}': '"userId"',
    '{"userId": true}': '"userId"',
    '{"userId": ""}': "common.id_format",
    '{"userId": "5; DROP TABLE users"}': "common.id_format",
    '{"userId": "../5"}': "common.id_format",
    '{"userId": "5\\u0000"}': "common.id_format",
    '{"userId": "5", "deletionId": "x"}': "not a UUID",
    '{"userId": "5", "deletionId": 7}': "not a UUID",
    '{"userId": "5", "deletionId": "00000000-0000-4000-8000-000000000000", "turn": 0}': "turn",
    '{"userId": "5", "deletionId": "00000000-0000-4000-8000-000000000000", "turn": "1"}': "turn",
    '{"userId": "5", "deletionId": "00000000-0000-4000-8000-000000000000", "turn": 99999999999}': "turn",
    '{"pattern": "UserCreated", "data": {"userId": 5}}': "pattern",
    '{"pattern": "UserDeleted", "data": 5}': "data",
    "[" * 5000: "not JSON",
}


@pytest.fixture
def parked(fw):
    """The parked messages, taken out: {body: headers}; the queue is empty before and after."""
    fw.wait_until(lambda: fw.stack.rabbit.queue(PARKED), what="the parked queue")
    fw.purge(PARKED)

    def take(count):
        found = {}
        fw.wait_until(lambda: (fw.stack.rabbit.queue(PARKED) or (0,))[0] >= count, what=f"{count} parked messages")
        for _ in range(count):
            _, properties, body = fw.take_message(PARKED)
            found[body] = properties.headers or {}
        return found
    yield take
    fw.purge(PARKED)


def test_unreadable_messages_are_parked_with_the_reason(fw, parked):
    for body in WRONG:
        fw.publish(body, correlation_id="poison-1")
    fw.publish(b'{"userId": "\xff\xfe"}')
    user = fw.make_user()
    ask(fw, user)
    assert completed(fw, user)["attempts"] == 0
    found = parked(len(WRONG) + 1)
    for body, reason in WRONG.items():
        assert reason in found[body.encode()]["x-farewell-reason"], body[:80]
    assert "not JSON" in found[b'{"userId": "\xff\xfe"}']["x-farewell-reason"]
    quiet(fw)


def test_large_messages_are_parked_whole(fw, parked):
    ten = json.dumps({"userId": "5", "padding": "x" * (10 << 20)}).encode()
    twenty = json.dumps({"userId": "5", "padding": "y" * (20 << 20)}).encode()
    fw.publish(ten)
    fw.publish(twenty)
    user = fw.make_user()
    ask(fw, user)
    assert completed(fw, user)["attempts"] == 0
    found = parked(2)
    assert "bytes" in found[ten]["x-farewell-reason"]
    death, = found[twenty]["x-death"]  # too large even to be published again: the broker moved it
    assert (death["queue"], death["reason"]) == (QUEUE, "rejected")
    quiet(fw)


def test_a_large_message_on_a_slow_line(fw, parked, wires):
    """Slower than connect_timeout, which is for one answer and not for a message of any size."""
    wires.worker(children=1, connect_timeout="1s", broker_heartbeat="2s")
    wires.broker.throttle(400_000)
    body = json.dumps({"userId": "5", "padding": "z" * 700_000}).encode()
    fw.publish(body)
    user = fw.make_user()
    ask(fw, user)
    completed(fw, user)
    wires.broker.calm()
    assert list(parked(1)) == [body]
    time.sleep(1)
    assert fw.queue_messages(PARKED) == 0
