"""One DELETE through nginx: everything of the user's is gone, nothing of anybody else's, one mail."""
import hashlib

import pytest

from tools.jobs import completed, queues_empty

ODD = ["with space.bin", "사진/고양이.jpg", "a+b%2F.txt", "//double//slash", "a/../b", "quote\"'<&>.xml", "tab\tand\x01.bin", "x" * 900]


def content(fw, key):
    return hashlib.sha256(fw.stack.s3.client().get_object(Bucket=fw.bucket, Key=key)["Body"].read()).hexdigest()


@pytest.fixture
def neighbour(fw):
    """Somebody whose keys look very much like the user's."""
    user = fw.make_user(files=0)
    fw.add_files(user, [f"n{user.id}/{key}" for key in ODD])
    return user


def test_everything_of_the_user_is_gone_and_of_nobody_else(fw, neighbour):
    user = fw.make_user(files=2)
    fw.add_files(user, [f"n{neighbour.id}/" + key.replace("a", "A", 1) + "~" for key in ODD])
    stray = f"u{user.id}/not-in-the-table"
    fw.stack.s3.put(fw.bucket, stray)
    before = {key: content(fw, key) for key in neighbour.keys}
    rows = fw.psql("worker", "SELECT * FROM user_files WHERE user_id = %s ORDER BY id", neighbour.id)

    answer = fw.delete(user)
    assert answer.status == 200

    row = completed(fw, user, files=2 + len(ODD))
    assert (row["attempts"], row["starts"], row["turn"], row["last_error"]) == (0, 0, 1, None)
    mail, = fw.mails(user)
    assert mail["Subject"] == "Your account has been deleted"
    assert mail["Message-ID"].startswith(f"<{answer.json()['deletionId']}@")
    assert "Kim Minji" in mail.get_body(("plain",)).get_content()

    assert {key: content(fw, key) for key in neighbour.keys} == before
    assert fw.psql("worker", "SELECT * FROM user_files WHERE user_id = %s ORDER BY id", neighbour.id) == rows
    assert fw.user_row(neighbour)["deleted_at"] is None
    assert stray in fw.objects(prefix=stray)

    shown = fw.get(user).json()
    assert (shown["status"], shown["mail"], shown["filesDeleted"], shown["attempts"]) == ("completed", "sent", 2 + len(ODD), 0)
    assert shown["finishedAt"] and shown["startedAt"]
    queues_empty(fw)


def test_a_user_without_files(fw):
    user = fw.make_user(files=0)
    fw.delete(user)
    completed(fw, user, files=0)
