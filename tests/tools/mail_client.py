"""Farewell's mailer by itself: mail_tool's command line, and what it prints."""
import os
import re
import subprocess

from tools.mail_servers import TOP

TOOL = os.path.join(os.environ.get("FAREWELL_BUILD") or os.path.join(TOP, "build"), "tests", "tools", "mail_tool")
TEMPLATES = os.path.join(TOP, "conf", "mail")
DELETION = "0f8fad5b-d9cb-469f-a165-70867728950e"


class Outcome:
    def __init__(self, text):
        first, *rest = text.splitlines()
        self.result, _, self.why = first.partition(" ")
        numbers = dict(re.findall(r"(\w+)=(\d+)", rest[-1])) if rest else {}
        self.turns, self.gap_ms, self.took_ms = (int(numbers.get(n, 0)) for n in ("turns", "longest_gap_ms", "took_ms"))
        assert not re.search(r"\S@\S", self.why), "an address in the why"

    def __repr__(self):
        return f"<{self.result}: {self.why} ({self.turns} turns, gap {self.gap_ms} ms, {self.took_ms} ms)>"


def run(*action, host=None, **options):
    """What mail_tool printed. HOST: on a host of that name."""
    options.setdefault("templates", TEMPLATES)
    argv = [*(on_host(host) if host else []), TOOL, *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()), *action]
    # A proxy, a netrc or another host's settings in the environment must make no difference.
    environment = {**os.environ, "ALL_PROXY": "socks5://127.0.0.1:1", "all_proxy": "socks5://127.0.0.1:1", "NO_PROXY": "", "no_proxy": "",
                   "LC_ALL": "C"}
    done = subprocess.run(argv, capture_output=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def on_host(name):
    """The beginning of a command line that runs the rest where the host's name is NAME."""
    return ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]


def send(server, **options):
    return Outcome(run(url=getattr(server, "url", server), **options))


def check(server, **options):
    return Outcome(run("check", url=getattr(server, "url", server), **options))
