"""A TCP proxy that stands between a program and a server and spoils the connection as the test says.

    with Proxy(stack.postgres.port) as proxy:
        worker = more_worker({"worker": {"user_db": stack.postgres.conninfo("users").replace(str(stack.postgres.port), str(proxy.port))}})
        proxy.cut()                            # resets every connection there is; new ones are taken
        proxy.refuse(); proxy.accept()         # nobody listens; somebody listens again
        proxy.hold(); proxy.release()          # black hole: connections are taken and stay, no byte passes; then all that waited does
        proxy.delay(0.2)                       # seconds that every chunk waits, in each direction named by way=
        proxy.throttle(10_000)                 # bytes a second
        proxy.calm()                           # no fault any more
        trap = proxy.cut_at(b"COMMIT")         # at the moment those bytes come by, and before they pass
        trap = proxy.trap(b"COMMIT", way="down", deliver=True, do=function)
        trap.wait(10); trap.hits

`way` is "up" (to the server), "down" (to the client) or "both". Between COMMIT and its answer is
proxy.cut_at(COMMIT_ANSWER, way="down"): the server has done it, and the client never hears. A pattern is found across chunks.
"""
import contextlib
import socket
import struct
import threading
import time

from stack import PATIENCE

CHUNK = 65536
COMMIT_ANSWER = b"C\x00\x00\x00\x0bCOMMIT\x00"  # PostgreSQL's CommandComplete


class Trap:
    """What waits for a pattern. `hits` counts; after `times` of them it is done."""

    def __init__(self, pattern, way, deliver, times, do):
        self.pattern, self.way, self.deliver, self.left, self.do = pattern, way, deliver, times, do
        self.hits = 0
        self.sprung = threading.Event()

    def wait(self, timeout=PATIENCE):
        assert self.sprung.wait(timeout), f"{self.pattern!r} did not pass within {timeout} s"
        return self


class Link:
    """One connection: two sockets, and a thread for each direction."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.open = True
        for way, source, sink in (("up", client, server), ("down", server, client)):
            threading.Thread(target=self._run, args=(way, source, sink), daemon=True).start()

    def _run(self, way, source, sink):
        seen = b""
        try:
            while chunk := source.recv(CHUNK):
                seen, hit = self.proxy._inspect(way, seen, chunk)
                if hit is not None and not hit.deliver:
                    self.proxy._spring(hit, self)
                if not self._pass(way, sink, chunk):
                    return
                if hit is not None and hit.deliver:
                    self.proxy._spring(hit, self)
            self.proxy._wait_while_held(way, self)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.cut()

    def _pass(self, way, sink, chunk):
        delay, rate = self.proxy._pace(way)
        if delay:
            time.sleep(delay)
        if not self.proxy._wait_while_held(way, self):
            return False
        step = max(1, int(rate / 20)) if rate else len(chunk)
        for at in range(0, len(chunk), step):
            sink.sendall(chunk[at:at + step])
            if rate:
                time.sleep(len(chunk[at:at + step]) / rate)
        return True

    def cut(self):
        """Resets both sides: no polite end that could be taken for one."""
        self.open = False
        for s in (self.client, self.server):
            with contextlib.suppress(OSError):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RD)
            with contextlib.suppress(OSError):
                s.close()


class Proxy:
    """Listens on 127.0.0.1 at `port`, one of its own, for a server at 127.0.0.1:target."""

    def __init__(self, target, host="127.0.0.1"):
        self.target = (host, target)
        self.links = []
        self.accepted = 0
        self._changed = threading.Condition()
        self._closed = False
        self._traps = []
        self._listener = None
        self.port = 0
        self.calm()
        self.accept()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.refuse()
        self.cut()

    # Faults.

    def calm(self):
        """Ends delays, throttling, holding and traps; connections stay as they are."""
        with self._changed:
            self._delay = {"up": 0, "down": 0}
            self._rate = {"up": 0, "down": 0}
            self._held = {"up": False, "down": False}
            self._traps = []
            self._changed.notify_all()
        return self

    def cut(self):
        """Resets every connection there is; returns how many."""
        with self._changed:
            links, self.links = self.links, []
            self._changed.notify_all()
        for link in links:
            link.cut()
        return len(links)

    def refuse(self):
        """Nobody listens any more; connections there are stay. cut() ends those."""
        with self._changed:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def accept(self):
        """Listens (again), at the same port."""
        if self._listener is not None:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()

    def hold(self, way="both"):
        """A black hole: nothing passes until release(); nothing is lost."""
        self._set(self._held, way, True)

    def release(self, way="both"):
        self._set(self._held, way, False)

    def delay(self, seconds, way="both"):
        self._set(self._delay, way, seconds)

    def throttle(self, bytes_per_second, way="both"):
        self._set(self._rate, way, bytes_per_second)

    def trap(self, pattern, way="up", deliver=False, times=1, do=None):
        """When PATTERN comes by, DO(link) is called, before the bytes pass or (deliver) right after; without DO the link is cut."""
        trap = Trap(pattern, way, deliver, times, do)
        with self._changed:
            self._traps.append(trap)
        return trap

    def cut_at(self, pattern, way="up", deliver=False, times=1):
        return self.trap(pattern, way, deliver, times)

    def hold_at(self, pattern, way="up", deliver=False):
        """From the moment PATTERN comes by, nothing passes in either direction: time to kill somebody."""
        return self.trap(pattern, way, deliver, 1, lambda link: self.hold())

    @property
    def open_links(self):
        return sum(link.open for link in self.links)

    # Within.

    def _set(self, table, way, value):
        with self._changed:
            for key in ("up", "down") if way == "both" else (way,):
                table[key] = value
            self._changed.notify_all()

    def _listen(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self.accepted += 1
                self.links = [link for link in self.links if link.open] + [Link(self, client, server)]

    def _pace(self, way):
        with self._changed:
            return self._delay[way], self._rate[way]

    def _wait_while_held(self, way, link):
        """False when the connection has been cut meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not link.open or not self._held[way])
            return link.open and not self._closed

    def _inspect(self, way, seen, chunk):
        """(what to remember for the next chunk, the trap that was hit or None)."""
        window = seen + chunk
        with self._changed:
            for trap in self._traps:
                if trap.left > 0 and trap.way in (way, "both") and trap.pattern in window:
                    trap.left -= 1
                    trap.hits += 1
                    return b"", trap
            longest = max((len(trap.pattern) for trap in self._traps), default=1)
        return window[-(longest - 1):] if longest > 1 else b"", None

    def _spring(self, trap, link):
        if trap.do is not None:
            trap.do(link)
        else:
            link.cut()
        trap.sprung.set()
