"""Deletions at full load while servers die, refuse and are slow, and applications do odd things; then the checker counts.

    figures, troubles = run(minutes, seed)

Clients ask for deletions, makers make the users, each with a story of his own (soak_users.py); a killer and the weather
(soak_trouble.py) work on the servers; an operator corrects and replays what is parked. Two hosts' workers share the work.
At the end everything is put right, what is parked is replayed, and the checker (checker.py) compares what was asked for with
what is there.
"""
import queue
import random
import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from . import Stack
from .checker import Checker
from .client import PARKED, Client
from .proc import StackError, wait_until
from .soak_trouble import Killer, Weather
from .soak_users import ABSENT, FILES_SQL, FLAKY, KEEPING, LOCKING, REFUSING, STATEMENTS, USERS_SQL, Later, Operator, make_users

SETTINGS = {
    "common": {"retry_delays": "1s 2s 4s 8s"},
    "gateway": {"children": 6},
    "worker": {"children": 4, "lock_timeout": "2s", "reconcile_every": "1s", "reconcile_after": "5s", "reconcile_batch": 1000, "s3_timeout": "10s",
               "smtp_timeout": "10s", "smtp_answer_timeout": "5s", "mail_locale": "en", "files_page": 50, "foreign_grace": "4s",
               "sweep_after": "2s 1h",    # the second one is brought forward at the end
               "max_starts": 50,          # deaths at random are the soak's, not the deletion's
               **STATEMENTS},
}
CLIENTS, MAKERS, HANDS = 6, 2, 4
WAITING = 50            # accepted deletions that nobody has begun, at which the clients make a pause: what is measured is no backlog
BATCH = 20
CONVERGENCE = 300       # seconds in which nothing gets on, at the least, until what is left counts as stuck
BYSTANDERS = 300


