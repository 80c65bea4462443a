"""No confirm, no deletion: whatever keeps the message out of the queue, the answer is 503 and the user is as before."""
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.gateway import problem, through, unchanged
from tools.proxy import Proxy

pytestmark = pytest.mark.outage

QUICK = {"confirm_timeout": "1s", "lock_timeout": "3s", "statement_timeout": "4s", "request_timeout": "5s", "connect_timeout": "1s"}


@pytest.fixture
def quick(fw, more_gateway, outbox):
    return fw.at(more_gateway(outbox.settings(**QUICK)))


@pytest.fixture
def patient(fw, more_gateway, outbox):
    """A gateway that waits for a confirm for a second and for all else longer than nginx, which would answer 504 then."""
    return fw.at(more_gateway(outbox.settings(**{**QUICK, "lock_timeout": "40s", "statement_timeout": "50s", "request_timeout": "60s",
                                                 "nginx_read_timeout": "70s", "soft_timeout": "80s", "hard_timeout": "90s"})))


@pytest.fixture
def proxied(fw, stack, more_gateway, outbox):
    """(helper, proxy): a gateway of one process whose broker is behind the proxy."""
    with Proxy(stack.rabbit.port) as proxy:
        yield fw.at(more_gateway(outbox.settings(**QUICK, **through(stack, proxy.port, "broker"), children=1))), proxy


def works_again(client, user, outbox):
    """The same DELETE now succeeds, and its message is the only one of its deletion."""
    answer = client.delete(user)
    assert answer.status == 200, answer
    ids = [body["deletionId"] for _, body in outbox.messages()]
    assert ids.count(answer.json()["deletionId"]) == 1
    return ids


def test_unroutable(fw, quick, outbox, user):
    outbox.delete_queue()
    for _ in range(3):
        problem(quick.delete(user), 503, "message-unroutable")
        assert unchanged(fw, user)
    outbox.make_queue()
    assert len(works_again(quick, user, outbox)) == 1


def test_the_connection_is_kept_when_unroutable(fw, stack, proxied, outbox, user):
    """The return and its ack are both in: nothing can be mistaken for the next one's."""
    client, proxy = proxied
    outbox.delete_queue()
    accepted = proxy.accepted
    problem(client.delete(user), 503, "message-unroutable")
    outbox.make_queue()
    works_again(client, user, outbox)
    assert proxy.accepted == accepted


def test_no_exchange(fw, quick, outbox, user):
    outbox.delete_exchange()
    problem(quick.delete(user), 503, "broker-unavailable")
    assert unchanged(fw, user)
    outbox.channel(lambda c: c.exchange_declare(outbox.exchange, "direct", durable=True))
    outbox.make_queue()
    works_again(quick, user, outbox)


def test_a_full_queue_refuses(fw, quick, outbox, user):
    outbox.delete_queue()
    outbox.make_queue({"x-max-length": 1, "x-overflow": "reject-publish"})
    assert quick.delete(fw.make_user(files=0)).status == 200
    problem(quick.delete(user), 503, "broker-unavailable")
    assert unchanged(fw, user)
    assert len(outbox.messages()) == 1
    works_again(quick, user, outbox)


def test_the_broker_is_down(fw, stack, quick, outbox, user):
    done = fw.make_user(files=0)
    deletion = quick.delete(done).json()
    stack.rabbit.stop()
    problem(quick.delete(user), 503, "broker-unavailable")
    assert unchanged(fw, user)
    # what needs no message goes on
    assert quick.delete(done).json() == deletion
    assert quick.get(done).status == 200
    problem(quick.delete(987654321), 404, "unknown-user")
    assert quick.request("GET", "/healthz").status == 200
    assert "broker" in problem(quick.request("GET", "/readyz"), 503, "not-ready")["detail"]
    stack.rabbit.start()
    works_again(quick, user, outbox)
    assert quick.request("GET", "/readyz").status == 200


def test_the_gateway_comes_up_without_a_broker(fw, stack, more_gateway, outbox, user):
    stack.rabbit.stop()
    client = fw.at(more_gateway(outbox.settings(**QUICK), serving=False))
    problem(client.delete(user), 503, "broker-unavailable")
    stack.rabbit.start()
    works_again(client, user, outbox)


