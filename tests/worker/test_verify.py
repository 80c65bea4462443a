"""worker.s3_verify: a store that says it has deleted what it still has is not believed."""
import urllib.parse

import pytest

from tools.jobs import ask
from tools.s3_canned import Canned, answer, deleted, error

pytestmark = pytest.mark.own_worker


class Liar:
    """A store that confirms every deletion, and does it only when .honest."""

    def __init__(self):
        self.keys, self.honest = set(), False

    def reply(self, request):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.target).query, keep_blank_values=True)
        if request.method == "POST":
            self.keys -= set(request.keys) if self.honest else set()
            return deleted(request.keys)
        if "versioning" in query or "uploads" in query:
            return error(501, "NotImplemented")
        prefix = query.get("prefix", [""])[0]
        return answer(200, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>" + "".join(
            f"<Contents><Key>{urllib.parse.quote(key)}</Key></Contents>" for key in sorted(self.keys) if key.startswith(prefix)) + "</ListBucketResult>")


@pytest.mark.parametrize("versions", ["all", "current"])
def test_a_store_that_lies(fw, versions):
    liar = Liar()
    store = Canned(liar.reply)
    try:
        fw.stack.worker.configure({"worker": {"children": 1, "s3_endpoint": store.endpoint, "s3_versions": versions, "s3_verify": "yes"}})
        user = fw.make_user(["a", "b &+한", "c"], put=False)
        liar.keys = set(user.keys[:2]) | {user.keys[0] + "/twin"}
        ask(fw, user)
        row = fw.wait_until(lambda: (rows := fw.ledger(user)) and rows[0]["status"] == "retrying" and rows[0], what="the retry")
        assert "s3_verify" in row["last_error"] and row["attempts"] >= 1 and row["files_deleted"] == 1, row
        assert fw.mails(user) == []
        liar.honest = True
        row = fw.wait_status(user, "completed")
        assert row["files_deleted"] == 3 and len(fw.mails(user)) == 1 and len(liar.keys) == 1
    finally:
        fw.stack.worker.stop()
        store.close()
