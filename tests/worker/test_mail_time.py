"""A mail is begun only with time enough for it; else the job is handed over, uncharged, and the next turn begins with the mail."""
import pytest

from tools.jobs import ask, completed, log_lines, quiet

pytestmark = [pytest.mark.own_worker, pytest.mark.outage]


def test_slow_files_and_then_a_mail(fw, wires):
    wires.worker(children=1, reconciler="no", handover_after="59s", soft_timeout="60s", s3_timeout="50s", smtp_timeout="27s",
                 smtp_answer_timeout="27s")
    user = fw.make_user(files=1)
    wires.s3.delay(4)  # both ways: more than the six seconds that the mail leaves
    deletion_id = ask(fw, user)
    row = completed(fw, user, files=1)
    assert row["turn"] >= 2 and row["mails"] == 1, row
    first = [line for line in log_lines(fw.stack.worker, deletion_id) if "turn=1 " in line]
    assert any("not enough time is left for the mail" in line for line in first) and any("handed over after 1 files" in line for line in first), first
    assert not any("failed, attempt" in line for line in first), first
    quiet(fw)
