"""Values of file_path that name no object: reported and parked, everything else deleted, nothing else touched."""
from stack.client import QUEUE
from tools.jobs import completed, parked_message, quiet

WRONG = [
    "http://farewell-test/x", "S3://farewell-test/x", "s3:/farewell-test/x", "/farewell-test/x", "://", "://x",
    "s3://", "s3:///", "s3:///key", "s3://farewell-test", "s3://farewell-test/", "s3://farewell-test/.", "s3://farewell-test/..",
    "s3://../farewell-test", "s3://./x", "s3://Farewell-Test/x", "s3://farewell_test/x", "s3://ab/x", "s3://127.0.0.1/x",
    "s3://-farewell/x", "s3://fare..well/x", "s3://farewell-test?delete/x", "s3://farewell-test%2F/x", "s3://farewell-test/" + "k" * 1025,
    "s3://" + "b" * 64 + "/x", "s3://user@farewell-test/x", "s3://farewell-test:80/x", "s3://farewell-test #/x",
]


def test_paths_that_are_no_objects(fw):
    victims = [f"victims-{i}" for i in range(3)] + ["x", "key", "victims/.", "victims/..", "victims/a"]
    for key in victims:
        fw.stack.s3.put(fw.bucket, key)
    user = fw.make_user(files=4)
    wrong = [p for p in WRONG if "://" in p]
    fw.add_files(user, wrong, put=False)
    # Legal keys, however odd they look: deleted as such, and never as what a path of that name would mean.
    fw.add_files(user, [f"s3://{fw.bucket}/../{fw.bucket}/victims-0", f"s3://{fw.bucket}/./victims-1", f"s3://{fw.bucket}//victims-2",
                        f"s3://{fw.bucket}/nowhere/../x"], put=False)
    odd = fw.psql("worker", "INSERT INTO user_files (user_id, file_path) SELECT %s, unnest(%s::text[])", user.id,
                  [p for p in WRONG if "://" not in p])

    fw.delete(user)
    row = fw.wait_status(user, "parked")
    assert row["files_deleted"] == 8
    assert "file row" in row["last_error"] and "correct or remove the row" in row["last_error"]
    assert fw.objects_of(user) == []
    left = fw.psql("worker", "SELECT file_path FROM user_files WHERE user_id = %s AND deleted_at IS NULL", user.id)
    assert len(left) == len(wrong) + odd and fw.mails(user) == []
    assert set(victims) <= set(fw.objects())
    shown = fw.wait_until(lambda: (a := fw.get(user).json())["status"] == "parked" and a, what="GET to say parked")
    assert shown["lastError"] == row["last_error"] and shown["finishedAt"] is None

    properties, body = parked_message(fw, user)
    assert properties.headers["x-farewell-reason"] == row["last_error"]

    # A person corrects the rows and moves the message back.
    fw.stack.s3.put(fw.bucket, f"corrected-{user.id}")
    fw.psql("worker", "UPDATE user_files SET file_path = %s WHERE user_id = %s AND deleted_at IS NULL",
            f"s3://{fw.bucket}/corrected-{user.id}", user.id)
    fw.publish(body, queue=QUEUE, **{"headers": properties.headers, "message_id": properties.message_id})
    row = completed(fw, user, files=8 + len(left))
    assert row["attempts"] == 0 and row["last_error"] is None
    assert fw.objects(prefix=f"corrected-{user.id}") == []
    assert set(victims) <= set(fw.objects())
    quiet(fw)
