"""A worker.files_sql that does not heed $2: rows that can't be deleted would be read again and again, in one delivery, for ever."""
import pytest

from stack.client import PARKED
from tools.jobs import ask, completed, log_lines, quiet

pytestmark = pytest.mark.own_worker

HEEDLESS = ("SELECT id::text, file_path FROM user_files WHERE user_id = $1 AND deleted_at IS NULL AND ($2::bigint IS NULL OR true)"
            " ORDER BY user_files.id LIMIT $3")


def test_the_same_page_again(fw):
    fw.purge(PARKED)
    fw.stack.worker.configure({"worker": {"children": 1, "files_sql": HEEDLESS, "files_page": 4}})
    full, longer, good, other = fw.make_user(files=0), fw.make_user(files=0), fw.make_user(files=9), fw.make_user(files=1)
    fw.add_files(full, [f"http://example.test/{n}" for n in range(4)], put=False)
    fw.add_files(longer, [f"http://example.test/{n}" for n in range(6)], put=False)
    for user in (full, longer, good, other):
        ask(fw, user)
    for user in (full, longer):
        row = fw.wait_status(user, "parked")
        assert "worker.files_sql returns the same page again" in row["last_error"] and "$2" in row["last_error"], row
        assert 1 <= len(log_lines(fw.stack.worker, "a file can't be deleted", f"user={user.id} ")) <= 8
    completed(fw, other, files=1)
    completed(fw, good, files=9)
    fw.purge(PARKED)
    quiet(fw)
