"""The stack as a whole: every server and Farewell's two programs, started side by side."""
import contextlib
import filecmp
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

from . import farewell, place
from .nginx import Nginx
from .postgres import Postgres
from .proc import Daemon, StackError, relations
from .rabbit import Rabbit
from .s3 import S3
from .smtp import Smtp


class Stack:
    """Stack("check").open().up() starts what does not run yet; .down() stops everything.

    .postgres .rabbit .s3 .smtp .nginx .gateway .worker are the servers (see README.md).
    `settings` are overrides for both programs of every instance; `build` is the build directory."""

    def __init__(self, name="dev", settings=None, build=None):
        self.place = place.Place(name)
        self.settings = settings or {}
        self.build = build or os.environ.get("FAREWELL_BUILD") or os.path.join(place.TOP, "build")
        self.extra = []

    @classmethod
    def take(cls, name, **options):
        """A stack that no other process is using: `name`, or `name-2` and so on."""
        for i in range(1, 20):
            stack = cls(name if i == 1 else f"{name}-{i}", **options)
            if stack.place.lock():
                return stack.open()
        raise StackError(f"all stacks {name}, {name}-2 ... are in use")

    def open(self):
        self.place.open()
        self.postgres = Postgres(self)
        self.rabbit = Rabbit(self)
        self.s3 = S3(self)
        self.smtp = Smtp(self)
        self.gateway = farewell.GatewayProgram(self)
        self.worker = farewell.WorkerProgram(self)
        self.nginx = Nginx(self, "nginx", self.gateway.socket_path)
        return self

    # Up and down.

    def start_servers(self, say=lambda text: None):
        """PostgreSQL (with its tables), RabbitMQ, S3, SMTP and nginx, all at the same time."""
        def database():
            self.postgres.start()
            self.postgres.set_up()
            say("PostgreSQL")
        jobs = {
            database: None, self.rabbit.start: "RabbitMQ", self.s3.start: "S3 (radosgw)", self.smtp.start: "SMTP",
        }
        with ThreadPoolExecutor(len(jobs)) as pool:
            def run(job, name):
                job()
                if name:
                    say(name)
            for future in [pool.submit(run, *item) for item in jobs.items()]:
                future.result()
        return self

    def start_programs(self, say=lambda text: None):
        """Stages the built programs and starts them, each if it does not run this build yet, then nginx."""
        for program in (self.gateway, self.worker):
            if program.running and not self.staged(program.program):
                program.stop()
        self.stage()
        self.worker.start(wait=False)
        self.gateway.start()
        self.nginx.start()
        self.worker.wait_ready()
        say("farewell-workerd")
        self.gateway.wait_serving(self.nginx.url)
        say("farewell-fcgi behind nginx")
        return self

    def up(self, say=lambda text: None):
        self.stop_strays()
        self.start_servers(say)
        self.start_programs(say)
        return self

    def down(self, remove=True):
        """Stops everything in order, whatever state it is in, and removes the directory."""
        for daemon in self.daemons():
            with contextlib.suppress(StackError):
                daemon.stop()
        self.stop_strays()
        if remove:
            self.place.remove()

    def stop_strays(self):
        """Ends instances that tests have left which did not live to do it."""
        known = {d.name for d in self.daemons()}
        for name in [n for n in self.place.state["processes"] if n not in known]:
            Daemon(self, name).stop()

    def daemons(self):
        """Every process, in the order in which they are to be stopped."""
        return [*reversed(self.extra), self.nginx, self.gateway, self.worker, self.smtp, *reversed(self.s3.daemons()),
                self.rabbit, self.rabbit.epmd, self.postgres]

    def heal(self):
        """Undoes what a test did: continues and starts everything, ends extra instances, resets faults.

        A worker that had settings of the test's own is only stopped: the next test often brings its own as well."""
        for daemon in self.extra[::-1]:
            daemon.stop()
            self.extra.remove(daemon)
        disturbed = False
        known = relations()
        for daemon in self.daemons():
            if daemon.is_frozen(known):
                daemon.resume()
                disturbed = True
        if self.smtp.faulty():
            self.smtp.control()
        for part in (self.postgres, self.rabbit, self.smtp):
            if not part.running:
                part.start()
                disturbed = True
        if not all(d.running for d in self.s3.daemons()):
            self.s3.start()
        for program in (self.worker, self.gateway):
            if program.overrides or program.extra_env:
                program.stop()
                program.overrides, program.extra_env = {}, {}
        self.gateway.start()
        self.nginx.configure()
        self.nginx.start()
        if disturbed:  # both have to find their servers again
            self.gateway.wait_serving(self.nginx.url)
            if self.worker.running:
                self.worker.wait_ready()

    def sanitizer_reports(self):
        """What the sanitizers of a build with --asan wrote into any log, the first lines of each report."""
        reports = []
        for name in sorted(os.listdir(self.place.path("log"))):
            with open(self.place.path("log", name), errors="replace") as f:
                lines = f.read().splitlines()
            reports += ["\n".join([name] + lines[i:i + 12]) for i, line in enumerate(lines)
                        if re.search(r"ERROR: \w+Sanitizer|runtime error: ", line)]
        return reports

    # More instances.

    def track(self, daemon):
        self.extra.append(daemon)
        return daemon

    def more_gateway(self, name, overrides=None, start=True, serving=True):
        """Another farewell-fcgi with its own configuration and an nginx of its own: .url is where it answers."""
        gateway = self.track(farewell.GatewayProgram(self, name, overrides))
        gateway.nginx = self.track(Nginx(self, name + "-nginx", gateway.socket_path))
        gateway.url = gateway.nginx.url
        if start:
            gateway.start()
            gateway.nginx.start()
            if serving:
                gateway.wait_serving(gateway.url)
        return gateway

    def more_worker(self, name, overrides=None, start=True):
        """Another farewell-workerd with its own configuration."""
        worker = self.track(farewell.WorkerProgram(self, name, overrides))
        return worker.start() if start else worker

    # Files.

    def stage(self):
        """Copies the built programs and the mail templates to where the stack's user can read them."""
        for name in ("farewell-fcgi", "farewell-workerd"):
            self.program(name, fresh=True)
        self.templates(fresh=True)

    def program(self, name, fresh=False):
        """Where the stack runs a built program from: not the build directory, into which its user may not see."""
        staged = self.place.path("bin", name)
        if (fresh and not self.staged(name)) or not os.path.exists(staged):
            built = os.path.join(self.build, name)
            if not os.path.exists(built):
                raise StackError(f"{built} is missing: build it first (./dev build)")
            shutil.copyfile(built, staged + ".new")
            os.chmod(staged + ".new", 0o755)
            self.place.give(staged + ".new")
            os.replace(staged + ".new", staged)
        return staged

    def staged(self, name):
        """Whether the staged program is the built one."""
        staged, built = self.place.path("bin", name), os.path.join(self.build, name)
        return os.path.exists(staged) and os.path.exists(built) and filecmp.cmp(staged, built, shallow=False)

    def templates(self, fresh=False):
        """The directory of the mail templates, a copy of the tree's."""
        target = self.place.path("mail")
        for source in ("conf/mail", "workerd/mail", "mail"):
            if os.path.isdir(os.path.join(place.TOP, source)):
                if fresh or not os.path.isdir(target):
                    self.copy_tree(os.path.join(place.TOP, source), target)
                break
        return target

    def secret_file(self, name, value):
        path = self.place.path("etc", name + ".secret")
        if not os.path.exists(path):
            self.place.write(path, value + "\n")
        return path

    def copy_tree(self, source, target):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        for directory, _, files in os.walk(target):
            self.place.give(directory)
            for name in files:
                self.place.give(os.path.join(directory, name))
