"""A file id that stands in two rows: what one row's success marks as done would hide the other for ever."""
import pytest

from stack.client import PARKED
from tools.jobs import ask, completed, parked_message, quiet, untouched

pytestmark = pytest.mark.own_worker

TABLES = """
    DROP TABLE IF EXISTS docs; DROP VIEW IF EXISTS uploads; DROP TABLE IF EXISTS photos, films;
    CREATE TABLE docs (id bigint PRIMARY KEY, user_id bigint NOT NULL, paths text[] NOT NULL, deleted_at timestamptz);
    CREATE TABLE photos (id bigint PRIMARY KEY, user_id bigint NOT NULL, file_path text, deleted_at timestamptz);
    CREATE TABLE films (LIKE photos INCLUDING ALL);
    CREATE VIEW uploads AS SELECT * FROM photos UNION ALL SELECT * FROM films"""
DOCS = ("SELECT docs.id::text, p FROM docs, unnest(paths) p WHERE user_id = $1 AND deleted_at IS NULL AND ($2::bigint IS NULL OR docs.id > $2::bigint)"
        " ORDER BY docs.id LIMIT $3")
DOCS_DONE = "UPDATE docs SET deleted_at = now() WHERE user_id = $1 AND id = ANY ($2::bigint[])"
UPLOADS = ("SELECT id::text, file_path FROM uploads WHERE user_id = $1 AND deleted_at IS NULL AND ($2::bigint IS NULL OR id > $2::bigint)"
           " ORDER BY uploads.id LIMIT $3")
UPLOADS_DONE = ("WITH p AS (UPDATE photos SET deleted_at = now() WHERE user_id = $1 AND id = ANY ($2::bigint[]) RETURNING id),"
                " f AS (UPDATE films SET deleted_at = now() WHERE user_id = $1 AND id = ANY ($2::bigint[]) RETURNING id) SELECT FROM p UNION ALL SELECT FROM f")


@pytest.fixture
def tables(fw):
    """Rows of docs, photos and films instead of user_files; give(user, table, id, keys) stores what they name."""
    fw.purge(PARKED)
    fw.psql("worker", TABLES)

    def give(user, table, row, keys):
        paths = [key if key is None or "://" in key else f"s3://{fw.bucket}/u{user.id}/{key}" for key in keys]
        for key in keys:
            if key is not None and "://" not in key:
                fw.stack.s3.put(fw.bucket, f"u{user.id}/{key}")
                user.keys.append(f"u{user.id}/{key}")
        fw.psql("worker", f"INSERT INTO {table} VALUES (%s, %s, %s)", row, user.id, paths if table == "docs" else paths[0])
    yield give
    fw.stack.worker.stop()
    fw.psql("worker", "DROP TABLE docs; DROP VIEW uploads; DROP TABLE photos, films")
    fw.purge(PARKED)


def start(fw, sql, done, **worker):
    fw.stack.worker.configure({"worker": {"children": 1, "reconciler": "no", "files_sql": sql, "files_done_sql": done, **worker}})


def parked_for_it(fw, user, twin):
    row = fw.wait_status(user, "parked")
    for words in ("worker.files_sql", "different in each row", "|| '/' ||", twin):
        assert words in row["last_error"], row
    parked_message(fw, user)
    assert fw.mails(user) == []


def files_of(fw, table):
    return fw.psql("worker", f"SELECT count(*) AS left FROM {table} WHERE deleted_at IS NULL")[0]["left"]


@pytest.mark.parametrize("page, paths", [(2, 3), (3, 4), (1, 2), (1000, 3)])
def test_the_paths_of_an_array(fw, tables, page, paths):
    """The twins lie on both sides of a page's end, right behind a full page, or in one page."""
    odd, other = fw.make_user(files=0), fw.make_user(files=0)
    start(fw, DOCS, DOCS_DONE, files_page=page)
    tables(odd, "docs", 7, [f"{n}.bin" for n in range(paths)])
    for row in (8, 9, 10, 11):
        tables(other, "docs", row, [f"{row}.bin"])
    for user in (odd, other):
        ask(fw, user)
    completed(fw, other, files=4)
    parked_for_it(fw, odd, "7")
    untouched(fw, odd)
    assert files_of(fw, "docs") == 1
    quiet(fw)


def test_pages_before_are_deleted(fw, tables):
    """Only the page that has the twins stays, and all of it."""
    user = fw.make_user(files=0)
    start(fw, DOCS, DOCS_DONE, files_page=2)
    for row, keys in ((1, ["a"]), (2, ["b"]), (3, ["c"]), (4, ["d", "e"]), (5, ["f"])):
        tables(user, "docs", row, keys)
    ask(fw, user)
    parked_for_it(fw, user, "4")
    assert fw.objects_of(user) == [f"u{user.id}/{key}" for key in "cdef"]
    quiet(fw)


