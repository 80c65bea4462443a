"""A mail server that takes its time over the answer has the mail once: after the final dot it is not smtp_timeout that counts."""
import pytest

from tools.jobs import ask, completed, quiet

pytestmark = pytest.mark.own_worker


@pytest.mark.parametrize("when_unknown", ["resend", "hold"])
def test_an_answer_later_than_smtp_timeout(fw, when_unknown):
    fw.stack.worker.configure({"worker": {"smtp_timeout": "2s", "when_unknown": when_unknown}})
    fw.stack.smtp.control(delay=6)
    users = [fw.make_user(files=1) for _ in range(2)]
    for user in users:
        ask(fw, user)
    for user in users:
        completed(fw, user, files=1)
        assert len(fw.mails(user)) == 1
    quiet(fw)
