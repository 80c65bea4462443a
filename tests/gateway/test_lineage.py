"""The message carries which database has its request: installation, system identifier, timeline."""
import pytest

HEADER = "x-farewell-lineage"
FUNCTIONS = {"pg_control_system()": "system identifier", "pg_walfile_name(pg_lsn)": "timeline"}


def expected(fw, stack):
    installation = fw.value("users", "SELECT installation_id FROM farewell.installation")
    row = stack.postgres.admin("SELECT system_identifier::text AS system, to_char(timeline_id, 'FM00000000') AS timeline"
                               " FROM pg_control_system(), pg_control_checkpoint()")[0]
    return installation, row["system"], row["timeline"]


def test_in_every_message(fw, stack, more_gateway, outbox):
    client = fw.at(more_gateway(outbox.settings()))
    for _ in range(6):  # more than there are children
        assert client.delete(fw.make_user(files=0)).status == 200
    lineages = {properties.headers[HEADER] for properties, _ in outbox.messages()}
    assert lineages == {"/".join(expected(fw, stack))}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_server_that_does_not_tell(fw, stack, more_gateway, outbox, function):
    installation, system, timeline = expected(fw, stack)
    stack.postgres.admin(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC", database="users_db")
    try:
        gateway = more_gateway(outbox.settings())
        code, output = gateway.check()
        assert code == 0 and FUNCTIONS[function] in output and "can't be noticed" in output, output
        assert fw.at(gateway).delete(fw.make_user(files=0)).status == 200
    finally:
        stack.postgres.admin(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC", database="users_db")
    [(properties, _)] = outbox.messages()
    untold = {"pg_control_system()": (installation, "-", timeline), "pg_walfile_name(pg_lsn)": (installation, system, "-")}
    assert properties.headers[HEADER] == "/".join(untold[function])


def test_without_the_installation(fw, stack, more_gateway):
    """That is ours, and a missing migration or right is a mistake that -t names."""
    fw.psql("users", "ALTER TABLE farewell.installation RENAME TO moved")
    try:
        code, output = more_gateway({}, start=False).check()
    finally:
        fw.psql("users", "ALTER TABLE farewell.moved RENAME TO installation")
    assert code == 78 and "farewell.installation" in output and "migrations" in output, output
