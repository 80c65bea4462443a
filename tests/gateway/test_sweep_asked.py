"""A repeated DELETE of a completed deletion asks the worker to look for files that came late."""
import pytest


@pytest.fixture
def asked(fw, stack, outbox, more_gateway, user):
    """(helper, function that says whether the worker was asked), while no worker takes it up."""
    stack.worker.stop()
    client = fw.at(more_gateway(outbox.settings()))
    assert client.delete(user).status == 200
    return client, lambda: fw.value("users", "SELECT sweep_asked FROM farewell.request WHERE user_id = %s", str(user))


def test_of_a_completed_one(fw, asked, outbox, user):
    client, when = asked
    fw.psql("users", "UPDATE farewell.request SET status = 'completed', finished_at = now() WHERE user_id = %s", str(user))
    answer = client.delete(user)
    assert answer.status == 200 and answer.json()["status"] == "completed"
    first = when()
    assert first is not None
    assert client.delete(user).json() == answer.json()
    assert when() == first and len(outbox.messages()) == 1


def test_of_one_that_is_under_way(asked, user):
    client, when = asked
    assert client.delete(user).status == 200
    assert when() is None
