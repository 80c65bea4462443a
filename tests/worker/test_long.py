"""Jobs that take long: handed over turn by turn with their progress, in flat memory, and rows that come in meanwhile go too."""
import threading

import pytest

from tools.jobs import ask, commit_request, completed, message, quiet

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]


def resident_kb(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return 0


def sanitized(pid):
    """Whether it keeps freed memory to find faults."""
    with open(f"/proc/{pid}/maps") as f:
        return "libasan" in f.read()


@pytest.fixture
def memory(fw):
    """The most that any child of the worker has had, in kB, from the call on."""
    seen, over = [], threading.Event()

    def watch():
        while not over.wait(0.1):
            seen.append(max([resident_kb(pid) for pid in fw.stack.worker.children()], default=0))
    thread = threading.Thread(target=watch)
    yield lambda: thread.start() or (lambda: max(seen))
    over.set()
    if thread.ident:
        thread.join()


def test_three_and_a_half_thousand_files(fw, wires, memory):
    wires.worker(children=1, reconciler="no", files_page=500, handover_after="700ms")
    small, user = fw.make_user(), fw.make_user(files=40)
    ask(fw, small)
    completed(fw, small)
    before = max(resident_kb(pid) for pid in fw.stack.worker.children())
    fw.add_files(user, [f"long/{user.id}/{i:06}-{'x' * 200}" for i in range(3460)], put=False)
    user.keys = user.keys[:40]
    wires.s3.delay(0.2)
    most = memory()
    ask(fw, user)
    seen = set()
    fw.wait_until(lambda: seen.add((fw.ledger(user) or [{}])[0].get("files_deleted")) or fw.status(user) == "completed", what="the end")
    row = completed(fw, user, files=3500)
    assert row["turn"] >= 3 and (row["attempts"], row["last_error"]) == (0, None), row
    assert len(seen) > 3, "no progress was to be seen on the way"
    if not sanitized(fw.stack.worker.children()[0]):
        assert most() < before + 12_000, f"{before} kB before, {most()} kB at most"
    quiet(fw)


def test_rows_that_come_in_behind_the_cursor(fw, wires):
    wires.worker(children=1, files_page=10)
    user = fw.make_user(files=30)
    late = [f"late/{user.id}/{i}" for i in range(5)]

    def add(link):
        for i, key in enumerate(late):
            fw.stack.s3.put(fw.bucket, key)
            fw.psql("worker", "INSERT INTO user_files (id, user_id, file_path) VALUES (%s, %s, %s)",
                    -(user.id * 1000 + i), user.id, f"s3://{fw.bucket}/{key}")
    trap = wires.s3.trap(b"POST /", do=add)
    ask(fw, user)
    trap.wait()
    completed(fw, user, files=35)
    assert fw.objects(prefix=f"late/{user.id}/") == []
    quiet(fw)


def test_without_progress_a_turn_counts(fw, wires):
    wires.worker(children=1, handover_after="1s", soft_timeout="12s", hard_timeout="60s", s3_timeout="40s", smtp_timeout="4s",
                 smtp_answer_timeout="4s")
    user = fw.make_user()
    wires.s3.hold("down")
    fw.publish(message(user, commit_request(fw, user)))
    row = fw.wait_status(user, "retrying")
    assert row["attempts"] == 1 and "no file was deleted before" in row["last_error"]
    wires.s3.release()
    completed(fw, user, files=3)
    quiet(fw)
