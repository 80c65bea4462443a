"""Where the S3 client gets its credentials: each provider against a server that answers as AWS documents, and one that doesn't."""
import os
import re

import pytest

from tools.aws_metadata import CONTAINER_PATH, IMDS, ROLE, Metadata
from tools.s3_canned import Canned, answer, check_signature, deleted, error
from tools.s3_tool import Tool

PROVIDERS = ("instance", "container", "web_identity")
SAID = {"instance": "the instance metadata at http://127.0.0.1:", "container": "the container endpoint http://127.0.0.1:",
        "web_identity": "the web identity token (AWS_WEB_IDENTITY_TOKEN_FILE) by http://127.0.0.1:"}
NAMED = {"instance": "the instance metadata: ", "container": "the container endpoint: ", "web_identity": "the web identity: "}
PINNED = {"instance": "instance", "container": "container", "web_identity": "web-identity"}


class Store(Canned):
    """Deletes whatever it is asked to, and keeps who asked. reply(request) comes first."""

    def __init__(self):
        self.before = lambda request: None
        super().__init__(lambda request: self.before(request) or self.obey(request))

    @staticmethod
    def obey(request):
        return deleted(request.keys) if request.method == "POST" else answer(200, "<ListAllMyBucketsResult/>")

    def askers(self):
        """Access key and session token of each request."""
        return [(re.search(r"Credential=([^/]+)/", r.headers["authorization"])[1], r.headers.get("x-amz-security-token"))
                for r in self.requests]

    def keys_used(self):
        return [key for key, _ in self.askers()]


@pytest.fixture
def store():
    server = Store()
    yield server
    server.close()


@pytest.fixture
def metadata():
    server = Metadata()
    yield server
    server.close()


@pytest.fixture
def environment(metadata, tmp_path):
    """environment(provider): the variables by which that provider is found."""
    def of(provider):
        token = tmp_path / "web-token"
        token.write_text(metadata.web_token + "\n")
        return metadata.web_identity(token) if provider == "web_identity" else getattr(metadata, provider)()
    return of


@pytest.fixture
def run(store):
    """run(keys, variables, *options): deletes the keys with only these AWS_ variables set."""
    tool = Tool(store.endpoint)

    def delete(keys, variables, *options):
        outcome = tool.delete("bucket", keys, *options, env=clean(variables), may_warn=True)
        for secret in ("secret1", "token1", "payload", "//+==", "/+="):
            assert secret not in outcome.text + tool.warnings
        outcome.warnings = tool.warnings
        return outcome
    return delete


def clean(variables):
    return {**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, **variables}


def failed(outcome, store, *words):
    """Nothing was asked of the store, time may heal it, and each of the words is in the reason."""
    assert store.requests == [] and set(outcome.results) == {"retry"}
    for word in words:
        assert word in outcome.whys[0] + outcome.warnings, (outcome.whys[0], outcome.warnings)


# ---- each provider works ----

@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("pinned", [False, True])
def test_credentials_are_found_and_used(run, store, metadata, environment, provider, pinned):
    options = ("-F", PINNED[provider]) if pinned else ()
    assert run(["a", "b", "c"], environment(provider), "-k", "1", *options).worst == "deleted"
    assert store.askers() == [("ASIA1", "token1//+==")] * 3
    assert metadata.handed_out == 1 and metadata.without_token == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_is_said_where_they_come_from(store, environment, provider):
    tool = Tool(store.endpoint)
    text = tool.run("-c", "-d", env=clean(environment(provider)))
    assert re.search(re.escape(f"from {SAID[provider]}") + r".*, valid until 20\d\d-", text), text


def test_the_session_token_is_signed(run, store):
    run(["a"], {"AWS_ACCESS_KEY_ID": "CANNEDKEY", "AWS_SECRET_ACCESS_KEY": "canned/secret+==", "AWS_SESSION_TOKEN": "t/+="})
    request, = store.requests
    assert request.headers["x-amz-security-token"] == "t/+="
    assert "x-amz-security-token" in request.headers["authorization"]
    check_signature(request, store.endpoint + request.target)


def test_without_a_session_token_there_is_no_header(run, store):
    run(["a"], {"AWS_ACCESS_KEY_ID": "CANNEDKEY", "AWS_SECRET_ACCESS_KEY": "canned/secret+=="})
    assert store.askers() == [("CANNEDKEY", None)]


