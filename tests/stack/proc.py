"""Processes of the stack: started as its user, known by pid and start time, stopped in order."""
import os
import signal
import subprocess
import time
import typing

from . import place as places


class StackError(Exception):
    """Something of the stack did not do what it should; the text says what and where to look."""


PATIENCE = 120  # seconds for what takes a fraction of one: costs time only when it fails, however busy the machine is


def wait_until(check, timeout=PATIENCE, what="the condition", interval=0.05):
    """Calls check() until it returns something true, and returns that; StackError at the deadline. What takes longer is asked less often."""
    begun = time.monotonic()
    deadline = begun + timeout
    error = None
    while True:
        try:
            answer = check()
            if answer:
                return answer
            error = None
        except (OSError, AssertionError, LookupError) as e:
            error = e
        now = time.monotonic()
        if now >= deadline:
            raise StackError(f"waited {timeout:g} s for {what}" + (f": {error}" if error else ""))
        time.sleep(max(interval, min((now - begun) / 20, 0.25)))


def stat_of(pid):
    """(state, start time) of a process, or None when there is none or only a zombie is left."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return fields[0].decode(), int(fields[19])


class Daemon:
    """One server process. Subclasses say how it is run and how one sees that it is ready."""

    ready_timeout = 300
    stop_signal = signal.SIGTERM
    stop_timeout = PATIENCE

    def __init__(self, stack, name):
        self.stack = stack
        self.place: places.Place = stack.place
        self.name = name
        self.child = None
        self.dir = self.place.path(name)
        self.log = self.place.path("log", name + ".log")

    # What a subclass says about itself.

    def argv(self):
        raise NotImplementedError

    def env(self):
        return {}

    def prepare(self):
        """Writes what the server needs before each start; must do no harm when repeated."""

    def is_ready(self):
        return True

    # What everybody calls.

    def start(self, wait=True):
        """Starts the server if it is not running and waits until it is ready."""
        if not self.running:
            self.prepare()
            self._spawn()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=None):
        def check():
            if not self.running:
                raise StackError(f"{self.name} ended while starting:\n{self.log_tail()}")
            return self.is_ready()
        wait_until(check, timeout or self.ready_timeout, f"{self.name} to be ready (see {self.log})")
        return self

    def stop(self, timeout=None):
        """Asks the server to end (and continues it if it was stopped), and kills it at the deadline."""
        pid = self.pid
        if pid:
            self._signal(self.stop_signal)
            self._continue_stopped(pid)
            try:
                wait_until(lambda: not self.running, timeout or self.stop_timeout, f"{self.name} to stop")
            except StackError:
                self.kill()
        self._forget(pid)

    def kill(self, sig=signal.SIGKILL, group=None):
        """Sends a signal; to the server's every process with KILL, STOP and CONT unless told otherwise.

        After KILL it waits until they have gone, after STOP until the first has stopped."""
        pid = self.pid
        if not pid:
            return
        if group is None:
            group = sig in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT)
        everyone = [pid, *descendants(pid)] if group else [pid]
        self._signal(sig, group)
        if sig == signal.SIGKILL:
            wait_until(lambda: not any(stat_of(p) for p in everyone), what=f"{self.name} to be killed")
            self._forget(pid)
        elif sig == signal.SIGSTOP:
            wait_until(lambda: self.paused, what=f"{self.name} to stop")

    def pause(self):
        """Stops the server's every process in its tracks (SIGSTOP)."""
        self.kill(signal.SIGSTOP)

    def resume(self):
        self.kill(signal.SIGCONT)

    def restart(self):
        self.stop()
        return self.start()

    @property
    def pid(self):
        """The pid while the process that we started lives, else None."""
        known = self.place.process(self.name)
        if not known:
            return None
        if self.child is not None and self.child.pid == known["pid"]:
            return known["pid"] if self.child.poll() is None else None  # whose end has a code to read
        stat = stat_of(known["pid"])
        return known["pid"] if stat and stat[1] == known["start"] else None

    @property
    def running(self):
        return self.pid is not None

    @property
    def paused(self):
        pid = self.pid
        stat = stat_of(pid) if pid else None
        return bool(stat) and stat[0] == "T"

    def is_frozen(self, known=None):
        """Whether any of the server's processes is stopped. KNOWN: relations() of a moment ago."""
        pid, known = self.pid, known or relations()
        return bool(pid) and any(known[p].state == "T" for p in (pid, *descendants(pid, known)) if p in known)

    def children(self):
        """The pids of the direct children of a server that has one thread."""
        pid = self.pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
                return [p for p in map(int, f.read().split()) if stat_of(p)]
        except OSError:     # it has ended, or the kernel keeps no such list
            return [p for p, relation in relations().items() if relation.parent == pid]

    def log_text(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def log_tail(self, lines=25):
        return "\n".join(self.log_text().splitlines()[-lines:])

    # Within.

    def _spawn(self):
        os.makedirs(self.dir, exist_ok=True)
        self.place.give(self.dir)
        with open(self.log, "ab") as log:
            self.place.give(self.log)
            self.child = subprocess.Popen(
                self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                env=self.place.environment(self.env()), start_new_session=True, **self.place.as_user())
        stat = stat_of(self.child.pid)
        self.place.remember(self.name, self.child.pid, stat[1] if stat else 0)

    def _signal(self, sig, group=False):
        pid = self.pid
        if not pid:
            return
        for p in [pid, *descendants(pid)] if group else [pid]:
            try:
                os.kill(p, sig)
            except ProcessLookupError:
                pass

    def _continue_stopped(self, pid):
        """Continues those that are stopped, and nobody else: LeakSanitizer attaches to its own process when that ends, and a
        SIGCONT between PTRACE_ATTACH and the stop takes the stop away, for which it then waits for ever."""
        for p in [pid, *descendants(pid)]:
            if (stat_of(p) or "?")[0] == "T":
                try:
                    os.kill(p, signal.SIGCONT)
                except ProcessLookupError:
                    pass

    def _forget(self, pid):
        """Ends what a dead server left of its process group, which nobody else can have got meanwhile."""
        if self.child is not None:
            self.child.poll()
        if pid:
            for other in descendants(pid):
                try:
                    os.kill(other, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.place.forget(self.name)


class Relation(typing.NamedTuple):
    state: str
    parent: int
    session: int


def relations():
    """Of every living process: {pid: Relation}. It takes one read each, so ask once for several questions."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as f:
                fields = f.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] not in (b"Z", b"X"):
            found[int(entry)] = Relation(fields[0].decode(), int(fields[1]), int(fields[3]))
    return found


def descendants(pid, known=None):
    """Those that came of a process which we started as the leader of a session: by parentage (PostgreSQL's
    back ends have sessions of their own), and by session, when their parent has died."""
    known = known or relations()
    mine = {p for p, relation in known.items() if relation.session == pid} | {pid}
    while more := {p for p, relation in known.items() if relation.parent in mine} - mine:
        mine |= more
    return sorted(mine - {pid})
