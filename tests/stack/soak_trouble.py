"""What goes wrong with the servers in the soak: killed, paused, cut, denied, changed under way; by weights, from a seed."""
import os
import signal
import time
from collections import Counter

from .proc import wait_until
from .soak_users import FLAKY, REFUSING

DENY = [{"Effect": "Deny", "Principal": "*", "Action": ["s3:DeleteObject"], "Resource": [f"arn:aws:s3:::{FLAKY}/*"]}]
MAIL_TROUBLE = {
    "the mail server is late": {"delay": 2.5},
    "the mail server is too late": {"delay": 7},                # more than smtp_answer_timeout: nobody knows whether it was sent
    "the mail server keeps mail and cuts": {"data": "drop-stored"},
    "the mail server is busy": {"greeting": "421 4.3.2 busy"},
    "the mail server refuses at MAIL": {"mail": "451 4.3.0 later"},
    "the mail server is full": {"data": "452 4.3.1 full"},
}


class Trouble:
    """Does one thing after the other until it is told to stop."""

    def __init__(self, soak, rng, pauses):
        self.soak, self.stack, self.random, self.pauses = soak, soak.stack, rng, pauses
        self.done = Counter()

    def actions(self):
        """[(weight, name, what), ...]"""
        raise NotImplementedError

    def run_until(self, stop):
        actions = self.actions()
        weights = [weight for weight, _, _ in actions]
        while not stop.wait(self.random.uniform(*self.pauses)):
            _, name, act = self.random.choices(actions, weights)[0]
            try:
                act()
                self.done[name] += 1
            except Exception as e:      # two of these threads met
                self.soak.say(f"  {name}: {type(e).__name__} {str(e)[:200]}")

    @property
    def count(self):
        return sum(self.done.values())


class Killer(Trouble):
    """What dies."""

    def actions(self):
        stack, hosts = self.stack, self.soak.hosts
        return [
            (10, "gateway child", lambda: self.kill_child(stack.gateway)),
            (14, "worker child", lambda: self.kill_child(self.random.choice(hosts))),
            (1, "gateway master", lambda: self.kill_and_start(stack.gateway)),
            (2, "worker master", lambda: self.kill_and_start(self.random.choice(hosts))),
            (1, "a host's worker, asked to stop", lambda: self.random.choice(hosts).restart()),
            (1, "broker", lambda: self.kill_and_start(stack.rabbit)),
            (1, "broker, asked to stop", lambda: stack.rabbit.restart()),
            (2, "PostgreSQL, immediate", self.crash_postgres),
            (3, "S3 gateway", lambda: self.kill_and_start(self.random.choice([stack.s3.rgw, self.soak.slow_s3]))),
            (3, "mail server", lambda: self.kill_and_start(stack.smtp)),
        ]

    def kill_child(self, program):
        children = program.children()
        if children:
            signal_process(self.random.choice(sorted(children)), signal.SIGKILL)

    def kill_and_start(self, daemon):
        daemon.kill(signal.SIGKILL, group=False)
        wait_until(lambda: not daemon.running, what=f"{daemon.name} to be dead")
        if daemon is self.stack.rabbit:
            daemon.epmd.start()
        daemon.start()

    def crash_postgres(self):
        self.stack.postgres.kill(signal.SIGQUIT, group=False)
        wait_until(lambda: not self.stack.postgres.running, what="PostgreSQL to stop")
        self.stack.postgres.start()


class Weather(Trouble):
    """What lasts for some time and passes, and what changes under way; nothing dies of it."""

    def actions(self):
        stack = self.stack
        return [
            (2, "pause of S3", lambda: self.pause(stack.s3.rgw)),
            (2, "pause of the mail server", lambda: self.pause(stack.smtp)),
            (1, "pause of the broker", lambda: self.pause(stack.rabbit)),
            (1, "pause of PostgreSQL", lambda: self.pause(stack.postgres)),
            (1, "pause of a worker child", self.pause_child),
            (3, "bucket denied", self.deny_bucket),
            (2, "sessions cut", self.cut_sessions),
            (1, "broker connections cut", lambda: stack.rabbit.ctl("close_all_connections", "the soak", check=False)),
            (1, "type of users.id changed", lambda: self.change_type("users", "users", "id")),
            (1, "type of user_files.user_id changed", lambda: self.change_type("worker", "user_files", "user_id")),
            *[(1, name, lambda faults=faults: self.spoil_mail(faults)) for name, faults in MAIL_TROUBLE.items()],
        ]

    def last(self, low, high):
        time.sleep(self.random.uniform(low, high))

    def pause(self, daemon):
        daemon.pause()
        self.last(0.5, 4)
        daemon.resume()

    def pause_child(self):
        children = self.random.choice(self.soak.hosts).children()
        if children:
            pid = self.random.choice(sorted(children))
            signal_process(pid, signal.SIGSTOP)
            self.last(0.5, 3)
            signal_process(pid, signal.SIGCONT)

    def deny_bucket(self):
        """The gateways keep policies in memory for a moment; what matters is that deletes are denied for some time."""
        try:
            self.stack.s3.policy(FLAKY, DENY)
            self.last(2, 8)
        finally:
            wait_until(self.allow_bucket, what="the policy to be gone", interval=0.3)

    def allow_bucket(self):
        try:
            self.stack.s3.policy(FLAKY, None)
        except Exception as e:      # the gateway is being killed
            raise OSError(str(e)) from e
        return True

    def spoil_mail(self, faults):
        self.stack.smtp.control(rcpt=REFUSING, **faults)
        self.last(2, 6)
        self.stack.smtp.control(rcpt=REFUSING)

    def cut_sessions(self):
        """Half of Farewell's sessions, whatever they are at."""
        self.stack.postgres.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'farewell-%%' AND random() < 0.5")

    def change_type(self, which, table, column):
        """integer, bigint, integer, ..., under running programs; given up when the lock does not come."""
        name = self.soak.sql(which, "SELECT data_type FROM information_schema.columns WHERE table_name = %s AND column_name = %s", table, column)
        other = "bigint" if name[0]["data_type"] == "integer" else "integer"
        self.soak.sql(which, f"SET LOCAL lock_timeout = '3s'; ALTER TABLE {table} ALTER {column} TYPE {other}")


def signal_process(pid, sig):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass
