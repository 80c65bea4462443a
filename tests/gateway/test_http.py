"""The HTTP table: each row of what the gateway answers when everything is well."""
import re
import uuid

import pytest

from tools.gateway import problem

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


@pytest.fixture
def quiet(fw, more_gateway, outbox):
    """A gateway whose messages nobody takes: what it did stays to be seen."""
    return fw.at(more_gateway(outbox.settings()))


def test_delete_an_active_user(fw, quiet, outbox):
    user = fw.make_user(files=0)
    answer = quiet.delete(user)
    assert answer.status == 200, answer
    body = answer.json()
    assert set(body) == {"userId", "deletionId", "status", "requestedAt"}
    assert body["userId"] == str(user.id) and body["status"] == "accepted"
    assert UUID.match(body["deletionId"]) and TIME.match(body["requestedAt"])
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Location"] == f"/users/{user.id}/deletion"
    assert answer.headers["Cache-Control"] == "no-store"
    row = fw.user_row(user)
    assert row["deleted_at"] is not None
    [request] = fw.requests(user)
    assert request["deletion_id"] == body["deletionId"]
    assert request["mark"] == fw.value("users", "SELECT deleted_at::text FROM (SELECT set_config('timezone', 'UTC', true)) c,"
                                       " users WHERE id = %s", user.id)
    assert request["requested_by"] == str(user.id)
    assert request["request_id"] == answer.headers["X-Request-Id"]
    assert request["published_at"] is not None


def test_the_message(fw, quiet, outbox):
    user = fw.make_user(files=0)
    answer = quiet.delete(user)
    [(properties, body)] = outbox.messages()
    assert body == {"userId": str(user.id), "deletionId": answer.json()["deletionId"],
                    "requestedAt": answer.json()["requestedAt"], "turn": 1}
    assert properties.content_type == "application/json"
    assert properties.delivery_mode == 2
    assert properties.message_id == body["deletionId"]
    assert properties.type == "UserDeleted"
    assert properties.app_id == "farewell-fcgi"
    assert properties.correlation_id == answer.headers["X-Request-Id"]
    assert abs(properties.timestamp - fw.requests(user)[0]["requested_at"].timestamp()) < 5


def test_the_same_again(fw, quiet, outbox):
    user = fw.make_user(files=0)
    first = quiet.delete(user).json()
    fw.psql("users", "UPDATE farewell.request SET status = 'running' WHERE user_id = %s", str(user))
    for _ in range(3):
        answer = quiet.delete(user)
        assert answer.status == 200
        assert answer.json() == {**first, "status": "running"}
        assert answer.headers["Content-Location"] == f"/users/{user.id}/deletion"
    assert len(outbox.messages()) == 1
    assert len(fw.requests(user)) == 1


def test_marked_by_other_means(fw, quiet, outbox):
    user = fw.make_user(files=0)
    fw.psql("users", "UPDATE users SET deleted_at = '2020-02-02 02:02:02.123456+00' WHERE id = %s", user.id)
    before = fw.user_row(user)
    answer = quiet.delete(user)
    assert answer.status == 200 and answer.json()["status"] == "accepted", answer
    assert fw.user_row(user) == before
    [request] = fw.requests(user)
    assert request["mark"] == "2020-02-02 02:02:02.123456+00"
    assert quiet.delete(user).json() == answer.json()
    assert len(outbox.messages()) == 1


def test_restored_and_deleted_again(fw, quiet, outbox):
    user = fw.make_user(files=0)
    first = quiet.delete(user).json()
    fw.psql("users", "UPDATE users SET deleted_at = NULL WHERE id = %s", user.id)
    second = quiet.delete(user).json()
    assert second["deletionId"] != first["deletionId"]
    assert [r["deletion_id"] for r in fw.requests(user)] == [first["deletionId"], second["deletionId"]]
    assert [body["deletionId"] for _, body in outbox.messages()] == [first["deletionId"], second["deletionId"]]
    assert quiet.get(user).json()["deletionId"] == second["deletionId"]


def test_restored_and_marked_by_other_means(fw, quiet, outbox):
    """The old request has another mark: it is not this deletion."""
    user = fw.make_user(files=0)
    first = quiet.delete(user).json()
    fw.psql("users", "UPDATE users SET deleted_at = '2021-03-03 03:03:03+00' WHERE id = %s", user.id)
    second = quiet.delete(user).json()
    assert second["deletionId"] != first["deletionId"]
    assert quiet.delete(user).json() == second
    # and back to the first mark: the first deletion
    fw.psql("users", "UPDATE users SET deleted_at = %s::timestamptz WHERE id = %s", fw.requests(user)[0]["mark"], user.id)
    assert quiet.delete(user).json() == first
    assert len(outbox.messages()) == 2


