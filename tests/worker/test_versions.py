"""worker.s3_versions: in a bucket that keeps versions everything of the rows' keys goes; or, with `current`, the mail says what stays."""
import datetime
import secrets

import pytest

from stack.client import PARKED, QUEUE
from tools.jobs import ask, completed, parked_message, quiet, said, untouched
from tools.s3_tool import everything, versioning


@pytest.fixture
def keeping(fw):
    """The same words for a bucket that keeps versions."""
    fw.purge(PARKED)
    other = fw.at(fw.url)
    other.bucket = fw.stack.s3.make_bucket("farewell-v-" + secrets.token_hex(4))
    versioning(fw.stack.s3, other.bucket)
    yield other
    other.stack.s3.policy(other.bucket, None)
    fw.purge(PARKED)


def put_again(fw, user):
    for key in user.keys:
        fw.stack.s3.put(fw.bucket, key)


def text_of(mail):
    return " ".join(part.get_content() for part in mail.walk() if part.get_content_type().startswith("text/"))


def test_every_version_goes(fw, keeping):
    user, twin = keeping.make_user(files=["u/a", "u/b"]), keeping.make_user(files=["t/a", "t/b"])
    near = [key + "/" for key in user.keys] + [key + "x" for key in user.keys]
    for key in near:
        fw.stack.s3.put(keeping.bucket, key)
    put_again(keeping, user)
    put_again(keeping, twin)
    fw.stack.s3.client().delete_object(Bucket=keeping.bucket, Key=user.keys[0])
    fw.stack.s3.client().create_multipart_upload(Bucket=keeping.bucket, Key=user.keys[1])
    fw.stack.s3.client().create_multipart_upload(Bucket=keeping.bucket, Key=twin.keys[1])
    before = everything(fw.stack.s3, keeping.bucket)
    ask(fw, user)
    completed(keeping, user, files=2)
    assert fw.ledger(user)[0]["versions_left"] == 0
    assert everything(fw.stack.s3, keeping.bucket) == {key: n for key, n in before.items() if key not in user.keys}
    assert "older versions" not in text_of(fw.mails(user)[0])
    untouched(keeping, twin)
    quiet(fw)


@pytest.mark.own_worker
@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_turned_on_a_moment_ago(fw, status):
    """The child has just deleted in the bucket, which had no versions; since then the application has deleted the object."""
    fw.stack.worker.configure({"worker": {"children": 1}})
    other = fw.at(fw.url)
    other.bucket = fw.stack.s3.make_bucket("farewell-v-" + secrets.token_hex(4))
    first, second = other.make_user(files=2), other.make_user(files=["a", "b"])
    ask(fw, first)
    completed(other, first, files=2)
    versioning(fw.stack.s3, other.bucket)
    put_again(other, second)
    for key in second.keys:
        fw.stack.s3.client().delete_object(Bucket=other.bucket, Key=key)
    versioning(fw.stack.s3, other.bucket, status)
    ask(fw, second)
    completed(other, second, files=2)
    assert everything(fw.stack.s3, other.bucket) == {}
    quiet(fw)


@pytest.mark.own_worker
def test_current_leaves_versions_and_says_so(fw, keeping):
    fw.stack.worker.configure({"worker": {"s3_versions": "current", "children": 1}})
    users = [keeping.make_user(files=[locale + "/a", locale + "/b"], locale=locale) for locale in ("en", "de", "ko")]
    for user in users:
        ask(fw, user)
    for user in users:
        completed(keeping, user, files=2)
        assert fw.ledger(user)[0]["versions_left"] == 2 and fw.get(user).json()["versionsLeft"] == 2
        assert everything(fw.stack.s3, keeping.bucket)[user.keys[0]] == 2, "the version and the marker"
    for user, words in zip(users, ("Of 2 of them our storage still keeps older versions", "Von 2 davon bewahrt unser Speicher", "그중 2개 파일의 이전 버전")):
        texts = text_of(fw.mails(user)[0])
        assert texts.count(words) == 2, texts  # plain text and HTML
    plain = fw.make_user(files=1)
    ask(fw, plain)
    completed(fw, plain, files=1)
    assert "older versions" not in text_of(fw.mails(plain)[0]) and "kept\nin it. There is nothing" in text_of(fw.mails(plain)[0])


@pytest.mark.own_worker
def test_a_bucket_that_is_given_versioning_meanwhile(fw):
    """It was looked at before: the answer to the deletion says it, and nothing stays."""
    fw.stack.worker.configure({"worker": {"children": 1}})
    other = fw.at(fw.url)
    other.bucket = fw.stack.s3.make_bucket("farewell-v-" + secrets.token_hex(4))
    first, second = other.make_user(files=1), other.make_user(files=["s/a", "s/b"])
    ask(fw, first)
    completed(other, first, files=1)
    versioning(fw.stack.s3, other.bucket)
    put_again(other, second)
    ask(fw, second)
    completed(other, second, files=2)
    assert everything(fw.stack.s3, other.bucket) == {} and fw.ledger(second)[0]["versions_left"] == 0


