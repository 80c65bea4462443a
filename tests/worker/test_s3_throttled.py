"""A store that refuses one request in five: a job goes on in the same attempt, and nothing is left for an hour later."""
import pytest

from tools.jobs import ask, completed, quiet
from tools.s3_canned import Canned, deleted, error

pytestmark = pytest.mark.own_worker

ROWS, PAGE = 8000, 1000


@pytest.fixture
def store(fw):
    def reply(request):
        return error(503, "SlowDown") if len(server.requests) % 5 == 0 else deleted(request.keys)
    server = Canned(reply)
    yield server
    fw.stack.worker.stop()
    server.close()


def test_one_attempt_is_enough(fw, store):
    fw.stack.worker.configure({"worker": {"children": 1, "s3_endpoint": store.endpoint, "files_page": PAGE, "s3_versions": "current",
                                           "s3_request_payer": "requester"}})
    user = fw.make_user(files=0)
    fw.add_files(user, [f"s3://farewell-any/{n}" for n in range(ROWS)], put=False)
    ask(fw, user)
    row = completed(fw, user, files=ROWS)
    assert (row["turn"], row["attempts"], row["starts"]) == (1, 0, 0)
    assert len(store.requests) <= 2 * ROWS / PAGE + 2
    assert max(len(r.keys) for r in store.requests) == PAGE
    assert {r.headers.get("x-amz-request-payer") for r in store.requests} == {"requester"}
    quiet(fw)
