"""A bucket that answers 503 keeps no other bucket from being asked, nor a page the pages behind it."""
import http.client

import pytest

from tools.jobs import ask, completed, quiet
from tools.s3_canned import Canned, answer, error

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]


@pytest.fixture
def store(fw):
    """The stack's store behind a server that says SlowDown for one bucket while .slow names it."""
    def forward(request):
        if store.slow and request.target.lstrip("/").startswith(store.slow):
            return error(503, "SlowDown")
        connection = http.client.HTTPConnection("127.0.0.1", fw.stack.s3.rgw.port, timeout=60)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(request.body)
            reply = connection.getresponse()
            body = reply.read()
            return answer(reply.status, body)
        finally:
            connection.close()
    store = Canned(forward)
    store.slow = None
    yield store
    fw.stack.worker.stop()
    store.close()


def test_the_other_bucket_is_emptied(fw, store):
    first, last = fw.stack.s3.make_bucket("aaa-farewell"), fw.stack.s3.make_bucket("zzz-farewell")
    user = fw.make_user(files=0)
    keys = [f"{user.id}/{n}" for n in range(8)]
    for bucket in (first, last):
        for key in keys:
            fw.stack.s3.put(bucket, key)
        fw.add_files(user, [f"s3://{bucket}/{key}" for key in keys], put=False)  # those of the slow bucket come first
    fw.stack.worker.configure({"worker": {"children": 1, "files_page": 2, "s3_endpoint": store.endpoint}})
    store.slow = first
    ask(fw, user)
    fw.wait_until(lambda: fw.objects(last) == [], what="the other bucket to be empty")
    row = fw.wait_until(lambda: (r := fw.ledger(user)[0])["status"] == "retrying" and r, what="the retry")
    assert row["files_deleted"] == 8 and "SlowDown" in row["last_error"] and first in row["last_error"], row
    assert fw.objects(first) == sorted(keys) and fw.mails(user) == []
    store.slow = None
    completed(fw, user, files=16)
    assert fw.objects(first) == []
    for bucket in (first, last):
        fw.stack.s3.client().delete_bucket(Bucket=bucket)
    quiet(fw)
