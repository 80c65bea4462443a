"""A log-in that is refused is tried again: somebody may be changing a password, or making the database."""
import pytest

from stack import postgres, rabbit

pytestmark = pytest.mark.outage


@pytest.fixture
def late_role(fw):
    """The name of a role that does not exist yet, and a function that makes it."""
    name = "late"

    def make():
        fw.stack.postgres.admin(f"CREATE ROLE {name} LOGIN PASSWORD %s IN ROLE farewell", postgres.PASSWORD)

    yield name, make
    fw.stack.postgres.admin(f"DROP ROLE IF EXISTS {name}")


def test_a_worker_whose_role_comes_later(fw, make_site, late_role):
    name, make = late_role
    info = fw.stack.postgres.conninfo("worker").replace("user=farewell", f"user={name}")
    assert name in info
    site = make_site(start=False, children=2, worker_db=info)
    site.program.start(wait=False)
    site.wait_log("worker.worker_db: can't connect", "password authentication failed", count=2)
    assert site.program.running
    make()
    site.wait_serving(2)
    users = fw.make_users(2, files=1)
    site.ask(*users)
    site.wait_done(users)
    site.program.stop()


def test_a_worker_whose_database_comes_later(fw, make_site):
    site = make_site(start=False, children=1, user_db=fw.stack.postgres.conninfo("users").replace("users_db", "later_db"))
    site.program.start(wait=False)
    site.wait_log("worker.user_db: can't connect", '"later_db" does not exist', count=2)
    assert site.program.running


def test_a_worker_whom_the_broker_does_not_know_yet(fw, make_site):
    url = fw.stack.rabbit.url.replace(f"{rabbit.USER}@", "later@")
    assert "later@" in url
    site = make_site(start=False, children=1, broker=url)
    site.program.start(wait=False)
    site.wait_log("user, password and virtual host right?", count=2)
    assert site.program.running
    fw.stack.rabbit.ctl("add_user", "later", rabbit.PASSWORD)
    fw.stack.rabbit.ctl("set_permissions", "later", ".*", ".*", ".*")
    try:
        site.wait_serving(1)
        site.program.stop()
    finally:
        fw.stack.rabbit.ctl("delete_user", "later")


def test_a_gateway_answers_503_until_then(fw, make_front, outbox, late_role):
    name, make = late_role
    front = make_front(start=False, children=2, user_db=fw.stack.postgres.conninfo("users").replace("user=farewell", f"user={name}"))
    front.program.nginx.start()
    front.program.start(wait=False)
    front.wait_serving(2)
    user = fw.make_user(files=0)
    answer = front.client.delete(user)
    assert answer.status == 503 and "Retry-After" in answer.headers
    make()
    fw.wait_until(lambda: front.client.delete(user).status == 200, what="the deletion")
    front.program.stop()


def test_a_reload_with_a_wrong_password_changes_nothing(fw, make_front, outbox):
    front = make_front(children=2)
    before = {c["pid"] for c in front.wait_serving(2)}
    wrong, right = fw.stack.secret_file("wrong", "not the password"), fw.stack.secret_file("database", postgres.PASSWORD)
    front.reload(user_db_password_file=wrong)
    front.wait_log("no child serves with the new configuration yet; those with the old one go on")
    front.wait_log("gave up (exit code 75: a server is away", count=2)
    assert {c["pid"] for c in front.serving()} == before
    assert front.client.delete(fw.make_user(files=0)).status == 200
    front.reload(user_db_password_file=right)
    front.wait_generation(3, 2)
    assert front.client.delete(fw.make_user(files=0)).status == 200