def test_two_at_the_same_moment(fw, quiet, outbox):
    from concurrent.futures import ThreadPoolExecutor
    for _ in range(10):
        user = fw.make_user(files=0)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: quiet.delete(user), range(4)))
        assert [a.status for a in answers] == [200] * 4, answers
        assert len({a.json()["deletionId"] for a in answers}) == 1
        assert len(outbox.messages()) == 1
        assert len(fw.requests(user)) == 1


def test_get_the_deletion(fw, quiet):
    user = fw.make_user(files=0)
    made = quiet.delete(user).json()
    answer = quiet.get(user)
    assert answer.status == 200
    assert answer.json() == {**made, "startedAt": None, "finishedAt": None, "filesDeleted": 0, "versionsLeft": 0, "mail": "pending", "attempts": 0,
                             "lastError": None, "nextAttemptAt": None}
    fw.psql("users", "UPDATE farewell.request SET status = 'retrying', mail = 'none', files_deleted = 5000000000, attempts = 3,"
            " last_error = 'S3: \"김\" is slow', next_attempt_at = '2030-01-02 03:04:05.678+09', started_at = '2029-01-01+00',"
            " finished_at = '2029-01-01 00:00:01.5+00' WHERE user_id = %s", str(user))
    assert quiet.get(user).json() == {
        **made, "status": "retrying", "mail": "none", "filesDeleted": 5000000000, "versionsLeft": 0, "attempts": 3, "lastError": 'S3: "김" is slow',
        "nextAttemptAt": "2030-01-01T18:04:05.678Z", "startedAt": "2029-01-01T00:00:00.000Z",
        "finishedAt": "2029-01-01T00:00:01.500Z"}


def test_head_is_get_without_a_body(fw, quiet):
    user = fw.make_user(files=0)
    quiet.delete(user)
    got, head = quiet.get(user), quiet.get(user, method="HEAD")
    assert head.status == 200 and head.body == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.body))
    assert quiet.request("HEAD", "/healthz").body == b""


def test_no_deletion(fw, quiet):
    user = fw.make_user(files=0)
    problem(quiet.get(user), 404, "no-deletion")
    problem(quiet.get(987654321), 404, "no-deletion")


def test_unknown_user(fw, quiet, outbox):
    problem(quiet.delete(987654321), 404, "unknown-user")
    assert outbox.messages() == []
    assert fw.requests(987654321) == []


def test_an_id_the_column_refuses(fw, quiet, outbox):
    # 19 digits are an integer, but more than a bigint holds
    problem(quiet.delete(9999999999999999999), 404, "unknown-user")
    assert outbox.messages() == []


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "OPTIONS", "PROPFIND", "HEAD", "delete", "FOO"])
def test_other_methods_on_a_user(fw, method):
    answer = fw.request(method, "/users/42")
    assert answer.status == 405 if method != "delete" else answer.status in (400, 405)
    if answer.status == 405:
        assert answer.headers["Allow"] == "DELETE"
        if method != "HEAD":
            problem(answer, 405, "method-not-allowed")


@pytest.mark.parametrize("path,allow", [("/users/42/deletion", "GET, HEAD"), ("/healthz", "GET, HEAD"), ("/readyz", "GET, HEAD")])
def test_other_methods_elsewhere(fw, path, allow):
    for method in ("DELETE", "POST", "PUT"):
        answer = fw.request(method, path)
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["Allow"] == allow


def test_405_comes_before_400_and_401(fw):
    problem(fw.request("POST", "/users/x"), 405, "method-not-allowed")
    problem(fw.request("POST", "/users/42"), 405, "method-not-allowed")


def test_400_comes_before_401(fw):
    problem(fw.request("DELETE", "/users/x"), 400, "bad-user-id")


def test_403_comes_before_404(fw):
    problem(fw.delete(987654321, token=fw.token(sub=42)), 403, "forbidden")


@pytest.mark.parametrize("path", ["/", "/users", "/user/42", "/users/42/", "/users/42/files", "/users/42/deletion/", "/users/42/deletion/x", "/favicon.ico",
                                  "/metrics2", "/Users/42", "/%75sers/42", "//users/42", "/x/../users/42"])
def test_other_paths(fw, path):
    for method in ("GET", "DELETE", "POST"):
        problem(fw.request(method, path, {"Authorization": "Bearer " + fw.token(role="admin")}), 404, "not-found")


def test_healthz_and_readyz(fw):
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        answer = fw.request("GET", path)
        assert answer.status == 200 and answer.json() == {"status": status}
        assert answer.headers["X-Request-Id"]


def test_every_answer_has_a_request_id_of_its_own(fw):
    ids = [fw.request("GET", "/healthz").headers["X-Request-Id"] for _ in range(5)]
    assert len(set(ids)) == 5
    assert fw.request("GET", "/healthz", {"X-Request-Id": "mine"}).headers["X-Request-Id"] != "mine"


