"""A short soak; ./dev soak MINUTES is the long one."""
import random

import pytest

from stack import soak


@pytest.mark.deadline(1800)
def test_a_minute_of_trouble():
    figures, run = soak.run(1, random.randrange(10**6), least_answered=200, least_kills=10)
    assert figures.good, str(figures)
    assert figures.accepted >= 200 and figures.bystanders == soak.BYSTANDERS and figures.mails > 0
    assert figures.parkings and run.operator.count.total()
    assert figures.restored == sum(len(case.restored) for case in run.checker.cases.values()) and len(figures.seconds) >= 200