@pytest.mark.own_worker
@pytest.mark.parametrize("action", ["s3:GetBucketVersioning", "s3:ListBucketVersions", "s3:DeleteObjectVersion"])
def test_a_missing_permission_parks_naming_it(fw, keeping, action):
    fw.stack.worker.configure({"worker": {"children": 1, "operator_attempts": 1}})
    fine, user = keeping.make_user(files=1), keeping.make_user(files=["a", "b"])
    ask(fw, fine)
    completed(keeping, fine, files=1)  # the bucket serves others
    fw.stack.worker.restart()  # what is known of the bucket is forgotten
    arn = f"arn:aws:s3:::{keeping.bucket}"
    fw.stack.s3.policy(keeping.bucket, [{"Effect": "Deny", "Principal": "*", "Action": action, "Resource": [arn, arn + "/*"]}])
    ask(fw, user)
    row = fw.wait_until(lambda: (rows := fw.ledger(user)) and rows[0]["last_error"] and rows[0], what="the refusal")
    assert action in row["last_error"] and "AccessDenied" in row["last_error"], row
    assert fw.mails(user) == [] and row["files_deleted"] == 0
    fw.stack.s3.policy(keeping.bucket, None)
    completed(keeping, user, files=2)
    assert everything(fw.stack.s3, keeping.bucket) == {}


@pytest.mark.own_worker
def test_what_may_not_be_deleted_is_parked(fw, keeping):
    """A policy on some keys' versions, while the bucket serves others; the rest of the account's is gone."""
    fw.stack.worker.configure({"worker": {"children": 1, "operator_attempts": 1}})
    user = keeping.make_user(files=["locked/a", "free/b"])
    put_again(keeping, user)
    fw.stack.s3.policy(keeping.bucket, [{"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObjectVersion",
                                         "Resource": f"arn:aws:s3:::{keeping.bucket}/locked/*"}])
    ask(fw, user)
    while not fw.ledger(user) or fw.ledger(user)[0]["status"] != "parked":
        other = keeping.make_user(files=["free/" + secrets.token_hex(4)])
        ask(fw, other)
        completed(keeping, other, files=1)
    row, = fw.ledger(user)
    assert "s3:DeleteObjectVersion" in row["last_error"] and row["files_deleted"] == 1 and fw.mails(user) == [], row
    assert everything(fw.stack.s3, keeping.bucket) == {"locked/a": 2}


@pytest.fixture
def locking(fw):
    other = fw.at(fw.url)
    other.bucket = "farewell-l-" + secrets.token_hex(4)
    fw.stack.s3.client().create_bucket(Bucket=other.bucket, ObjectLockEnabledForBucket=True)
    return other


@pytest.mark.own_worker
def test_a_lock_is_waited_for(fw, locking):
    """Uncounted, with the date, without a message in the broker, and never parked for it; then it goes through."""
    fw.stack.worker.configure({"worker": {"children": 1, "park_after": "1s", "reconcile_after": "1s", "reconcile_every": "300ms"}})
    user = locking.make_user(files=["locked", "free"])
    until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=30)
    fw.stack.s3.client().put_object_retention(Bucket=locking.bucket, Key=user.keys[0] if "locked" in user.keys[0] else user.keys[1],
                                              Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
    ask(fw, user)
    row = fw.wait_until(lambda: (rows := fw.ledger(user)) and rows[0]["status"] == "retrying" and rows[0], what="the wait")
    date = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert date in row["last_error"] and "lock" in row["last_error"], row
    assert (row["attempts"], row["files_deleted"], row["failing_since"]) == (0, 1, None) and row["next_attempt_at"] >= until, row
    quiet(fw)
    assert fw.mails(user) == [] and list(everything(fw.stack.s3, locking.bucket).values()) == [1]
    request = fw.wait_until(lambda: (r := fw.requests(user)[0])["status"] == "retrying" and r, what="the request to say so")
    assert date in request["last_error"] and request["attempts"] == 0
    completed(locking, user, files=2, timeout=120)
    assert everything(fw.stack.s3, locking.bucket) == {} and len(fw.mails(user)) == 1
    assert fw.ledger(user)[0]["attempts"] == 0


@pytest.mark.own_worker
def test_a_legal_hold_wants_a_person(fw, locking):
    fw.stack.worker.configure({"worker": {"children": 1, "operator_attempts": 1}})
    user = locking.make_user(files=["held", "free"])
    held = next(key for key in user.keys if "held" in key)
    client = fw.stack.s3.client()
    client.put_object_legal_hold(Bucket=locking.bucket, Key=held, LegalHold={"Status": "ON"})
    ask(fw, user)
    said(fw, "legal hold", f"user={user.id} ")
    row = fw.wait_status(user, "parked")     # at once: the next attempt would find the same, and it is about nobody else
    assert "legal hold" in row["last_error"] and row["files_deleted"] == 1, row
    assert list(everything(fw.stack.s3, locking.bucket)) == [held] and fw.mails(user) == []
    client.put_object_legal_hold(Bucket=locking.bucket, Key=held, LegalHold={"Status": "OFF"})
    fw.publish(parked_message(fw, user)[1], queue=QUEUE)
    completed(locking, user, files=2)
