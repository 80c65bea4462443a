"""Sweeps: a file row committed after the last pass does not stay for ever."""
import pytest

from tools.jobs import ask, completed, log_lines, quiet, said

pytestmark = pytest.mark.own_worker

QUICK = {"children": 1, "sweep_after": "1s 2s 3s 5s 8s 13s 21s 34s", "reconcile_every": "300ms", "reconcile_after": "1s"}
SWEEP_NOW = "UPDATE farewell.deletion SET sweep_at = now() WHERE user_id = %s"


def late_file(fw, user, name):
    fw.add_files(user, [name])


def test_a_late_row_is_swept(fw):
    fw.stack.worker.configure({"worker": QUICK})
    user = fw.make_user()
    ask(fw, user)
    completed(fw, user, files=3)
    late_file(fw, user, "late-one")
    said(fw, "files were recorded after the deletion was completed", f"user={user.id} ")
    fw.wait_until(lambda: fw.ledger(user)[0]["files_deleted"] == 4 and fw.ledger(user)[0]["status"] == "completed", what="the sweep")
    fw.wait_until(lambda: fw.requests(user)[0]["status"] == "completed" and fw.requests(user)[0]["files_deleted"] == 4, what="the request to follow")
    assert fw.objects_of(user) == [] and len(fw.mails(user)) == 1, "one mail"
    quiet(fw)


def test_a_restored_user_is_not_swept(fw):
    fw.stack.worker.configure({"worker": QUICK})
    user = fw.make_user()
    ask(fw, user)
    completed(fw, user, files=3)
    fw.psql("users", "UPDATE users SET deleted_at = NULL WHERE id = %s", user.id)
    late_file(fw, user, "of-an-active-user")
    said(fw, "left alone", f"user={user.id} ")
    assert fw.objects_of(user) and fw.ledger(user)[0]["status"] == "completed"


def test_sweeps_end(fw):
    fw.stack.worker.configure({"worker": {**QUICK, "sweep_after": "1s 2s"}})
    user = fw.make_user()
    ask(fw, user)
    completed(fw, user, files=3)
    fw.wait_until(lambda: fw.ledger(user)[0]["sweep_at"] is None, what="the last sweep")
    assert fw.ledger(user)[0]["swept"] == 2 and not log_lines(fw.stack.worker, "files were recorded after", f"user={user.id} ")


def test_asked_for_by_a_repeated_delete(fw):
    fw.stack.worker.configure({"worker": {**QUICK, "sweep_after": "1h"}})
    user = fw.make_user()
    assert fw.delete(user).status == 200
    completed(fw, user, files=3)
    late_file(fw, user, "late-two")
    assert fw.delete(user).status == 200
    fw.wait_until(lambda: fw.ledger(user)[0]["files_deleted"] == 4 and fw.ledger(user)[0]["status"] == "completed", what="the sweep")
    assert fw.objects_of(user) == []


def test_one_that_was_asked_for_uses_up_none_that_is_due(fw):
    """Else who asks twice would not be swept any more, though a file may still be under way."""
    fw.stack.worker.configure({"worker": {**QUICK, "sweep_after": "1h 2h"}})
    user = fw.make_user()
    assert fw.delete(user).status == 200
    completed(fw, user, files=3)
    due = fw.ledger(user)[0]["sweep_at"]
    for _ in range(3):
        assert fw.delete(user).status == 200
        fw.wait_until(lambda: fw.requests(user)[0]["sweep_asked"] is None, what="the sweep")
    quiet(fw)
    assert (fw.ledger(user)[0]["swept"], fw.ledger(user)[0]["sweep_at"]) == (0, due)


def test_no_mail_after_it_was_said_that_there_is_none(fw):
    """The user has an address when a late file is found, and had none when the deletion was completed."""
    fw.stack.worker.configure({"worker": {**QUICK, "sweep_after": "1h"}})
    user = fw.make_user(email=None)
    assert fw.delete(user).status == 200
    completed(fw, user, mail="none", files=3)
    address = f"late-{user.id}@example.test"
    fw.psql("users", "UPDATE users SET email = %s WHERE id = %s", address, user.id)
    late_file(fw, user, "late-three")
    assert fw.delete(user).status == 200
    fw.wait_until(lambda: fw.ledger(user)[0]["files_deleted"] == 4 and fw.ledger(user)[0]["status"] == "completed", what="the sweep")
    assert fw.ledger(user)[0]["mail"] == "none" and fw.mails(address) == []


def test_a_sweep_that_could_not_look_is_not_used_up(fw):
    """A statement refused for one user's data says nothing about his files: looked for later, by the same sweep."""
    broken = ("SELECT id::text, CASE WHEN user_id = (SELECT sick FROM sick_user) THEN (1 / (user_id - user_id))::text ELSE file_path END"
              " FROM user_files WHERE user_id = $1 AND deleted_at IS NULL AND ($2::bigint IS NULL OR id > $2::bigint)"
              " ORDER BY user_files.id LIMIT $3")
    fw.psql("worker", "CREATE TABLE sick_user (sick bigint)")
    fw.psql("worker", "GRANT SELECT ON sick_user TO PUBLIC")
    try:
        fw.stack.worker.configure({"worker": {**QUICK, "sweep_after": "1h", "files_sql": broken}})
        user, asked, other = fw.make_user(), fw.make_user(), fw.make_user()
        for one in (user, asked, other):
            ask(fw, one)
            completed(fw, one, files=3)
        fw.psql("worker", "INSERT INTO sick_user VALUES (%s)", user.id)
        late_file(fw, user, f"late-{user.id}")
        fw.psql("worker", SWEEP_NOW, str(user))
        said(fw, "files can't be looked for", f"user={user.id} ")
        row = fw.ledger(user)[0]
        assert (row["swept"], row["status"]) == (0, "completed") and row["sweep_at"] is not None, row
        fw.psql("worker", SWEEP_NOW, str(other))
        fw.wait_until(lambda: fw.ledger(other)[0]["swept"] == 1, what="the other's sweep")

        fw.psql("worker", "UPDATE sick_user SET sick = %s", asked.id)
        late_file(fw, asked, f"late-{asked.id}")
        assert fw.delete(asked).status == 200        # asks for a sweep
        said(fw, "files can't be looked for", f"user={asked.id} ")
        fw.wait_until(lambda: fw.ledger(user)[0]["files_deleted"] == 4 and fw.ledger(user)[0]["status"] == "completed", what="the sweep")
        fw.psql("worker", "DELETE FROM sick_user")
        fw.wait_until(lambda: fw.ledger(asked)[0]["files_deleted"] == 4 and fw.ledger(asked)[0]["status"] == "completed", what="that sweep")
        assert fw.objects_of(user) == fw.objects_of(asked) == []
        quiet(fw)
    finally:
        fw.stack.worker.stop()
        fw.psql("worker", "DROP TABLE sick_user")
