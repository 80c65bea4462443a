"""Starting: as whom, alone, in the background, as pid 1."""
import os
import re
import signal
import subprocess

import pytest

from tools.pool import alive, until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@root_only
def test_refuses_root_and_says_how(make_pool):
    pool = make_pool(common={"allow_root": "no"}).start(serving=False)
    assert pool.wait() == 78
    assert re.search("User=.*setpriv --reuid.*allow_root", pool.log())
    assert not os.path.exists(pool.path("demo.pid"))


@root_only
def test_an_ordinary_user_needs_no_switch(make_pool):
    pool = make_pool(common={"allow_root": "no"}, wrap=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"))
    probe = subprocess.run([*pool.command[:6], "test", "-x", pool.command[6]], check=False)
    if probe.returncode != 0:
        pytest.skip("an ordinary user can't reach the build directory")
    for directory in (pool.dir, pool.path("secret")):
        os.chown(directory, 65534, 65534)
    path = os.path.dirname(pool.dir)
    while os.stat(path).st_mode & 1 == 0:  # pytest's directories are closed to others
        os.chmod(path, os.stat(path).st_mode | 0o011)
        path = os.path.dirname(path)
    pool.start()
    assert pool.stop() == 0


def test_a_second_master_is_refused_with_the_firsts_pid(make_pool):
    pool = make_pool().start()
    os.mkdir(pool.path("elsewhere"))  # its socket; run_dir is the same
    second = subprocess.run(pool.command, env={**pool.env, "DEMO_DIR": pool.path("elsewhere")}, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert f"demo is running already: pid {pool.master()} holds" in second.stderr
    assert pool.ask().isdigit()


def test_a_stale_pid_file_is_no_hindrance(make_pool):
    pool = make_pool()
    with open(pool.path("demo.pid"), "w") as f:
        f.write("1\n")
    pool.start()
    assert pool.master() == pool.process.pid


def test_no_run_dir(make_pool):
    pool = make_pool()
    with open(pool.path("farewell.conf")) as f:
        text = f.read().replace(f'run_dir = "{pool.dir}"', 'run_dir = "/nowhere/at/all"')
    with open(pool.path("farewell.conf"), "w") as f:
        f.write(text)
    pool.start(serving=False)
    assert pool.wait() == 1
    assert "/nowhere/at/all/demo.pid can't be opened" in pool.log()


def test_goes_into_the_background_once_it_serves(make_pool):
    pool = make_pool(start="wait 500", foreground=False)
    pool.common["log_file"] = pool.path("file.log")
    pool.configure()
    pool.start(serving=False)
    assert pool.wait() == 0
    assert re.search("info demo.*: serving", pool.log("file.log"))
    master = pool.master()
    assert os.getsid(master) != os.getsid(0) and os.getppid() != master
    for fd in (0, 1, 2):
        assert os.readlink(f"/proc/{master}/fd/{fd}") == "/dev/null"
    until(lambda: len(pool.serving()) == 2, "two children")
    assert pool.ask().isdigit()
    pool.signal(signal.SIGTERM)
    until(lambda: not alive(master), "its end")


def test_tells_its_caller_when_that_fails(make_pool):
    pool = make_pool(start="misconfigured", foreground=False)
    pool.common["log_file"] = pool.path("file.log")
    pool.configure()
    pool.start(serving=False)
    assert pool.wait() == 78
    assert "did not start (exit code 78)" in pool.log() and pool.path("file.log") in pool.log()
    assert "the demo does not like its settings" in pool.log("file.log")


def can_unshare():
    return subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, check=False).returncode == 0


def test_as_pid_1(make_pool):
    """In a container the master is pid 1, inherits orphans, and gets no signal it has not asked for."""
    if not can_unshare():
        pytest.skip("no pid name space to be had")
    pool = make_pool(children=2, wrap=("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", '(sleep 0.5 &) ; exec "$@"', "sh"))
    pool.start()
    assert pool.master() == 1
    pool.wait_serving(2)
    shell = subprocess.run(["ps", "--ppid", str(pool.process.pid), "-o", "pid="], capture_output=True, text=True, check=True)
    master = int(shell.stdout)
    until(lambda: not subprocess.run(["pgrep", "-P", str(master), "-x", "sleep"], capture_output=True, check=False).stdout, "the orphan reaped")
    assert pool.ask("segv") == ""
    assert pool.ask().isdigit()
    os.kill(master, signal.SIGTERM)
    assert pool.wait() == 0
