"""./dev bench files: how fast one child deletes files, beside a bare loop of the same requests, and what memory it takes.

Each case is measured in turns, the worker and then the bare loop (bare_s3.c), on as many objects of their own, in the same servers;
what counts is the ratio of the medians. The worker's time is the ledger's: from the first deletion's row to the last one's end."""
import os
import statistics
import subprocess
import time
import uuid

from stack import Stack
from stack.client import Client, QUEUE
from stack.place import TOP
from stack.proc import wait_until
from stack.s3 import ACCESS_KEY, REGION, SECRET_KEY
from tools.jobs import commit_request, message
from tools.s3_canned import Canned, deleted, error

BUCKET, VERSIONED = "bench-files", "bench-versions"
WORKER = {"children": 1, "reconciler": False, "max_jobs_per_child": 0, "s3_timeout": "60s"}
PATIENCE = 3600
KEYS_A_SECOND = 1000


class Case:
    """So many accounts of so many files each; versions: objects of each key, 0: the object is missing."""

    def __init__(self, title, accounts, files, versions=1, turns=5):
        self.title, self.accounts, self.files, self.versions, self.turns = title, accounts, files, versions, turns

    @property
    def bucket(self):
        return VERSIONED if self.versions > 1 else BUCKET


def cases(quick):
    """--quick tries everything out in a minute or two; its figures say little."""
    if quick:
        return [Case("10 files", 10, 10, turns=2), Case("1,000 files", 2, 1000, turns=2), Case("10,000 files", 1, 10_000, turns=1),
                Case("1,000 rows without objects", 3, 1000, versions=0, turns=2),
                Case("1,000 files of three versions", 1, 1000, versions=3, turns=1)]
    return [Case("10 files", 100, 10), Case("1,000 files", 10, 1000), Case("100,000 files", 1, 100_000, turns=3),
            Case("1,000 rows without objects", 20, 1000), Case("100,000 rows without objects", 1, 100_000),
            Case("1,000 files of three versions", 5, 1000, versions=3)]


def say(name, value):
    print(f"{name:<58} {value}", flush=True)


