"""A synchronous standby of the stack's PostgreSQL: with Standby(stack) as standby: …"""
import os
import shutil

import psycopg2
from stack.postgres import bindir
from stack.proc import Daemon, wait_until


class Standby(Daemon):
    """A physical standby made with pg_basebackup; while it is open every commit of the stack waits for it."""

    stop_signal = 2
    name_there = "farewell_standby"

    def __init__(self, stack):
        super().__init__(stack, "standby")
        self.data = os.path.join(self.dir, "data")
        self.port = self.place.port("standby")

    def __enter__(self):
        primary = self.stack.postgres
        os.makedirs(self.dir, exist_ok=True)
        self.place.give(self.dir)
        shutil.rmtree(self.data, ignore_errors=True)
        self.place.run([f"{bindir()}/pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "-d",
                        f"host={primary.run_dir} port={primary.port} user=postgres application_name={self.name_there}"])
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a", encoding="utf-8") as f:
            f.write(f"port = {self.port}\n")
        try:
            self.start()
            primary.admin(f"ALTER SYSTEM SET synchronous_standby_names = '{self.name_there}'")
            primary.admin("SELECT pg_reload_conf()")
            wait_until(lambda: primary.admin("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'"), 60, "the standby to be synchronous")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        primary = self.stack.postgres
        primary.admin("ALTER SYSTEM RESET synchronous_standby_names")
        primary.admin("SELECT pg_reload_conf()")
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def argv(self):
        return [f"{bindir()}/postgres", "-D", self.data]

    def is_ready(self):
        try:
            psycopg2.connect(host=self.stack.postgres.run_dir, port=self.port, dbname="postgres", user="postgres", connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def waiting(self, user="farewell-fcgi"):
        """The pids of sessions on the primary that wait for us to have their commit."""
        return [row["pid"] for row in self.stack.postgres.admin(
            "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = %s ORDER BY xact_start", user)]
