"""A broker that stands still holds up two requests of a child, and not every one that comes."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.gateway import problem, unchanged

pytestmark = pytest.mark.outage

QUICK = {"confirm_timeout": "1s", "lock_timeout": "5s", "statement_timeout": "6s", "request_timeout": "9s", "children": 1}


def test_two_wait_and_the_rest_do_not(fw, stack, outbox, more_gateway):
    gateway = more_gateway(outbox.settings(**QUICK))
    client = fw.at(gateway)
    users = [fw.make_user(files=0) for _ in range(8)]
    began = len(gateway.log_text())
    stack.rabbit.pause()
    with ThreadPoolExecutor(len(users)) as pool:
        answers = list(pool.map(client.delete, users))
    for answer in answers:
        problem(answer, 503, "broker-unavailable")
    assert sum("is left alone" in answer.json()["detail"] for answer in answers) == len(users) - 2
    # and so it goes on, whatever it finds out in between
    for user in users:
        assert "is left alone" in problem(client.delete(user), 503, "broker-unavailable")["detail"]
    log = gateway.log_text()[began:]
    assert log.count("rolling back: broker:") == 2, log
    stack.rabbit.resume()
    fw.wait_until(lambda: client.delete(users[0]).status == 200, 60, "the broker to be asked again")
    assert all(unchanged(fw, user) for user in users[1:])
    assert [client.delete(user).status for user in users] == [200] * len(users)
