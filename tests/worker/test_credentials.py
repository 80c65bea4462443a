"""The worker with temporary credentials: whole deletions with a session of the store's STS, which is replaced under way."""
import pytest

from stack.client import PARKED
from tools.aws_metadata import Metadata, answer
from tools.jobs import ask, completed, quiet, said

pytestmark = pytest.mark.outage

NO_KEYS = {"s3_access_key": None, "s3_secret_key_file": None}


@pytest.fixture
def gateway(fw):
    return fw.stack.s3.sts_gateway()


@pytest.fixture
def session_files(fw, gateway):
    """session_files(session) writes the three files, and gives the settings that name them."""
    place = fw.stack.place
    paths = {name: place.path("etc", f"session-{name}.secret") for name in ("key", "secret", "token")}

    def write(session):
        for name, field in (("key", "AccessKeyId"), ("secret", "SecretAccessKey"), ("token", "SessionToken")):
            place.write(paths[name], session[field] + "\n")
        return {**NO_KEYS, "s3_endpoint": gateway.endpoint, "s3_access_key_file": paths["key"], "s3_secret_key_file": paths["secret"], "s3_session_token_file": paths["token"]}
    return write


@pytest.mark.own_worker
def test_a_deletion_with_a_session_in_files(fw, gateway, session_files):
    """The token is another session's at first: nobody is parked, and the right one is found without a restart."""
    fw.purge(PARKED)
    session = fw.stack.s3.session(gateway)
    fw.stack.worker.configure({"worker": {**session_files({**session, "SessionToken": fw.stack.s3.session(gateway)["SessionToken"]}),
                                          "reconciler": "no", "operator_attempts": 1}})
    user = fw.make_user(files=3)
    ask(fw, user)
    said(fw, "failed, attempt 1", "S3 answered 403 AccessDenied")     # radosgw says no more than that
    assert len(fw.objects(prefix=f"u{user.id}/")) == 3
    session_files(session)
    completed(fw, user, files=3)
    session_files(fw.stack.s3.session(gateway))
    another = fw.make_user(files=2)
    ask(fw, another)
    completed(fw, another, files=2)
    assert fw.stack.rabbit.queue(PARKED)[0] == 0
    quiet(fw)


@pytest.mark.own_worker
def test_a_deletion_with_a_session_of_an_instance(fw, gateway):
    """Children ask the metadata service; while that refuses nobody is charged."""
    metadata = Metadata()
    session = fw.stack.s3.session(gateway)
    metadata.hand_out = lambda: {"AccessKeyId": session["AccessKeyId"], "SecretAccessKey": session["SecretAccessKey"],
                                 "Token": session["SessionToken"], "Expiration": session["Expiration"].strftime("%Y-%m-%dT%H:%M:%S%z")[:-2] + ":00"}
    metadata.trouble = lambda request: answer(404)
    try:
        worker = fw.stack.worker
        worker.extra_env = metadata.instance()
        worker.configure({"worker": {**NO_KEYS, "s3_endpoint": gateway.endpoint, "reconciler": "no"}})
        user = fw.make_user(files=2)
        ask(fw, user)
        said(fw, "the store is away", "no S3 credentials from the instance metadata: it answered 404")
        metadata.trouble = lambda request: None
        row = completed(fw, user, files=2)
        assert (row["attempts"], row["turn"]) == (0, 1), row
        code, output = worker.check()
        assert code == 0 and f"S3 credentials: from the instance metadata at {metadata.endpoint}, valid until 20" in output, output
    finally:
        metadata.close()
    code, output = worker.check()
    assert code != 0 and "no S3 credentials from the instance metadata: no answer" in output, output
    assert "none of worker.s3_access_key, s3_access_key_file, AWS_ACCESS_KEY_ID" in output
    assert metadata.without_token == []


def test_a_session_in_the_environment(fw, gateway, more_worker):
    session = fw.stack.s3.session(gateway)
    worker = more_worker({"worker": {**NO_KEYS, "s3_endpoint": gateway.endpoint}}, start=False)
    worker.extra_env = {"AWS_ACCESS_KEY_ID": session["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
                        "AWS_SESSION_TOKEN": session["SessionToken"]}
    code, output = worker.check()
    assert code == 0 and f"S3 credentials: from the environment (AWS_ACCESS_KEY_ID {session['AccessKeyId']})" in output, output
    assert session["SecretAccessKey"] not in output and session["SessionToken"] not in output


def test_a_start_without_credentials(fw, more_worker):
    worker = more_worker({"worker": NO_KEYS}, start=False)
    worker.extra_env = {"AWS_EC2_METADATA_DISABLED": "true"}
    worker.start(wait=False)
    fw.wait_until(lambda: not worker.running, what=f"{worker.name} to give up")
    assert "no S3 credentials: AWS_EC2_METADATA_DISABLED is true; none of worker.s3_access_key" in worker.log_text()
