"""A session token of a real STS, radosgw's: taken by the real store, and refused when it is not the one."""
import os

import pytest

from tools.s3_tool import Tool, put_or_delete


@pytest.fixture
def gateway(s3):
    return s3.sts_gateway()


@pytest.fixture
def with_session(s3, gateway, bucket):
    """with_session(changes) deletes what is in the bucket with a session's credentials, some of them changed."""
    session = s3.session(gateway)
    tool = Tool(gateway.endpoint)

    def delete(keys, **changes):
        variables = {"AWS_ACCESS_KEY_ID": session["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
                     "AWS_SESSION_TOKEN": session["SessionToken"], **changes}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return tool.delete(bucket, keys, env={**environment, **{k: v for k, v in variables.items() if v is not None}})
    return delete


def test_a_session_deletes(s3, bucket, with_session):
    put_or_delete(s3, bucket, ["a", "b", "c\n", "stays"])
    assert with_session(["a", "b", "c\n"]).worst == "deleted"
    assert s3.objects(bucket) == ["stays"]


@pytest.mark.parametrize("token", ["not a token", None, "another's"])
def test_a_wrong_session_token_is_refused(s3, gateway, bucket, with_session, token):
    put_or_delete(s3, bucket, ["stays"])
    token = s3.session(gateway)["SessionToken"] if token == "another's" else token and token.replace(" ", "-")
    outcome = with_session(["stays", "alone\n"], AWS_SESSION_TOKEN=token)
    assert set(outcome.results) <= {"operator", "retry"} and "S3 answered 40" in outcome.whys[0], outcome.text
    assert s3.objects(bucket) == ["stays"]