def test_the_request_id_is_in_the_log(fw, quiet, stack):
    user = fw.make_user(files=0)
    answer = quiet.delete(user)
    [line] = [line for line in stack.extra[0].log_text().splitlines() if answer.headers["X-Request-Id"] in line]
    assert "method=DELETE route=/users/{id} status=200" in line
    assert f"deletion={answer.json()['deletionId']}" in line


def test_uuid_ids(fw, stack, more_gateway, outbox):
    fw.psql("users", "CREATE TABLE IF NOT EXISTS uuid_users (id uuid PRIMARY KEY, deleted_at timestamp(3))")
    gateway = fw.at(more_gateway(outbox.settings(
        {"id_format": "uuid"},
        lock_user_sql="SELECT id::text, deleted_at::text FROM uuid_users WHERE id = $1 FOR NO KEY UPDATE",
        mark_user_sql="UPDATE uuid_users SET deleted_at = now() WHERE id = $1 RETURNING deleted_at::text")))
    user = str(uuid.uuid4())
    fw.psql("users", "INSERT INTO uuid_users VALUES (%s)", user)
    answer = gateway.delete(user.upper(), token=gateway.token(sub=user.upper()))
    assert answer.status == 200 and answer.json()["userId"] == user, answer
    assert answer.headers["Content-Location"] == f"/users/{user}/deletion"
    # the column keeps milliseconds only: the mark is what was stored
    assert fw.requests(user)[0]["mark"] == fw.value("users", "SELECT deleted_at::text FROM uuid_users WHERE id = %s", user)
    assert gateway.delete(user).json() == answer.json()
    assert gateway.get(user.upper()).json()["deletionId"] == answer.json()["deletionId"]
    assert len(outbox.messages()) == 1


TEXT_SETTINGS = {
    "lock_user_sql": "SELECT id, deleted_at::text FROM text_users WHERE id = $1 FOR NO KEY UPDATE",
    "mark_user_sql": "UPDATE text_users SET deleted_at = now() WHERE id = $1 RETURNING deleted_at::text",
}


def test_text_ids(fw, more_gateway, outbox):
    from urllib.parse import quote
    fw.psql("users", "CREATE TABLE IF NOT EXISTS text_users (id text PRIMARY KEY, deleted_at timestamptz)")
    gateway = fw.at(more_gateway(outbox.settings({"id_format": "text"}, **TEXT_SETTINGS)))
    for user in ("kim minji", "김민지", "a+b@example.org", "50%25", "x?y&z#", "deletion", "'; DROP TABLE users; --", "a" * 128):
        fw.psql("users", "INSERT INTO text_users VALUES (%s) ON CONFLICT (id) DO UPDATE SET deleted_at = NULL", user)
        answer = gateway.delete(quote(user, safe=""), token=fw.token(sub=user))
        assert answer.status == 200 and answer.json()["userId"] == user, answer
        assert answer.headers["Content-Location"] == f"/users/{quote(user, safe='')}/deletion"
        got = gateway.request("GET", answer.headers["Content-Location"], {"Authorization": "Bearer " + fw.token(sub=user)})
        assert got.status == 200 and got.json()["deletionId"] == answer.json()["deletionId"]
    assert len(outbox.messages()) == 8


def test_an_id_the_database_writes_otherwise(fw, stack, more_gateway, outbox):
    """citext finds BOB for bob: the row's own spelling is what counts, also for whose token it is."""
    stack.postgres.admin("CREATE EXTENSION IF NOT EXISTS citext", database="users_db")
    fw.psql("users", "CREATE TABLE IF NOT EXISTS ci_users (id citext PRIMARY KEY, deleted_at timestamptz)")
    gateway = fw.at(more_gateway(outbox.settings(
        {"id_format": "text"},
        lock_user_sql="SELECT id::text, deleted_at::text FROM ci_users WHERE id = $1 FOR NO KEY UPDATE",
        mark_user_sql="UPDATE ci_users SET deleted_at = now() WHERE id = $1 RETURNING deleted_at::text")))
    name = "Bob-" + uuid.uuid4().hex[:6]
    fw.psql("users", "INSERT INTO ci_users VALUES (%s)", name)
    problem(gateway.delete(name.lower(), token=fw.token(sub=name.lower())), 403, "forbidden")
    assert outbox.messages() == []
    answer = gateway.delete(name.lower(), token=fw.token(sub=1, role="admin"))
    assert answer.status == 200 and answer.json()["userId"] == name
    assert gateway.delete(name.upper(), token=fw.token(sub=1, role="admin")).json() == answer.json()
    assert gateway.delete(name).json() == answer.json()
    assert len(outbox.messages()) == 1
