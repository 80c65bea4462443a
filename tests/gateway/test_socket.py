"""The listening socket: our own with its mode, or one that was opened for us."""
import os
import signal
import socket
import stat
import subprocess

import pytest

from stack import PATIENCE


def test_mode_and_end(fw, more_gateway):
    gateway = more_gateway({"gateway": {"socket_mode": "0602"}})
    path = gateway.socket_path
    found = os.stat(path)
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o602
    gateway.stop()
    assert not os.path.exists(path)


def test_group(fw, stack, more_gateway):
    """Its own group is one that every user may give."""
    import grp
    group = grp.getgrgid(stack.place.account.pw_gid)
    gateway = more_gateway({"gateway": {"socket_group": group.gr_name}})
    assert os.stat(gateway.socket_path).st_gid == group.gr_gid


def test_a_stale_socket_is_replaced(fw, more_gateway):
    gateway = more_gateway({})
    gateway.kill(signal.SIGKILL)
    assert os.path.exists(gateway.socket_path)
    gateway.start()
    assert fw.at(gateway).request("GET", "/healthz").status == 200


def start_and_see(fw, gateway):
    """Starts one that can't run; its exit code and log."""
    gateway.start(wait=False)
    fw.wait_until(lambda: not gateway.running, what="the program to end")
    return gateway.child.returncode, gateway.log_text()


def test_a_live_socket_is_left_alone(fw, more_gateway):
    first = more_gateway({})
    second = more_gateway({"gateway": {"socket": first.socket_path}}, start=False)
    code, log = start_and_see(fw, second)
    assert code != 0 and "another process listens" in log and first.socket_path in log
    assert fw.at(first).request("GET", "/healthz").status == 200


def test_a_file_in_its_place_is_left_alone(fw, stack, more_gateway):
    path = stack.place.path("run", "precious")
    stack.place.write(path, "precious")
    code, log = start_and_see(fw, more_gateway({"gateway": {"socket": path}}, start=False))
    assert code != 0 and "not a socket" in log
    with open(path) as f:
        assert f.read() == "precious"


def test_no_directory(fw, more_gateway):
    code, log = start_and_see(fw, more_gateway({"gateway": {"socket": "/nonexistent/gateway.sock"}}, start=False))
    assert code != 0 and "/nonexistent" in log and "gateway.socket" in log


def test_a_successors_socket_is_not_removed(fw, more_gateway):
    first = more_gateway({})
    path = first.socket_path
    os.unlink(path)
    second = more_gateway({"gateway": {"socket": path}})
    first.stop()
    assert os.path.exists(path)
    assert fw.at(second).request("GET", "/healthz").status == 200


def listening(path, stack):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    stack.place.give(path)
    s.listen(16)
    return s


@pytest.mark.parametrize("kind", ["spawn-fcgi", "systemd"])
def test_an_inherited_socket(fw, stack, more_gateway, kind):
    gateway = more_gateway({}, start=False)
    path = gateway.socket_path
    own = stack.place.path("run", "own.sock")
    gateway.overrides = {"gateway": {"socket": own}}
    s = listening(path, stack)
    argv = gateway.argv()
    gateway.prepare()
    with open(gateway.log, "ab") as log:
        if kind == "spawn-fcgi":
            child = subprocess.Popen(argv, stdin=s, stdout=log, stderr=log, env=stack.place.environment(), **stack.place.as_user())
        else:
            # as systemd does it: descriptor 3, and the pid of the very process
            shell = 'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
            child = subprocess.Popen(["/bin/sh", "-c", shell, "sh", *argv], stdin=s, stdout=log, stderr=log,
                                     env=stack.place.environment(), **stack.place.as_user())
    try:
        gateway.nginx.start()
        fw.wait_until(lambda: fw.at(gateway).request("GET", "/readyz").status == 200, what="the program to serve")
        user = fw.make_user(files=0)
        assert fw.at(gateway).delete(user).status == 200
        assert not os.path.exists(own)
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0
        s.close()
    assert os.path.exists(path)  # not ours to remove
    os.unlink(path)
