"""users.id becomes wider while the gateway runs: a session that is older than that must not say that a user is unknown."""
import pytest

from tools.gateway import problem

LOCK = "SELECT id::text, deleted_at::text FROM narrow_users WHERE id = $1 FOR NO KEY UPDATE"
MARK = "UPDATE narrow_users SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING deleted_at::text"
BEYOND_INTEGER = 3_000_000_000


@pytest.fixture
def narrow(fw, outbox, more_gateway):
    """(helper, outbox): a gateway of one process whose users have integer ids, and a session that knows them as such."""
    fw.psql("users", "DROP TABLE IF EXISTS narrow_users; CREATE TABLE narrow_users (id integer PRIMARY KEY, deleted_at timestamptz);"
            " INSERT INTO narrow_users VALUES (1), (2)")
    client = fw.at(more_gateway(outbox.settings(lock_user_sql=LOCK, mark_user_sql=MARK, children=1)))
    assert client.delete(1).status == 200
    yield client, outbox
    fw.psql("users", "DROP TABLE narrow_users; DELETE FROM farewell.request WHERE user_id IN ('1', '2', %s)", str(BEYOND_INTEGER))


def test_a_user_beyond_the_old_type(fw, narrow):
    client, outbox = narrow
    fw.psql("users", "ALTER TABLE narrow_users ALTER id TYPE bigint")
    fw.psql("users", "INSERT INTO narrow_users VALUES (%s)", BEYOND_INTEGER)
    answer = client.delete(BEYOND_INTEGER)
    assert answer.status == 200, answer
    assert [body["userId"] for _, body in outbox.messages()] == ["1", str(BEYOND_INTEGER)]
    assert fw.value("users", "SELECT deleted_at IS NOT NULL FROM narrow_users WHERE id = %s", BEYOND_INTEGER)


def test_what_a_new_session_refuses_too_is_unknown(fw, narrow):
    client, _ = narrow
    problem(client.delete(BEYOND_INTEGER), 404, "unknown-user")
    assert client.delete(2).status == 200
