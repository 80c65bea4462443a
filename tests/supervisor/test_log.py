"""Both programs go on when nobody reads what they log: as under a container engine or a journal that stands still."""
import fcntl
import os
import signal
import subprocess

import pytest

from stack import PATIENCE


@pytest.fixture
def start_unread(fw):
    """start_unread(program): starts it with a standard error that is full."""
    started, ends = [], []

    def start(program):
        reader, writer = os.pipe()
        ends.extend((reader, writer))
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writer, b"x" * 4096)
        program.prepare()
        place = fw.stack.place
        started.append(subprocess.Popen(program.argv("-f", "-v"), env=place.environment(program.env()), stdin=subprocess.DEVNULL,
                                        stdout=writer, stderr=writer, cwd=place.dir, **place.as_user()))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    for fd in ends:
        os.close(fd)


def test_the_gateway(fw, make_front, outbox, start_unread):
    front = make_front(start=False, children=2)
    process = start_unread(front.program)
    front.program.nginx.start()
    front.program.wait_serving(front.program.url)
    users = fw.make_users(40, files=0)
    assert [front.client.delete(u).status for u in users] == [200] * len(users)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_the_worker(fw, make_site, start_unread):
    site = make_site(start=False, children=2)
    process = start_unread(site.program)
    fw.wait_until(lambda: (site.ready() or (0, 0))[1] == 2, what="both children to consume")
    users = fw.make_users(20, files=1)
    site.ask(*users)
    fw.wait_until(lambda: site.finished([str(u.id) for u in users]) == len(users), what="the deletions")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
