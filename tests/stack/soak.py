"""Deletions at full load while everything is killed and restarted at random; then the checker counts."""
import os
import queue
import random
import signal
import threading
import time
from collections import Counter

from . import Stack
from .checker import Checker
from .client import Client
from .proc import StackError, wait_until

SETTINGS = {
    "common": {"retry_delays": "1s 2s 4s 8s"},
    "gateway": {"children": 6},
    "worker": {"children": 6, "reconcile_every": "1s", "reconcile_after": "5s", "s3_timeout": "10s", "smtp_timeout": "10s", "smtp_answer_timeout": "5s",
               "mail_locale": "en"},
}
CLIENTS = 6
MAKERS = 3
BYSTANDERS = 300
ASK_AGAIN = 30          # times, at the most, for one user


class Killer:
    """What dies, and how; every choice comes from the seed."""

    def __init__(self, stack, seed):
        self.stack, self.random = stack, random.Random(seed)
        self.kills = Counter()
        self.actions = [          # weight, name, what
            (10, "gateway child", lambda: self.kill_child(stack.gateway)),
            (14, "worker child", lambda: self.kill_child(stack.worker)),
            (1, "gateway master", lambda: self.kill_and_start(stack.gateway)),
            (2, "worker master", lambda: self.kill_and_start(stack.worker)),
            (1, "broker", lambda: self.kill_and_start(stack.rabbit)),
            (1, "broker, asked to stop", lambda: stack.rabbit.restart()),
            (2, "PostgreSQL, immediate", self.crash_postgres),
            (3, "S3 gateway", lambda: self.kill_and_start(stack.s3.rgw)),
            (3, "mail server", lambda: self.kill_and_start(stack.smtp)),
            (2, "pause of S3", lambda: self.pause(stack.s3.rgw)),
            (2, "pause of the mail server", lambda: self.pause(stack.smtp)),
            (1, "pause of the broker", lambda: self.pause(stack.rabbit)),
            (1, "pause of PostgreSQL", lambda: self.pause(stack.postgres)),
            (1, "pause of a worker child", self.pause_child),
        ]

    def kill_child(self, program):
        children = program.children()
        if children:
            self._signal(self.random.choice(sorted(children)), signal.SIGKILL)

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

    def pause(self, daemon):
        daemon.pause()
        time.sleep(self.random.uniform(0.5, 4))
        daemon.resume()

    def pause_child(self):
        children = self.stack.worker.children()
        if children:
            pid = self.random.choice(sorted(children))
            self._signal(pid, signal.SIGSTOP)
            time.sleep(self.random.uniform(0.5, 3))
            self._signal(pid, signal.SIGCONT)

    @staticmethod
    def _signal(pid, sig):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass

    def run_until(self, stop, say):
        weights = [weight for weight, _, _ in self.actions]
        while not stop.wait(self.random.uniform(0.4, 2.5)):
            _, name, act = self.random.choices(self.actions, weights)[0]
            try:
                act()
                self.kills[name] += 1
            except StackError as e:
                say(f"  {name}: {e}")

    @property
    def count(self):
        return sum(n for name, n in self.kills.items() if not name.startswith("pause"))


class Soak:
    def __init__(self, minutes, seed, say=print, build=None, least_answered=0, least_kills=0):
        self.minutes, self.seed, self.say = minutes, seed, say
        self.least_answered, self.least_kills = least_answered, least_kills
        self.stack = Stack.take("soak", settings=SETTINGS, build=build)
        self.ready = queue.Queue(300)       # users who are there and not yet asked for
        self.stop = threading.Event()
        self.rng = random.Random(f"{seed} users")

    def _make(self):
        while not self.stop.is_set():
            try:
                more = {"email": None} if self.rng.random() < 0.1 else {}      # who has no address gets no mail
                user, = self.checker.make_users(1, files=2, **more)
            except Exception:               # the database or S3 is being killed: this one was never asked for
                time.sleep(0.2)
                continue
            while not self.stop.is_set():
                try:
                    self.ready.put(user, timeout=0.5)
                    break
                except queue.Full:
                    continue

    def _ask(self, number):
        rng = random.Random(f"{self.seed} client {number}")
        while not self.stop.is_set() or not self.ready.empty():
            try:
                user = self.ready.get(timeout=0.5)
            except queue.Empty:
                continue
            for _ in range(ASK_AGAIN):
                # Some ask again though they have their answer; some give up, and what they were told has to stay true.
                if self.checker.ask(user) == 200 and rng.random() < 0.7:
                    break
                if rng.random() < 0.1:
                    break
                time.sleep(rng.uniform(0, 0.5))

    def _heal(self):
        """Everything is put back before the counting."""
        for daemon in self.stack.daemons():
            if daemon.frozen:
                daemon.resume()
        for daemon in (self.stack.postgres, self.stack.rabbit, self.stack.smtp, self.stack.worker, self.stack.gateway):
            daemon.start()
        self.stack.s3.start()
        self.stack.gateway.wait_serving(self.stack.nginx.url)

    def run(self):
        """The checker's figures and the killer."""
        self.stack.up()
        self.stack.s3.make_bucket("farewell-test")
        self.stack.nginx.configure(rate="100000r/s", burst=100000)
        self.checker = Checker(Client(self.stack))
        self.checker.make_bystanders(BYSTANDERS)
        killer = Killer(self.stack, self.seed)
        threads = [threading.Thread(target=self._make) for _ in range(MAKERS)]
        threads += [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]
        threads.append(threading.Thread(target=killer.run_until, args=(self.stop, self.say)))
        for thread in threads:
            thread.start()
        self._watch(killer)
        self.stop.set()
        for thread in threads:
            thread.join()
        self._heal()
        self.say("  the killing is over; waiting until everything is finished")
        self.checker.settle(max(300, self.minutes * 60))
        return self.checker.figures(), killer

    def _watch(self, killer):
        """Until the time is up and enough has happened in it."""
        deadline = time.monotonic() + self.minutes * 60
        next_word = time.monotonic() + 30
        answered = 0
        while (left := deadline - time.monotonic()) > 0 or answered < self.least_answered or killer.count < self.least_kills:
            time.sleep(min(max(left, 0.1), 1))
            answered = sum(1 for a in self.checker.answers.copy().values() if 200 in a)
            if time.monotonic() >= next_word:
                next_word += 30
                self.say(f"  {left / 60:4.1f} min left: {len(self.checker.answers)} asked for, {answered} answered with 200, {killer.count} kills")

    def close(self):
        self.stack.down()


def run(minutes, seed, say=print, keep=False, **least):
    """Runs a soak and prints its figures; gives them and the killer."""
    say(f"soak: {minutes:g} min, seed {seed}")
    soak = Soak(minutes, seed, say, **least)
    try:
        figures, killer = soak.run()
        say("  killed: " + ", ".join(f"{count} x {name}" for name, count in sorted(killer.kills.items())))
        say(f"  kills={killer.count} {figures}")
        return figures, killer
    finally:
        if not keep:
            soak.close()