def test_ecs_and_eks_authorize(run, store, metadata, environment, tmp_path):
    """The variable's value as ECS sets it; the file's as EKS does, which comes first and is read anew for each fetch."""
    metadata.authorization = "Basic abc"
    failed(run(["a"], environment("container")), store, "401 InvalidAuthorization")
    variables = {**environment("container"), "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc"}
    assert run(["a"], variables).worst == "deleted"
    metadata.authorization = "eks-1"
    token = tmp_path / "eks-token"
    token.write_text("eks-1\n")

    def rotated(request):
        metadata.authorization, metadata.ahead = "eks-2", 4000
        token.write_text("eks-2\n")
    store.before = rotated
    outcome = run(["a", "b"], {**variables, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}, "-J", "4000")
    assert outcome.worst == "deleted" and store.keys_used() == ["ASIA1", "ASIA2", "ASIA3"]


def test_the_web_token_is_read_for_each_fetch(run, store, metadata, environment, tmp_path):
    variables = environment("web_identity")

    def rotated(request):
        metadata.web_token, metadata.ahead = "second", 4000
        (tmp_path / "web-token").write_text("second")
    store.before = rotated
    assert run(["a", "b"], variables, "-J", "4000").worst == "deleted"
    assert store.keys_used() == ["ASIA1", "ASIA2"]
    assert all("?" not in r.target for r in metadata.requests)     # a token is in no URL


# ---- they are renewed in time ----

