"""A short soak; ./dev soak 15 is the long one."""
import random

import pytest

from stack import soak


@pytest.mark.deadline(900)
def test_a_minute_of_killing():
    figures, _ = soak.run(1, random.randrange(10**6), least_answered=50, least_kills=10)
    assert figures.good, str(figures)
    assert figures.accepted >= 50 and figures.bystanders == soak.BYSTANDERS and figures.mails > 0