@pytest.mark.parametrize("broken", ["photos", "films"])
def test_two_tables_with_the_same_ids(fw, tables, broken):
    """In one page: one of the two can't be deleted, and the other's success would mark it."""
    user = fw.make_user(files=0)
    start(fw, UPLOADS, UPLOADS_DONE)
    for table in ("photos", "films"):
        tables(user, table, 5, ["http://example.test/5" if table == broken else "5.bin"])
    ask(fw, user)
    parked_for_it(fw, user, "5")
    untouched(fw, user)
    assert files_of(fw, "uploads") == 2
    quiet(fw)


def test_twins_that_are_no_neighbours(fw, tables):
    user = fw.make_user(files=0)
    start(fw, UPLOADS.replace("ORDER BY uploads.id", "ORDER BY file_path"), UPLOADS_DONE)
    tables(user, "photos", 1, ["a"])
    tables(user, "photos", 2, ["b"])
    tables(user, "films", 1, ["c"])
    ask(fw, user)
    parked_for_it(fw, user, "1")
    untouched(fw, user)
    quiet(fw)


@pytest.mark.parametrize("same", [True, False])
def test_long_ids(fw, tables, same):
    """They are compared to their last byte."""
    user = fw.make_user(files=0)
    last = "'x'" if same else "id"
    start(fw, f"SELECT repeat('é', 5000) || {last} || 'y', file_path FROM photos WHERE user_id = $1 AND deleted_at IS NULL AND $2::text IS NULL ORDER BY id LIMIT $3",
          f"UPDATE photos SET deleted_at = now() WHERE user_id = $1 AND repeat('é', 5000) || {last} || 'y' = ANY ($2::text[])")
    tables(user, "photos", 1, ["a"])
    tables(user, "photos", 2, ["b"])
    ask(fw, user)
    if same:
        parked_for_it(fw, user, "é")
        untouched(fw, user)
    else:
        completed(fw, user, files=2)
    quiet(fw)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_null_id(fw, tables, rows):
    """Said as such, and not as two ids that are the same."""
    odd, other = fw.make_user(files=0), fw.make_user(files=0)
    start(fw, UPLOADS.replace("id::text", "NULLIF(id, 3)::text" if rows == 1 else "NULL::text"), UPLOADS_DONE)
    tables(odd, "photos", 2, ["2.bin"])
    tables(odd, "photos", 3, ["3.bin"])
    if rows == 1:
        tables(other, "photos", 4, ["4.bin"])
        ask(fw, other)
    ask(fw, odd)
    reason = fw.wait_status(odd, "parked")["last_error"]
    assert "worker.files_sql" in reason and "null" in reason and "different in each row" not in reason, reason
    untouched(fw, odd)
    if rows == 1:
        completed(fw, other, files=1)
    quiet(fw)


# What doc/ADOPT.md says to do about it, word for word.

ARRAYS = (
    "SELECT docs.id || '/' || p, p FROM docs, unnest(paths) p WHERE user_id = $1 AND ($2::text IS NULL OR docs.id || '/' || p > $2) ORDER BY docs.id || '/' || p LIMIT $3",
    "UPDATE docs SET paths = ARRAY(SELECT p FROM unnest(paths) p WHERE docs.id || '/' || p <> ALL ($2::text[])) WHERE user_id = $1")
UNION = (
    "SELECT * FROM (SELECT 'photo/' || id AS row, file_path FROM photos WHERE user_id = $1 AND deleted_at IS NULL"
    " UNION ALL SELECT 'film/' || id, file_path FROM films WHERE user_id = $1 AND deleted_at IS NULL) AS uploads WHERE $2::text IS NULL OR row > $2 ORDER BY row LIMIT $3",
    "WITH p AS (UPDATE photos SET deleted_at = now() WHERE user_id = $1 AND 'photo/' || id = ANY ($2::text[]) RETURNING id),"
    " f AS (UPDATE films SET deleted_at = now() WHERE user_id = $1 AND 'film/' || id = ANY ($2::text[]) RETURNING id) SELECT FROM p UNION ALL SELECT FROM f")


@pytest.mark.parametrize("page", [1, 3, 1000])
def test_the_advice_is_good(fw, tables, page):
    arrays, union = fw.make_user(files=0), fw.make_user(files=0)
    for row in (1, 22, 3):
        tables(arrays, "docs", row, [f"{row}-{n}.bin" for n in range(3)])
    for table in ("photos", "films"):
        for row in (5, 6):
            tables(union, table, row, [f"{table}-{row}.bin"])
    for user, statements, files in ((arrays, ARRAYS, 9), (union, UNION, 4)):
        start(fw, *statements, files_page=page)
        ask(fw, user)
        completed(fw, user, files=files)
    quiet(fw)
