"""The broker goes away in mid-job: the job is abandoned, nothing is counted, and it is done once when the message comes again."""
import time

import pytest

from stack.client import QUEUE
from tools.jobs import ask, completed, log_lines, quiet, said

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]

ACK = b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50"  # the frame of basic.ack on channel 1, up to its delivery tag


def test_connection_lost_in_mid_job(fw, wires):
    wires.worker(max_starts=2, reconciler="no")
    for _ in range(2):
        user = fw.make_user()
        wires.s3.hold()
        ask(fw, user)
        fw.wait_until(lambda: fw.status(user) == "running" and wires.s3.open_links, what="the job to be at the store")
        time.sleep(0.2)
        wires.broker.cut()
        said(fw, "come again", f"user={user.id} ")
        wires.s3.release()
        row = completed(fw, user, files=3)
        assert (row["attempts"], row["turn"]) == (0, 1)
    quiet(fw)


def test_connection_lost_at_the_acknowledgement(fw, wires):
    wires.worker(reconciler="no")
    user = fw.make_user()
    trap = wires.broker.cut_at(ACK)
    ask(fw, user)
    trap.wait()
    completed(fw, user, files=3)
    said(fw, "finished before", f"user={user.id} ")
    assert len(fw.mails(user)) == 1 and len(log_lines(fw.stack.worker, "completed", f"user={user.id} ")) == 1
    quiet(fw)


def test_connection_lost_while_a_retry_is_published(fw, wires):
    wires.worker(reconciler="no")
    user = fw.make_user()
    wires.s3.refuse()
    trap = wires.broker.cut_at(b"farewell.retry.1s\x03", times=1)  # basic.publish, mandatory
    before = wires.broker.accepted
    ask(fw, user)
    fw.wait_until(lambda: fw.status(user) == "retrying", what="a retry")
    fw.wait_until(lambda: wires.broker.accepted > before, what="a connection to publish on")
    wires.s3.accept()
    completed(fw, user, files=3)
    assert trap.hits <= 1
    quiet(fw)


def test_broker_restarted_in_mid_job(fw, wires):
    wires.worker()
    user, waiting = fw.make_user(), [fw.make_user(files=1) for _ in range(4)]
    wires.s3.hold()
    for one in (user, *waiting):
        ask(fw, one)
    fw.wait_status(user, "running")
    fw.stack.rabbit.kill()
    said(fw, "come again", f"user={user.id} ")
    fw.stack.rabbit.start()
    wires.s3.release()
    row = completed(fw, user, files=3)
    assert (row["attempts"], row["turn"]) == (0, 1)
    for one in waiting:
        completed(fw, one, files=1)
    fw.stack.rabbit.wait_queue(QUEUE)
    quiet(fw)


def test_silent_broker(fw, wires):
    wires.worker(broker_heartbeat="2s", reconciler="no")
    user = fw.make_user()
    wires.s3.hold()
    ask(fw, user)
    fw.wait_status(user, "running")
    wires.broker.hold()
    said(fw, "come again", f"user={user.id} ")  # no heartbeats come: the line is given up
    wires.broker.release()
    wires.s3.release()
    row = completed(fw, user, files=3)
    assert (row["attempts"], row["turn"]) == (0, 1)
    quiet(fw)


@pytest.fixture
def alarm(fw):
    """A memory alarm: the broker takes nothing from connections that publish."""
    fw.stack.rabbit.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    yield lambda: fw.stack.rabbit.ctl("set_vm_memory_high_watermark", "0.4")
    fw.stack.rabbit.ctl("set_vm_memory_high_watermark", "0.4")


def test_memory_alarm(fw, wires, request):
    wires.worker(children=2, reconciler="no")
    wires.s3.hold()
    users, failing = [fw.make_user(files=1) for _ in range(3)], fw.make_user(files=1)
    fw.psql("worker", "UPDATE user_files SET file_path = 's3://no-such-bucket-at-all/x' WHERE user_id = %s", failing.id)
    for user in (failing, *users):
        ask(fw, user)
    end = request.getfixturevalue("alarm")
    wires.s3.release()
    for user in users:  # consuming goes on; the one that has to publish waits
        completed(fw, user, files=1)
    said(fw, "could not be passed on", "alarm", f"user={failing.id} ")
    fw.psql("worker", "UPDATE user_files SET file_path = %s WHERE user_id = %s", f"s3://{fw.bucket}/{failing.keys[0]}", failing.id)
    end()
    completed(fw, failing, files=1)
    quiet(fw)


def test_connections_closed_by_the_operator(fw, wires):
    wires.worker(reconciler="no")
    user = fw.make_user()
    wires.s3.hold()
    ask(fw, user)
    fw.wait_status(user, "running")
    fw.stack.rabbit.ctl("close_all_connections", "maintenance")
    said(fw, "come again", "maintenance", f"user={user.id} ")
    wires.s3.release()
    row = completed(fw, user, files=3)
    assert (row["attempts"], row["turn"]) == (0, 1)
    quiet(fw)
