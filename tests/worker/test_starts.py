"""A message that kills its worker again and again is parked by the child that finds max_starts in the ledger."""
import os
import signal

import pytest

from stack.client import PARKED, QUEUE
from tools.jobs import ask, completed, forget_the_unfinished, parked_message, quiet, said

pytestmark = pytest.mark.own_worker


def test_a_message_that_kills_children(fw, wires):
    fw.purge(PARKED)
    forget_the_unfinished(fw)
    wires.worker(children=1, reconciler="no", max_starts=3)
    wires.s3.hold()
    user, other = fw.make_user(), fw.make_user()
    ask(fw, user)
    for start in (1, 2, 3):
        fw.wait_until(lambda: (fw.ledger(user) or [{}])[0].get("starts") == start, what=f"start {start}")
        child, = fw.stack.worker.children()
        os.kill(child, signal.SIGKILL)
        said(fw, "worker child was killed by signal 9", f"child={child} ")
    row = fw.wait_status(user, "parked")
    assert "3 workers in a row ended without an outcome" in row["last_error"] and row["files_deleted"] == 0
    properties, body = parked_message(fw, user)
    assert properties.headers["x-farewell-reason"] == row["last_error"]

    wires.s3.release()
    ask(fw, other)  # the next one is served
    completed(fw, other, files=3)
    fw.publish(body, queue=QUEUE)
    completed(fw, user, files=3)
    quiet(fw)
