"""Both programs under valgrind, from the request to the acknowledged message: no error, and no leak, least of all one that grows."""
import glob
import os
import re
import shutil

import pytest

ERROR = 99
FEW, MANY = 2, 12       # jobs of two rounds, of which the second may not leave more behind


# A log-in takes some seconds here, and nothing is to be tried again for want of time.
PATIENT = {
    "gateway": {"children": 1, "connect_timeout": "1m", "request_timeout": "2m", "nginx_read_timeout": "3m", "soft_timeout": "4m", "hard_timeout": "5m"},
    "worker": {"children": 1, "connect_timeout": "1m"},
}


class Valgrind:
    """What a program is started with, and what valgrind says of its processes: the master and each child."""

    def __init__(self, stack, name):
        self.dir = stack.place.path("valgrind", name)
        shutil.rmtree(self.dir, ignore_errors=True)     # of an earlier run that kept its stack
        os.makedirs(self.dir)
        for directory in (os.path.dirname(self.dir), self.dir):
            stack.place.give(directory)
        self.wrapper = ["valgrind", f"--error-exitcode={ERROR}", "--leak-check=full", "--errors-for-leak-kinds=definite,possible",
                        "--vgdb=no", f"--log-file={self.dir}/%p"]

    def reports(self):
        found = []
        for path in sorted(glob.glob(self.dir + "/*")):
            with open(path, encoding="utf-8", errors="replace") as f:
                found.append(f.read())
        return found

    def left(self):
        """Blocks that all processes together still had at their end."""
        return sum(int(n.replace(",", "")) for text in self.reports() for n in re.findall(r"in use at exit: .* bytes in ([\d,]+) blocks", text))


def started(make, valgrind, overrides):
    program = make(overrides, start=False)
    program.wrapper = valgrind.wrapper
    return program.start()


def run_jobs(stack, fw, more_gateway, more_worker, count):
    """Deletes so many accounts with both programs under valgrind; what it says of each."""
    found = []
    stack.worker.stop()
    gateway_valgrind, worker_valgrind = (Valgrind(stack, f"{name}-{count}") for name in ("gateway", "worker"))
    worker = started(more_worker, worker_valgrind, PATIENT)
    gateway = started(more_gateway, gateway_valgrind, PATIENT)
    gateway.nginx.start()
    gateway.wait_serving(gateway.url)
    users = [fw.make_user() for _ in range(count)]
    for user in users:
        fw.wait_until(lambda: fw.at(gateway).delete(user).status == 200, what="an accepted deletion")
    for user in users:
        fw.wait_status(user, "completed")
        assert fw.objects_of(user) == [] and len(fw.mails(user)) == 1
    fw.wait_until(lambda: stack.rabbit.queues()["farewell.deletions"] == 0, what="the last acknowledgement")
    for program, valgrind in ((gateway, gateway_valgrind), (worker, worker_valgrind)):
        program.stop()
        reports = valgrind.reports()
        assert len(reports) >= 2, "valgrind saw no child"
        for report in reports:
            assert "ERROR SUMMARY: 0 errors" in report, report
        found.append(valgrind.left())
    return found


@pytest.mark.deadline(1800)
def test_whole_jobs(stack, fw, more_gateway, more_worker):
    few = run_jobs(stack, fw, more_gateway, more_worker, FEW)
    many = run_jobs(stack, fw, more_gateway, more_worker, MANY)
    for name, before, after in zip(("gateway", "worker"), few, many):
        assert after - before < MANY - FEW, f"{name}: {before} blocks left after {FEW} jobs, {after} after {MANY}"
