"""The broker blocks publishers: DELETE is refused at once, /readyz says so, and the end of the alarm is heard."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.gateway import problem, unchanged

pytestmark = pytest.mark.outage

PATIENT = {"confirm_timeout": "6s", "lock_timeout": "7s", "statement_timeout": "8s", "request_timeout": "9s", "children": 1}


@pytest.fixture(params=["memory", "disk"])
def alarm(request, stack):
    """Raises a real alarm; .end() lifts it."""
    class Alarm:
        raised = False

        def raise_(self):
            self.raised = True
            if request.param == "memory":
                stack.rabbit.ctl("set_vm_memory_high_watermark", "0.0000001")
            else:
                stack.rabbit.ctl("set_disk_free_limit", "1000000GB")

        def end(self):
            if self.raised and request.param == "memory":
                stack.rabbit.ctl("set_vm_memory_high_watermark", "0.6")
            elif self.raised:
                stack.rabbit.ctl("set_disk_free_limit", "50MB")
            self.raised = False
    alarm = Alarm()
    yield alarm
    alarm.end()


def test_refused_at_once(fw, more_gateway, outbox, alarm):
    """Once it is known nobody waits for a confirm: the only one that did was told in the middle of it."""
    gateway = more_gateway(outbox.settings(**PATIENT))
    client = fw.at(gateway)
    done, users = fw.make_user(files=0), [fw.make_user(files=0) for _ in range(5)]
    deletion = client.delete(done).json()
    began = len(gateway.log_text())
    alarm.raise_()
    for user in users:
        assert "alarm" in problem(client.delete(user), 503, "broker-unavailable")["detail"]
        assert unchanged(fw, user)
    assert "no confirm in time" not in gateway.log_text()[began:]
    assert "alarm" in problem(client.request("GET", "/readyz"), 503, "not-ready")["detail"]
    # what needs no message goes on
    assert client.delete(done).json() == deletion
    problem(client.delete(987654321), 404, "unknown-user")
    alarm.end()
    fw.wait_until(lambda: client.request("GET", "/readyz").status == 200, 60, "the gateway to hear that the alarm is over")
    assert [client.delete(user).status for user in users] == [200] * len(users)
    ids = {fw.requests(user)[0]["deletion_id"] for user in (done, *users)}
    sent = [body["deletionId"] for _, body in outbox.messages()]
    assert ids <= set(sent) and len(sent) == len(set(sent))
    # the ghost of the one that met the alarm, and no more
    assert len(sent) <= len(ids) + 1


def test_the_children_tell_each_other(fw, more_gateway, outbox, alarm):
    """The broker tells only who publishes; /readyz of any child knows."""
    client = fw.at(more_gateway(outbox.settings(**{**PATIENT, "children": 6})))
    user = fw.make_user(files=0)
    assert client.request("GET", "/readyz").status == 200
    alarm.raise_()
    problem(client.delete(user), 503, "broker-unavailable")
    fw.wait_until(lambda: client.request("GET", "/readyz").status == 503, 60, "the child's word")
    with ThreadPoolExecutor(6) as pool:
        for answer in pool.map(lambda _: client.request("GET", "/readyz"), range(24)):
            assert "alarm" in problem(answer, 503, "not-ready")["detail"]
    alarm.end()
    fw.wait_until(lambda: client.delete(user).status == 200, 60, "the alarm to be over")
    fw.wait_until(lambda: client.request("GET", "/readyz").status == 200, 60, "the child's word")
