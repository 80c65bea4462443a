"""How often the broker delivered a message: only its own count is believed, never one that came with the message."""
from stack.client import PARKED, QUEUE
from tools.jobs import commit_request, completed, delivered_too_often, message, parked_message, quiet


def test_a_count_that_came_with_the_message_is_not_believed(fw):
    user = fw.make_user()
    fw.publish(message(user, commit_request(fw, user)), headers={"x-delivery-count": 1000})
    completed(fw, user, files=3)
    quiet(fw)


def test_nor_when_the_broker_has_delivered_it_before(fw):
    fw.stack.worker.stop()
    user = fw.make_user()
    fw.publish(message(user, commit_request(fw, user)), headers={"x-delivery-count": 1000})
    fw.wait_until(lambda: fw.take_message(QUEUE, ack=False), what="the message to be there")
    fw.stack.worker.start()
    completed(fw, user, files=3)
    quiet(fw)


def test_looking_at_a_parked_message_does_not_wear_it_out(fw):
    """A shovel moves a message back with all its headers, the parked queue's own count among them."""
    user = delivered_too_often(fw)
    fw.wait_status(user, "parked")
    for _ in range(31):     # each time it is back a moment later
        fw.wait_until(lambda: fw.take_message(PARKED, ack=False), what="the parked message to be there")
    properties, body = parked_message(fw, user)
    fw.publish(body, queue=QUEUE, headers={**(properties.headers or {}), "x-delivery-count": 31})
    completed(fw, user, files=3)
    quiet(fw)