def test_no_confirm_in_time(fw, stack, patient, outbox, user):
    """The broker is stopped in its tracks: 503 in confirm_timeout, and the row is free again."""
    assert patient.delete(fw.make_user(files=0)).status == 200
    stack.rabbit.pause()
    started = time.monotonic()
    problem(patient.delete(user), 503, "broker-unavailable")
    assert time.monotonic() - started > 0.9, "confirm_timeout was not waited for"
    assert unchanged(fw, user)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: patient.delete(user), range(4)):
            assert answer.status == 503
    assert unchanged(fw, user)
    problem(patient.request("GET", "/readyz"), 503, "not-ready")
    stack.rabbit.resume()
    fw.wait_until(lambda: patient.delete(user).status == 200, what="the broker to be itself again")
    [request] = fw.requests(user)
    # the ghosts of those attempts may be there too, each with an id of its own
    ids = [body["deletionId"] for _, body in outbox.messages()]
    assert ids.count(request["deletion_id"]) == 1 and len(ids) == len(set(ids))


def test_a_memory_alarm(fw, stack, patient, outbox, user):
    assert patient.delete(fw.make_user(files=0)).status == 200
    before = stack.rabbit.ctl("eval", "vm_memory_monitor:get_vm_memory_high_watermark().").strip()
    stack.rabbit.ctl("set_vm_memory_high_watermark", "0.0000001")
    try:
        for _ in range(2):
            problem(patient.delete(user), 503, "broker-unavailable")
            assert unchanged(fw, user)
    finally:
        stack.rabbit.ctl("set_vm_memory_high_watermark", before)
    fw.wait_until(lambda: patient.delete(user).status == 200, what="the alarm to be over")
    [request] = fw.requests(user)
    ids = [body["deletionId"] for _, body in outbox.messages()]
    assert ids.count(request["deletion_id"]) == 1 and len(ids) == len(set(ids))


def test_the_connection_breaks_before_the_confirm(fw, stack, proxied, outbox, user):
    """The message is in the queue, but the gateway can't know: void, and the next attempt has another id."""
    client, proxy = proxied
    assert client.request("GET", "/readyz").status == 200
    proxy.hold("down")
    answer = client.delete(user)
    problem(answer, 503, "broker-unavailable")
    assert unchanged(fw, user)
    proxy.cut()
    proxy.calm()
    ids = works_again(client, user, outbox)
    assert len(ids) == 2 and len(set(ids)) == 2


def test_a_late_confirm_is_not_the_next_ones(fw, stack, proxied, outbox, user):
    client, proxy = proxied
    assert client.request("GET", "/readyz").status == 200
    proxy.hold("down")
    problem(client.delete(user), 503, "broker-unavailable")
    outbox.delete_queue()
    proxy.release("down")
    problem(client.delete(user), 503, "message-unroutable")
    assert unchanged(fw, user)


def test_a_connection_that_died_while_idle(fw, stack, proxied, outbox, user):
    client, proxy = proxied
    assert client.request("GET", "/readyz").status == 200
    proxy.cut()
    time.sleep(0.3)      # until the end of the connection has arrived
    assert client.delete(user).status == 200
    assert len(outbox.messages()) == 1


def test_heartbeats_while_idle(fw, stack, more_gateway, outbox, user):
    """With a heartbeat of 2 s the broker closes a connection that says nothing for 4 to 6."""
    with Proxy(stack.rabbit.port) as proxy:
        client = fw.at(more_gateway(outbox.settings(**through(stack, proxy.port, "broker"), children=1, broker_heartbeat="2s")))
        assert client.delete(fw.make_user(files=0)).status == 200
        accepted = proxy.accepted
        time.sleep(8)
        assert client.delete(user).status == 200
        assert proxy.accepted == accepted


def test_the_row_is_free_while_others_wait_for_the_broker(fw, stack, more_gateway, outbox, user):
    """FOR NO KEY UPDATE: a row that references the user can be inserted while the broker is slow."""
    fw.psql("users", "CREATE TABLE IF NOT EXISTS user_notes (user_id bigint REFERENCES users)")
    slow = {"confirm_timeout": "60s", "lock_timeout": "70s", "statement_timeout": "80s", "request_timeout": "90s",
            "nginx_read_timeout": "100s", "soft_timeout": "2m", "hard_timeout": "3m"}
    with Proxy(stack.rabbit.port) as proxy:
        gateway = more_gateway(outbox.settings(**slow, **through(stack, proxy.port, "broker"), children=1))
        gateway.nginx.configure(read_timeout="100s")
        published = proxy.trap(b"UserDeleted", do=lambda link: proxy.hold("down"))
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(fw.at(gateway).delete, user)
            published.wait()     # and no confirm comes back: the transaction holds the row
            fw.psql("users", "SET LOCAL lock_timeout = '1s'; INSERT INTO user_notes VALUES (%s)", user.id)
            assert not asked.done()
            proxy.release()
            assert asked.result().status == 200
    fw.psql("users", "DROP TABLE user_notes")
