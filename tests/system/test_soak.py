"""A short soak; ./dev soak 15 is the long one."""
import random

import pytest

from stack import soak


@pytest.mark.deadline(400)
def test_a_minute_of_killing():
    figures, killer = soak.run(1, random.randrange(10**6))
    assert figures.good, str(figures)
    assert figures.accepted > 50 and killer.count > 10
