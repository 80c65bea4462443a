"""A bucket whose multi-object delete is refused: its objects are deleted one by one, those of other buckets still many at a time."""
import pytest

from tools.jobs import ask
from tools.s3_canned import Canned, answer, deleted

pytestmark = pytest.mark.own_worker

ODD = "farewell-odd-bucket"


@pytest.fixture
def canned():
    """A store that has no multi-object delete for one bucket."""
    def reply(request):
        if request.method != "POST":
            return answer(204)
        return answer(405) if ODD in request.target else deleted(request.keys)
    server = Canned(reply)
    yield server
    server.close()


def test_other_buckets_are_deleted_in_batches(fw, canned):
    fw.stack.worker.configure({"worker": {"children": 1, "s3_endpoint": canned.endpoint, "s3_versions": "current"}})
    for _ in range(2):
        user = fw.make_user(files=0)
        fw.add_files(user, [f"s3://{bucket}/{n}" for bucket in (ODD, "farewell-plain-bucket") for n in range(3)], put=False)
        ask(fw, user)
        fw.wait_status(user, "completed")
    asked = [(r.method, r.target.split("/")[1].partition("?")[0]) for r in canned.requests]
    assert asked.count(("DELETE", ODD)) == 6 and asked.count(("POST", ODD)) == 1, asked
    assert asked.count(("POST", "farewell-plain-bucket")) == 2 and asked.count(("DELETE", "farewell-plain-bucket")) == 0, asked
