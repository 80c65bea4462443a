"""A right that is missing at the start and granted later: the check is made again, and the worker begins."""
LOCK = "SELECT id::text, deleted_at::text FROM granted_users WHERE id = $1 FOR SHARE"
REFUSED = "permission denied for table granted_users"


def test_a_right_that_is_granted_later(fw, more_worker):
    """It is made in the same session, and must not fail by what the first one left there."""
    fw.psql("users", "DROP TABLE IF EXISTS granted_users; CREATE TABLE granted_users (id bigint PRIMARY KEY, deleted_at timestamptz);"
            " REVOKE ALL ON granted_users FROM farewell")
    own = {name: f"late-right.{name}" for name in ("exchange", "queue", "parked_queue", "retry_queue_prefix")}
    worker = more_worker({"common": own, "worker": {"children": 1, "lock_user_sql": LOCK}}, start=False)
    before = len(worker.log_text())
    try:
        worker.start(wait=False)
        fw.wait_until(lambda: worker.log_text()[before:].count(REFUSED) >= 3 or not worker.running, what="the check to be refused again and again")
        assert worker.running and "checked_plan\" already exists" not in worker.log_text()[before:]
        fw.psql("users", "GRANT ALL ON granted_users TO farewell")
        worker.wait_ready()
    finally:
        worker.stop()
        fw.psql("users", "DROP TABLE granted_users")