@pytest.mark.parametrize("provider", PROVIDERS)
def test_renewed_before_they_expire(run, store, metadata, environment, provider):
    """3,600 seconds of validity, looked at after 0, 1,700, 3,400 and 5,100."""
    store.before = lambda request: setattr(metadata, "ahead", 1700 * len(store.requests))
    assert run(list("abcd"), environment(provider), "-J", "1700").worst == "deleted"
    assert store.keys_used() == ["ASIA1", "ASIA1", "ASIA2", "ASIA2"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_old_ones_are_used_while_renewing_fails(run, store, metadata, environment, provider):
    metadata.trouble = lambda request: answer(500) if metadata.handed_out else None
    outcome = run(["a", "b"], environment(provider), "-J", "3400")
    assert outcome.worst == "deleted" and store.keys_used() == ["ASIA1", "ASIA1"]
    assert "500" in outcome.warnings and "those at hand are used as long as they are valid" in outcome.warnings


@pytest.mark.parametrize("provider", PROVIDERS)
def test_those_that_have_expired_are_not_used(run, store, metadata, environment, provider):
    metadata.trouble = lambda request: answer(500) if metadata.handed_out else None
    outcome = run(["a", "b"], environment(provider), "-J", "3700")
    assert outcome.results == ["deleted", "retry"] and store.keys_used() == ["ASIA1"]
    assert "no S3 credentials" in outcome.whys[1]


def test_renewing_that_fails_is_not_tried_at_once_again(run, store, metadata, environment):
    metadata.trouble = lambda request: answer(500) if metadata.handed_out else None
    assert run(list("abcd"), environment("container"), "-J", "3400,0").worst == "deleted"
    assert store.keys_used() == ["ASIA1"] * 4 and len(metadata.requests) == 2


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"])
@pytest.mark.parametrize("key", ["in a batch", "alone\n"])
def test_a_store_that_refuses_them_makes_it_fetch_once(run, store, environment, code, key):
    store.before = lambda r: error(403 if code == "InvalidAccessKeyId" else 400, code) if store.keys_used()[-1] == "ASIA1" else (
        None if r.method == "POST" else answer(204))
    assert run([key], environment("instance")).worst == "deleted"
    assert store.keys_used() == ["ASIA1", "ASIA2"]


def test_a_store_that_refuses_all_of_them(run, store, metadata, environment):
    store.before = lambda request: error(400, "ExpiredToken")
    outcome = run(["a", "b"], environment("instance"))
    assert outcome.results == ["operator"] * 2 and "ExpiredToken" in outcome.whys[0]
    assert store.keys_used() == ["ASIA1", "ASIA2"] and metadata.handed_out == 2


def test_the_same_ones_again_are_not_tried_again(run, store):
    store.before = lambda request: error(400, "ExpiredToken")
    variables = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
    assert "ExpiredToken" in run(["a"], variables).whys[0]
    assert store.keys_used() == ["a"]


# ---- files ----

def put(path, text):
    """As whoever rotates secrets does: at once, by another file."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").chmod(0o600)
    path.with_suffix(".new").replace(path)


def test_files_that_change_are_read_again(run, store, tmp_path):
    files = {name: tmp_path / name for name in ("key", "secret", "token")}

    def write(n):
        for name, path in files.items():
            put(path, f"{name}-{n}")
    write(1)
    store.before = lambda request: write(2)
    outcome = run(["a", "b"], {}, "-k", "1", "-Y", str(files["key"]), "-X", str(files["secret"]), "-T", str(files["token"]))
    assert outcome.worst == "deleted" and store.askers() == [("key-1", "token-1"), ("key-2", "token-2")]


def test_the_secret_of_the_settings_may_change_too(run, store, tmp_path):
    secret = tmp_path / "s"
    put(secret, "wrong")
    store.before = lambda request: put(secret, "canned/secret+==")
    assert run(["a", "b"], {}, "-k", "1", "-K", "CANNEDKEY", "-X", str(secret)).worst == "deleted"
    first, second = store.requests
    check_signature(second, store.endpoint + second.target)
    with pytest.raises(AssertionError):
        check_signature(first, store.endpoint + first.target)


# ---- they are refused, late, or nonsense ----

def without(*names):
    """What is answered lacks these."""
    def change(metadata):
        whole = metadata.hand_out
        metadata.hand_out = lambda: {k: "" if k in names else v for k, v in whole().items()}
    return change


def says(out, everywhere=False):
    def change(metadata):
        metadata.trouble, metadata.everywhere = lambda request: out, everywhere
    return change


def expired(metadata):
    metadata.lifetime = -5


BAD = {
    "refused": (says(answer(403)), "403"), "absent": (says(answer(404)), "404"), "broken": (says(answer(500, "oops")), "500"),
    "redirected": (says(answer(302, headers=["Location: http://127.0.0.1:1/"])), "302"), "empty": (says(answer(200)), "but not"),
    "nonsense": (says(answer(200, "<html>Welcome</html>")), "but not"), "cut short": (says(answer(200, "{\"AccessKeyId\": \"A")), "but not"),
    "a list": (says(answer(200, "[]")), "but not"), "huge": (says(answer(200, "x" * 70000)), "longer than"),
    "a huge token": (lambda m: setattr(m, "hand_out", lambda: {"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t" * 20000,
                                                               "Expiration": "2100-01-01T00:00:00Z"}), "but not"),
    "no key": (without("AccessKeyId"), "no AccessKeyId"), "no secret": (without("SecretAccessKey"), "no SecretAccessKey"),
    "no token": (without("Token"), "no Token"), "no end": (without("Expiration"), "when they expire"),
    "expired": (expired, "expired already"), "nobody": (lambda m: m.close(), "no answer"),
    "a line's end": (lambda m: setattr(m, "hand_out", lambda: {"AccessKeyId": "A\r\nX-Evil: 1", "SecretAccessKey": "s", "Token": "t",
                                                               "Expiration": "2100-01-01T00:00:00Z"}), "character in it"),
}


@pytest.mark.parametrize("trouble", BAD)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_no_credentials(run, store, metadata, environment, provider, trouble):
    change, word = BAD[trouble]
    variables = environment(provider)
    change(metadata)
    outcome = run(["a"], variables)
    if provider == "web_identity" and trouble == "a line's end":
        word = "200"      # in XML it may be folded to a line feed
        failed(outcome, store)
        return
    failed(outcome, store, word, NAMED[provider], "no S3 credentials")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_hangs_meets_a_deadline(run, store, metadata, environment, provider):
    says(Metadata.HANG)(metadata)
    outcome = run(["a"], environment(provider))
    failed(outcome, store, "no answer", NAMED[provider])
    assert outcome.turns >= 3


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_hangs_is_left_when_told_to_stop(run, store, metadata, environment, provider):
    says(Metadata.HANG)(metadata)
    assert run(["a"], environment(provider), "-S", "500").results == ["stopped"]
    assert store.requests == []


def test_sts_refuses(run, store, metadata, environment):
    says(Metadata.sts_error(403, "AccessDenied"))(metadata)
    failed(run(["a"], environment("web_identity")), store, "403 AccessDenied", "AWS_ROLE_ARN", "trust policy")


@pytest.mark.parametrize("text, word", [(None, "No such file"), ("", "empty"), ("x" * 70000, "longer than"), ("a\nb", "not a line")],
                         ids=["absent", "empty", "long", "two lines"])
def test_a_web_token_that_is_none(run, store, metadata, environment, tmp_path, text, word):
    variables = environment("web_identity")
    (tmp_path / "web-token").unlink()
    if text is not None:
        (tmp_path / "web-token").write_text(text)
    failed(run(["a"], variables), store, "AWS_WEB_IDENTITY_TOKEN_FILE", word)
    assert metadata.requests == []


# ---- the instance's metadata: never version 1 ----

@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_version_1_is_never_asked(run, store, metadata, environment, status):
    says(answer(status), everywhere=True)(metadata)
    failed(run(["a"], environment("instance")), store, f"{status} to PUT", "IMDSv2")
    assert metadata.methods() == ["PUT"] and metadata.without_token == []


def test_a_token_that_is_none(run, store, metadata, environment):
    metadata.trouble, metadata.everywhere = lambda r: answer(200, "two\r\nlines \x01") if r.method == "PUT" else None, True
    outcome = run(["a"], environment("instance"))
    assert outcome.results == ["retry"] and store.requests == []
    metadata.trouble = lambda r: answer(200) if r.method == "PUT" else None
    failed(run(["a"], environment("instance")), store, "not with a token")


@pytest.mark.parametrize("body, word", [("", "names no role"), ("../../../user-data", "names no role"), ("r" * 200, "names no role")],
                         ids=["empty", "a way up", "long"])
def test_a_role_that_is_none(run, store, metadata, environment, body, word):
    metadata.trouble, metadata.everywhere = lambda r: answer(200, body) if r.target == IMDS else None, True
    failed(run(["a"], environment("instance")), store, word)
    assert [r.target for r in metadata.requests] == ["/latest/api/token", IMDS]


def test_a_role_without_credentials(run, store, metadata, environment):
    says(answer(200, '{"Code": "AssumeRoleUnauthorizedAccess", "Message": "x"}'))(metadata)
    failed(run(["a"], environment("instance")), store, "AssumeRoleUnauthorizedAccess", "trust policy")
    assert metadata.requests[-1].target == IMDS + ROLE


# ---- the order, and no falling through ----

def test_what_applies_and_fails_is_not_passed_over(run, store, metadata, environment):
    variables = {**environment("web_identity"), **environment("container"), **environment("instance")}
    metadata.web_token = "another"
    failed(run(["a"], variables), store, "400 InvalidIdentityToken", NAMED["web_identity"])
    assert metadata.methods() == ["POST"]
    with_keys = {**variables, "AWS_ACCESS_KEY_ID": "e", "AWS_SECRET_ACCESS_KEY": "s"}
    assert run(["a"], with_keys).worst == "deleted" and store.keys_used() == ["e"]
    assert metadata.methods() == ["POST"]
    run(["a"], with_keys, "-F", "container")
    assert [r.target for r in metadata.requests[1:]] == [CONTAINER_PATH] and store.keys_used() == ["e", "ASIA1"]


def test_nothing_applies(store):
    tool = Tool(store.endpoint)
    text = tool.run("-c", env=clean({"AWS_EC2_METADATA_DISABLED": "true"}))
    assert text.startswith("refused\tno S3 credentials: AWS_EC2_METADATA_DISABLED is true; none of ") and "AWS_WEB_IDENTITY_TOKEN_FILE" in text
    text = tool.run("-c", env=clean({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}), may_warn=True)
    assert text.startswith("bad\tno S3 credentials from the instance metadata: no answer: ")
    assert "; none of worker.s3_access_key, " in text


@pytest.mark.parametrize("url", ["http://10.0.0.1/x", "http://127.0.0.1@example.org/", "http://169.254.169.254/latest/"])
def test_a_containers_token_goes_to_nobody_else(store, url):
    text = Tool(store.endpoint).run("-c", env=clean({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}))
    assert text.startswith("refused\tS3 credentials: AWS_CONTAINER_CREDENTIALS_FULL_URI ")
