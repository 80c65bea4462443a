"""A private PostgreSQL cluster with the two databases users_db and worker_db."""
import contextlib
import filecmp
import glob
import os
import select
import signal
import threading

import psycopg2
import psycopg2.extras

from .place import TOP
from .proc import Daemon, StackError

DATABASES = {"users": "users_db", "worker": "worker_db"}
PASSWORD = "correct horse"


def bindir():
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    if not found:
        raise StackError("no PostgreSQL server is installed")
    return os.path.dirname(max(found, key=lambda p: int(p.split("/")[4])))


def ended(connection):
    """Whether the server has closed the connection, on which nothing is under way."""
    return bool(select.select([connection], [], [], 0)[0])


class Postgres(Daemon):
    stop_signal = signal.SIGINT  # "fast": sessions are ended, then a clean stop

    def __init__(self, stack):
        super().__init__(stack, "postgres")
        self.data = os.path.join(self.dir, "data")
        self.run_dir = self.place.path("run")
        self.port = self.place.port("postgres")
        self.kept = threading.local()
        self.applied = self.place.path("db")  # a copy of db/ as it was when last applied

    def prepare(self):
        if os.path.exists(os.path.join(self.data, "PG_VERSION")):
            with contextlib.suppress(OSError):  # a killed one's, whose pid may still be a zombie's
                os.unlink(os.path.join(self.data, "postmaster.pid"))
            return
        os.makedirs(self.dir, exist_ok=True)
        self.place.give(self.dir)
        self.place.run([f"{bindir()}/initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
                        "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"])
        self.place.write(os.path.join(self.data, "postgresql.auto.conf"), f"""\
listen_addresses = '127.0.0.1'
port = {self.port}
unix_socket_directories = '{self.run_dir}'
max_connections = 400
shared_buffers = 64MB
fsync = off
password_encryption = 'scram-sha-256'
log_line_prefix = '%m [%p] %q%u@%d '
log_lock_waits = on
""")

    def argv(self):
        return [f"{bindir()}/postgres", "-D", self.data]

    def is_ready(self):
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def set_up(self):
        """The role, the two databases, the sample application's tables, Farewell's migrations: what is missing.

        When a migration that was applied here has been edited since, the databases are made anew."""
        if self._edited():
            for database in DATABASES.values():
                self.admin(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        if not self.admin("SELECT FROM pg_roles WHERE rolname = 'farewell'"):
            self.admin("CREATE ROLE farewell LOGIN PASSWORD %s", PASSWORD)
        for which, sample in (("users", "users"), ("worker", "user_files")):
            if not self.admin("SELECT FROM pg_database WHERE datname = %s", DATABASES[which]):
                self.admin(f"CREATE DATABASE {DATABASES[which]} OWNER farewell")
            if self.query(which, "SELECT to_regclass(%s) IS NULL AS missing", sample)[0]["missing"]:
                with open(os.path.join(TOP, "db", "sample", sample + ".sql"), encoding="utf-8") as f:
                    self.query(which, f.read())
        self.migrate()

    def migrate(self):
        """Applies Farewell's migrations to both databases, as people do: with db/migrate."""
        tree = self.applied
        self.stack.copy_tree(os.path.join(TOP, "db"), tree)
        for which, kind in (("users", "user"), ("worker", "worker")):
            self.place.run([os.path.join(tree, "migrate"), kind, self.conninfo(which, local=True)])

    def conninfo(self, which, local=False):
        """A libpq connection string; local: by the UNIX socket, where no password is needed."""
        host = self.run_dir if local else "127.0.0.1"
        return f"host={host} port={self.port} dbname={DATABASES[which]} user=farewell"

    def connect(self, which):
        """A psycopg2 connection (not autocommit) as the role that Farewell uses."""
        return psycopg2.connect(self.conninfo(which, local=True), connect_timeout=5)

    def query(self, which, sql, *params):
        """Runs SQL in a transaction of its own; the rows as dicts, or the number of rows.

        Its session is kept for the next query of this thread: a test asks a hundred times whether something is so yet."""
        kept = self.kept.__dict__
        connection = kept.pop(which, None)
        if connection is None or ended(connection):
            connection = self.connect(which)
        with connection, connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as c:
            c.execute(sql, params or None)
            answer = [dict(r) for r in c.fetchall()] if c.description else c.rowcount
        connection.reset()  # what the test's triggers may have set
        kept[which] = connection
        return answer

    def admin(self, sql, *params, database="postgres"):
        """The same as the superuser, without a transaction."""
        connection = self._connect(database)
        connection.autocommit = True
        try:
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as c:
                c.execute(sql, params or None)
                return [dict(r) for r in c.fetchall()] if c.description else c.rowcount
        finally:
            connection.close()

    def _edited(self):
        old = glob.glob(os.path.join(self.applied, "*", "*.sql"))
        new = (os.path.join(TOP, "db", os.path.relpath(path, self.applied)) for path in old)
        return any(not os.path.exists(n) or not filecmp.cmp(o, n, shallow=False) for o, n in zip(old, new))

    def _connect(self, database):
        return psycopg2.connect(host=self.run_dir, port=self.port, dbname=database, user="postgres", connect_timeout=5)
