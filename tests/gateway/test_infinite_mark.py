"""A deleted_at of infinity is no mark of a deletion: neither one that is found, nor one that is made."""
import pytest

from tools.gateway import problem, trigger, unchanged

LOCK = "SELECT id::text, NULLIF(deleted_at, 'infinity')::text FROM users WHERE id = $1 FOR NO KEY UPDATE"
MARK = "UPDATE users SET deleted_at = now() WHERE id = $1 AND deleted_at = 'infinity' RETURNING deleted_at::text"


def set_mark(fw, user, mark):
    fw.psql("users", "UPDATE users SET deleted_at = %s WHERE id = %s", mark, user.id)


def mark_of(fw, user):
    return fw.value("users", "SELECT deleted_at::text FROM users WHERE id = %s", user.id)


@pytest.mark.parametrize("mark", ["infinity", "-infinity"])
def test_it_is_found(fw, more_gateway, outbox, user, mark):
    gateway = more_gateway(outbox.settings(children=1))
    before = len(gateway.log_text())
    set_mark(fw, user, mark)
    problem(fw.at(gateway).delete(user), 500, "misconfigured")
    assert mark_of(fw, user) == mark and fw.requests(user) == [] and outbox.messages() == []
    for words in ("gateway.lock_user_sql", mark, "NULLIF(deleted_at, 'infinity')"):
        assert words in gateway.log_text()[before:]
    other = fw.make_user(files=0)
    assert fw.at(gateway).delete(other).status == 200, "the session goes on"


def test_it_is_what_the_statement_writes(fw, more_gateway, outbox, user):
    gateway = more_gateway(outbox.settings(
        mark_user_sql="UPDATE users SET deleted_at = 'infinity' WHERE id = $1 AND deleted_at IS NULL RETURNING deleted_at::text"))
    before = len(gateway.log_text())
    problem(fw.at(gateway).delete(user), 500, "misconfigured")
    assert unchanged(fw, user)
    assert "gateway.mark_user_sql" in gateway.log_text()[before:] and "infinity" in gateway.log_text()[before:]


@pytest.mark.parametrize("mark", ["infinity", "-infinity"])
@pytest.mark.parametrize("when", ["BEFORE", "AFTER", "deferred"])
def test_it_is_what_a_trigger_writes(fw, more_gateway, outbox, user, when, mark):
    gateway = more_gateway(outbox.settings())
    before = len(gateway.log_text())
    body = f"NEW.deleted_at := '{mark}';" if when == "BEFORE" else \
        f"IF NEW.deleted_at <> '{mark}' THEN UPDATE users SET deleted_at = '{mark}' WHERE id = NEW.id; END IF;"
    with trigger(fw, user, body, when):
        problem(fw.at(gateway).delete(user), 500, "misconfigured")
    assert unchanged(fw, user)
    assert "gateway.mark_user_sql" in gateway.log_text()[before:] and "infinity" in gateway.log_text()[before:]
    assert fw.at(gateway).delete(user).status == 200


def test_the_advice_is_good(fw, more_gateway, outbox, user):
    client = fw.at(more_gateway(outbox.settings(lock_user_sql=LOCK, mark_user_sql=MARK)))
    set_mark(fw, user, "infinity")
    first = client.delete(user)
    assert first.status == 200 and "infinity" not in mark_of(fw, user)
    assert client.delete(user).json()["deletionId"] == first.json()["deletionId"]
    assert len(outbox.messages()) == 1