class Bench:
    def __init__(self, stack):
        self.stack = stack
        self.client = Client(stack)
        self.tool = self._build_tool()
        self.number = 0

    def _build_tool(self):
        """Compiles the bare loop for the stack's user."""
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libcurl", "libcrypto"], check=True, capture_output=True, text=True)
        tool = self.stack.place.path("bin", "bare_s3")
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", os.path.join(TOP, "bench", "bare_s3.c"), "-o", tool, *flags.stdout.split()], check=True)
        os.chmod(tool, 0o755)
        return tool

    def bare(self, verb, bucket, prefix, *count):
        """Runs the tool and returns the seconds that it took."""
        env = {"BARE_REGION": REGION, "BARE_ACCESS_KEY": ACCESS_KEY, "BARE_SECRET_KEY": SECRET_KEY}
        return float(self.stack.place.run([self.tool, verb, self.stack.s3.endpoint, bucket, prefix, *map(str, count)], env=env,
                                          timeout=PATIENCE).stdout)

    def make_objects(self, case):
        """The prefixes of new objects, one an account."""
        prefixes = [f"{uuid.uuid4().hex[:12]}/" for _ in range(case.accounts)]
        for prefix in prefixes:
            for _ in range(case.versions):
                self.bare("put", case.bucket, prefix, case.files)
        return prefixes

    def make_account(self, case, prefix):
        """A user with rows that name the objects below PREFIX, and no address, so that no mail is in the way."""
        user = self.client.make_user(files=0, email=None)
        self.stack.postgres.query("worker", "INSERT INTO user_files (user_id, file_path) SELECT %s, %s || n"
                                  " FROM generate_series(0, %s - 1) n", user.id, f"s3://{case.bucket}/{prefix}", case.files)
        return user

    def run_worker(self, users, files):
        """Deletes the accounts one after the other and returns the seconds from the first row of the ledger to the last end."""
        ids = [commit_request(self.client, user) for user in users]
        for user, deletion in zip(users, ids):
            self.client.publish(message(user, deletion))

        def ended():
            row = self.stack.postgres.query(
                "worker", "SELECT count(*) FILTER (WHERE status = 'completed') AS done, max(last_error) AS error,"
                " sum(files_deleted) AS files, EXTRACT(epoch FROM max(finished_at) - min(created_at)) AS seconds"
                " FROM farewell.deletion WHERE deletion_id = ANY(%s::uuid[])", ids)[0]
            if row["error"]:
                raise SystemExit(f"a deletion failed, so nothing is measured: {row['error']}")
            return row if row["done"] == len(ids) else None
        row = wait_until(ended, PATIENCE, "the worker's end", 0.1)
        if row["files"] != files * len(users):
            raise SystemExit(f"the worker counted {row['files']} files, not {files * len(users)}")
        return float(row["seconds"])

    def worker_turn(self, case):
        users = [self.make_account(case, prefix) for prefix in self.make_objects(case)]
        self.stack.postgres.admin("ANALYZE user_files", database=self.database())
        return case.accounts * case.files / self.run_worker(users, case.files)

    def bare_turn(self, case):
        prefixes = self.make_objects(case)
        verb, count = ("versions", []) if case.versions > 1 else ("delete", [case.files])
        return case.accounts * case.files / sum(self.bare(verb, case.bucket, prefix, *count) for prefix in prefixes)

    def database(self):
        return next(word[7:] for word in self.stack.postgres.conninfo("worker").split() if word.startswith("dbname="))

    def measure(self, case):
        worker, bare = [], []
        for turn in range(case.turns):
            for who in (self.worker_turn, self.bare_turn)[::1 if turn % 2 == 0 else -1]:
                (worker if who == self.worker_turn else bare).append(who(case))
        ours, theirs = statistics.median(worker), statistics.median(bare)
        goal = " (goal: 0.90 or more)" if case.files >= 1000 else ""
        say(f"{case.title}, {case.accounts} accounts: files a second, worker | bare", f"{ours:,.0f} | {theirs:,.0f}")
        say(f"  worker / bare{goal}", f"{ours / theirs:.2f}")
        say(f"  lowest and highest of {case.turns}", f"{min(worker):,.0f} {max(worker):,.0f} | {min(bare):,.0f} {max(bare):,.0f}")

    def peak_kb(self, rows):
        """The most memory that a fresh child had over one account of so many rows, whose objects are missing."""
        self.stack.worker.restart()
        case = Case("", 1, rows, versions=0)
        user = self.make_account(case, f"{uuid.uuid4().hex[:12]}/")
        self.stack.postgres.admin("ANALYZE user_files", database=self.database())
        children = self.stack.worker.children()
        seconds = self.run_worker([user], rows)
        if self.stack.worker.children() != children:
            raise SystemExit("the child was replaced on the way")
        say(f"{rows:,} rows without objects: files a second", f"{rows / seconds:,.0f}")
        return max(high_water_kb(pid) for pid in children)

    def seconds_at(self, store, rows):
        """How long one account of so many rows takes at a store of the tests' own, of which no versions are asked for."""
        self.stack.worker.configure({"worker": {**WORKER, "s3_endpoint": store.endpoint, "s3_versions": "current"}})
        user = self.make_account(Case("", 1, rows), f"{uuid.uuid4().hex[:12]}/")
        self.stack.postgres.admin("ANALYZE user_files", database=self.database())
        return self.run_worker([user], rows)

    def measure_slow_down(self, rows):
        """A store that deletes KEYS_A_SECOND, and one that besides answers every fifth request with SlowDown."""
        def calm(request):
            time.sleep(len(request.keys) / KEYS_A_SECOND)
            return deleted(request.keys)

        def refusing(request):
            return error(503, "SlowDown") if len(stores[1].requests) % 5 == 0 else calm(request)
        stores = [Canned(calm), Canned(refusing)]
        try:
            undisturbed, refused = (self.seconds_at(store, rows) for store in stores)
        finally:
            self.stack.worker.configure({"worker": WORKER})
            for store in stores:
                store.close()
        say(f"{rows:,} rows, seconds, undisturbed | one request in five refused", f"{undisturbed:.1f} | {refused:.1f}")
        say("  the second / the first (goal: 1.50 or less)", f"{refused / undisturbed:.2f}")

    def measure_memory(self, few, many):
        small, large = self.peak_kb(few), self.peak_kb(many)
        say(f"peak RSS of a child, kB: {few:,} | {many:,} rows", f"{small:,} | {large:,}")
        say("  the second / the first (goal: 1.10 or less)", f"{large / small:.2f}")


def high_water_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def has_versions():
    with open(os.path.join(TOP, "conf", "farewell.conf")) as f:
        return "s3_versions" in f.read()


def run(quick):
    stack = Stack("bench").open()
    try:
        stack.start_servers()
        stack.stage()
        stack.worker.configure({"worker": WORKER})
        bench = Bench(stack)
        stack.s3.make_bucket(BUCKET)
        stack.s3.make_bucket(VERSIONED)
        stack.s3.client().put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
        say("load of the machine at the start (1, 5, 15 minutes)", "%.1f %.1f %.1f" % os.getloadavg())
        for case in cases(quick):
            if case.versions > 1 and not has_versions():
                say(case.title, "skipped: there is no setting worker.s3_versions")
            else:
                bench.measure(case)
        bench.measure_slow_down(8000 if quick else 40_000)
        bench.measure_memory(1000, 50_000 if quick else 1_000_000)
        say("load of the machine at the end", "%.1f %.1f %.1f" % os.getloadavg())
        wait_until(lambda: bench.client.queue_messages(QUEUE) == 0, what="an empty queue")
    finally:
        stack.down()
