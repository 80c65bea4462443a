"""Where a stack lives: its directory, its user, its ports, and the record of what runs in it."""
import contextlib
import fcntl
import glob
import hashlib
import json
import os
import pwd
import random
import shutil
import socket
import subprocess
import threading

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def checkout_hash():
    return hashlib.sha256(TOP.encode()).hexdigest()[:8]


def base():
    """Short, because a socket's path has 107 bytes, and not under /root, where only root can go."""
    return os.environ.get("FAREWELL_STACK_BASE", "/var/tmp")


def all_names():
    """The names of this checkout's stacks that have a directory."""
    prefix = f"farewell-{checkout_hash()}-"
    try:
        return sorted(n[len(prefix):] for n in os.listdir(base()) if n.startswith(prefix))
    except OSError:
        return []


class Place:
    """The directory /var/tmp/farewell-<hash of the checkout>-<name> and state.json in it."""

    def __init__(self, name):
        self.name = name
        self.dir = os.path.join(base(), f"farewell-{checkout_hash()}-{name}")
        self.state_file = self.path("state.json")
        self.mutex = threading.RLock()
        self.lock_fd = None
        self.state = {"ports": {}, "processes": {}}
        if os.geteuid() == 0:
            self.account = pwd.getpwnam(os.environ.get("FAREWELL_STACK_USER", "nobody"))
        else:
            self.account = pwd.getpwuid(os.geteuid())

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    # The directory.

    def open(self):
        """Makes the directory, or takes up the one that is there with what it says is running."""
        self.make()
        for sub in ("log", "run", "etc", "bin"):
            os.makedirs(self.path(sub), exist_ok=True)
            self.give(self.path(sub))
        with contextlib.suppress(OSError, ValueError):
            with open(self.state_file) as f:
                self.state.update(json.load(f))
        return self

    def make(self):
        try:
            os.mkdir(self.dir, 0o700)
            self.give(self.dir)
        except FileExistsError:
            pass
        owner = os.lstat(self.dir)
        if os.path.islink(self.dir) or owner.st_uid not in (self.account.pw_uid, os.geteuid()):
            raise PermissionError(f"{self.dir} belongs to somebody else")

    def lock(self):
        """True if this process now has the stack for itself, until it ends. Whoever had it may be removing it meanwhile."""
        while True:
            fd = None
            try:
                self.make()
                fd = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.stat(self.path("lock")), os.fstat(fd)):
                    self.lock_fd = fd
                    return True
            except FileNotFoundError:
                pass
            except BlockingIOError:
                os.close(fd)
                return False
            if fd is not None:
                os.close(fd)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def write(self, path, text, mode=0o600):
        """Writes a file of the stack's user, in one step."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        new = path + ".new"
        with open(new, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(new, mode)
        self.give(new)
        os.replace(new, path)
        return path

    # The user.

    def give(self, path):
        if os.geteuid() == 0:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def as_user(self):
        """Keyword arguments for subprocess that drop root."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}

    def environment(self, extra=()):
        wanted = ("LANG", "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "FAREWELL_CRASH")
        keep = {k: v for k, v in os.environ.items() if k in wanted}
        keep.update(HOME=self.dir, PATH=CLEAN_PATH, USER=self.account.pw_name, LOGNAME=self.account.pw_name)
        keep.setdefault("LANG", "C.UTF-8")
        keep.update(extra)
        return keep

    def run(self, argv, env=(), check=True, timeout=120, stdin_text="", **options):
        """Runs a program to its end as the stack's user; its output is in the answer and in an error."""
        done = subprocess.run(argv, env=self.environment(env), input=stdin_text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout,
                              cwd=self.dir, **self.as_user(), **options)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}")
        return done

    # The ports.

    def port(self, name):
        """The port of that name; chosen once, kept for the stack's life."""
        with self.mutex:
            if name not in self.state["ports"]:
                with one_at_a_time("ports"):
                    self.state["ports"][name] = free_port(ports_of_all())
                    self.save()
            return self.state["ports"][name]

    # The record.

    def process(self, name):
        return self.state["processes"].get(name)

    def remember(self, name, pid, start):
        with self.mutex:
            self.state["processes"][name] = {"pid": pid, "start": start}
            self.save()

    def forget(self, name):
        with self.mutex:
            if self.state["processes"].pop(name, None):
                self.save()

    def save(self):
        self.write(self.state_file, json.dumps(self.state, indent=1) + "\n")


@contextlib.contextmanager
def one_at_a_time(what):
    """Whatever stack and checkout it is for: one process of this user's does this at a time."""
    fd = os.open(os.path.join(base(), f"farewell-{what}-{os.geteuid()}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def ports_of_all():
    """What the stacks here have chosen: not each of their servers is running."""
    taken = set()
    for name in glob.glob(os.path.join(base(), "farewell-*", "state.json")):
        with contextlib.suppress(OSError, ValueError):
            with open(name) as f:
                taken.update(json.load(f)["ports"].values())
    return taken


def free_port(taken):
    """A port below those the kernel gives to clients, so that nobody gets it while its server is down."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        first_of_clients = int(f.read().split()[0])
    top = first_of_clients - 1 if first_of_clients > 12000 else 65535
    while True:
        port = random.randint(10000, top)
        if port in taken:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