class Soak:
    def __init__(self, minutes, seed, say=print, build=None, least_answered=0, least_kills=0):
        self.minutes, self.seed, self.say = minutes, seed, say
        self.least_answered, self.least_kills = least_answered, least_kills
        self.stack = Stack.take("soak", settings=SETTINGS, build=build)
        self.ready = queue.Queue(200)       # users who are there and not yet asked for
        self.stop = threading.Event()
        self.later, self.count, self.waiting = Later(), Counter(), 0
        self.twins = set()                  # keys near those of a user, which nobody may touch
        self.soon = self.later.add

    def rng(self, whose):
        return random.Random(f"{self.seed} {whose}")

    def sql(self, which, sql, *params):
        return self.stack.postgres.query(which, sql, *params)

    # The stack.

    def _set_up(self):
        stack = self.stack
        stack.stop_strays()
        for daemon in stack.daemons():       # of a run that kept its stack: this one begins with nothing
            daemon.stop()
        for directory in (stack.postgres.data, stack.rabbit.dir, stack.s3.dir, stack.smtp.maildir):
            shutil.rmtree(directory, ignore_errors=True)
        stack.start_servers()
        self.sql("users", USERS_SQL)
        self.sql("worker", FILES_SQL)
        stack.smtp.control(rcpt=REFUSING)
        for bucket in ("farewell-test", FLAKY, KEEPING):
            stack.s3.make_bucket(bucket)
        stack.s3.client().put_bucket_versioning(Bucket=KEEPING, VersioningConfiguration={"Status": "Enabled"})
        stack.s3.client().create_bucket(Bucket=LOCKING, ObjectLockEnabledForBucket=True)
        stack.start_programs()
        stack.nginx.configure(rate="100000r/s", burst=100000)
        # The other host's way to S3 takes one request at a time, and answers 503 to a second one.
        self.slow_s3 = stack.s3.second_gateway("radosgw-b", "--rgw-scheduler-type=throttler", "--rgw-max-concurrent-requests=1")
        self.hosts = [stack.worker, stack.more_worker("worker-b", {"worker": {"children": 3, "s3_endpoint": self.slow_s3.endpoint}})]
        self.checker = Checker(Client(stack))
        self.checker.buckets += [FLAKY, KEEPING, LOCKING]
        self.checker.make_bystanders(BYSTANDERS)

    def _heal(self):
        """Everything is put back before the counting."""
        stack = self.stack
        for daemon in stack.daemons():
            if daemon.is_frozen():
                daemon.resume()
        stack.smtp.control(rcpt={domain: words for domain, words in REFUSING.items() if domain != "@relay.test"})
        for daemon in (stack.postgres, stack.rabbit, stack.smtp):
            daemon.start()
        stack.s3.start()
        self.slow_s3.start()
        stack.s3.make_bucket(ABSENT)
        stack.s3.policy(FLAKY, None)
        for daemon in (*self.hosts, stack.gateway):
            daemon.start()
        stack.gateway.wait_serving(stack.nginx.url)

    # The load.

    def _make(self, number):
        rng = self.rng(f"maker {number}")
        while not self.stop.is_set():
            try:
                users = make_users(self, rng, BATCH)
            except Exception:               # the database or S3 is being killed: these were never asked for
                time.sleep(0.2)
                continue
            for user in users:
                while not self.stop.is_set():
                    try:
                        self.ready.put(user, timeout=0.5)
                        break
                    except queue.Full:
                        continue

    def _measure(self):
        """How many deletions wait to be begun."""
        while not self.stop.wait(0.3):
            try:
                self.waiting = self.checker.client.value("users", "SELECT count(*) FROM farewell.request WHERE finished_at IS NULL AND status = 'accepted'")
            except Exception:           # it is being killed
                pass

    def _ask(self, number):
        rng = self.rng(f"client {number}")
        while not self.stop.is_set() or not self.ready.empty():
            if self.waiting > WAITING and rng.random() < 0.9 and not self.stop.wait(0.2):
                continue
            try:
                user = self.ready.get(timeout=0.5)
            except queue.Empty:
                continue
            accepted = not user.story.client
            for _ in range(user.story.asks if user.story.client else 0):
                # Some ask again though they have their answer; some give up, and what they were told has to stay true.
                accepted = self.checker.ask(user) == 200 or accepted
                if accepted and (not user.story.repeats or rng.random() < 0.7) or rng.random() < 0.1:
                    break
                time.sleep(rng.uniform(0, 0.5))
            if accepted:
                user.story.asked(self, user, rng)

    def _watch(self):
        """Until the time is up and enough has happened in it."""
        deadline = time.monotonic() + self.minutes * 60
        next_word = time.monotonic() + 30
        answered = 0
        while (left := deadline - time.monotonic()) > 0 or answered < self.least_answered or self.killer.count < self.least_kills:
            time.sleep(min(max(left, 0.1), 1))
            answered = sum(1 for a in self.checker.answers.copy().values() if 200 in a)
            if time.monotonic() >= next_word:
                next_word += 30
                self.say(f"  {left / 60:4.1f} min left: {len(self.checker.answers)} asked for, {answered} answered with 200, {self.killer.count} kills,"
                         f" {self.operator.count.total()} replays")

    # The end.

    def _converge(self):
        """Puts all right, and replays what is parked until nothing is; what does not get on shows in the figures."""
        patience = max(CONVERGENCE, self.minutes * 60)
        self._heal()
        self.say("  the killing is over; waiting until everything is finished")
        wait_until(lambda: self.later.empty, patience, "the application's actions", 0.2)
        for user in [u for u in self.checker.users.values() if u.story.fix]:
            self.operator_does(lambda user=user: user.story.fix(self, user))
        self.checker.settle(patience)
        unhandled = self.checker.unhandled()
        parked = self.operator.parked()
        for row in parked[::2]:
            self.operator.replay_by_sql(row["deletion_id"])
        self.operator.replay_messages(10**6)
        self.checker.settle(patience)
        for row in self.operator.parked():       # their copy was lost with a broker that was killed before it had it
            self.operator.replay_by_sql(row["deletion_id"])
        self.sql("worker", "UPDATE farewell.deletion SET sweep_at = now() WHERE sweep_at > now() AND user_id::bigint IN"
                 " (SELECT user_id FROM user_files WHERE late AND deleted_at IS NULL)")
        late = "SELECT count(*) FROM user_files f JOIN farewell.deletion d ON d.user_id = f.user_id::text WHERE late AND deleted_at IS NULL"
        try:
            wait_until(lambda: not self.checker.client.value("worker", late), patience, "the sweeps", 0.3)
        except StackError as e:
            self.say(f"  {e}")
        self.checker.settle(patience)
        return unhandled

    def operator_does(self, action):
        wait_until(lambda: action() or True, what="a person's correction")

    def _odd_messages(self):
        """What is in the parked queue at the end: copies of what is done, or nothing."""
        done = {r["deletion_id"] for rows in [self.sql("worker", "SELECT deletion_id::text FROM farewell.deletion WHERE finished_at IS NOT NULL")] for r in rows}
        odd = []
        while message := self.checker.client.take_message(PARKED):
            if message[1].message_id not in done:
                odd.append((message[2][:200], (message[1].headers or {}).get("x-farewell-reason")))
        return odd

    def run(self):
        """The checker's figures."""
        self._set_up()
        self.killer = Killer(self, self.rng("killer"), (0.4, 2.5))
        self.weather = Weather(self, self.rng("weather"), (0.5, 4))
        self.operator = Operator(self, self.rng("operator"))
        self.pool = ThreadPoolExecutor(8)
        hands = [threading.Thread(target=self.later.run) for _ in range(HANDS)]
        threads = [threading.Thread(target=self._make, args=(n,)) for n in range(MAKERS)]
        threads += [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]
        threads.append(threading.Thread(target=self._measure))
        threads += [threading.Thread(target=who.run_until, args=(self.stop,)) for who in (self.killer, self.weather, self.operator)]
        for thread in (*hands, *threads):
            thread.start()
        try:
            self._watch()
            self.stop.set()
            for thread in threads:
                thread.join()
            unhandled = self._converge()
            odd = self._odd_messages()
            figures = self.checker.figures()
            gone = self.twins - set(self.checker.objects())
        finally:
            self.stop.set()
            self.later.ended.set()
            self.pool.shutdown()
        for row in unhandled:
            figures.note("stuck", f"neither finished nor parked with a reason in both databases: {row}")
        for key in gone:
            figures.note("false", f"an object beside a user's is gone: {key}")
        for message in odd:
            figures.note("stuck", f"a parked message that leads nowhere: {message}")
        return figures

    def close(self):
        self.stack.down()


def listed(counter):
    return ", ".join(f"{count} x {name}" for name, count in sorted(counter.items())) or "nothing"


def run(minutes, seed, say=print, keep=False, **least):
    """Runs a soak and prints its figures; gives them and the soak."""
    say(f"soak: {minutes:g} min, seed {seed}")
    soak = Soak(minutes, seed, say, **least)
    try:
        figures = soak.run()
        say("  killed: " + listed(soak.killer.done))
        say("  disturbed: " + listed(soak.weather.done))
        say("  accounts: " + listed(soak.count))
        say("  replayed: " + listed(soak.operator.count))
        say(f"  kills={soak.killer.count} {figures}")
        say(f"\n`./dev soak {minutes:g} {seed}` on {time.strftime('%-d %B %Y')}, {soak.killer.count:,} kills:\n")
        for line in figures.summary():
            say("    " + line)
        return figures, soak
    finally:
        if not keep:
            soak.close()
