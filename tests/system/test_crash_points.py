"""A process dies at each named crash point, alone or while a server is restarted, and every guarantee holds."""
import os
import re

import pytest

from stack import Stack, place
from tools.crash import POINTS, ROUNDS, check_figures

NAMES = [name for name, wanted in ROUNDS.items() if wanted.kills]


@pytest.mark.deadline(1800)
@pytest.mark.parametrize("round_name", NAMES)
def test_the_checkers_figures(rounds, round_name):
    check_figures(rounds[round_name][1], round_name)


@pytest.mark.deadline(1800)
@pytest.mark.parametrize("round_name, point", [(name, point) for name in NAMES for point in ROUNDS[name].points])
def test_at(rounds, round_name, point):
    assert rounds[round_name][0][point] == []


def test_every_point_is_explained():
    with open(os.path.join(place.TOP, "doc", "GUARANTEES.md"), encoding="utf-8") as f:
        explained = re.findall(r"^\| `([a-z-]+)` \|", f.read(), re.MULTILINE)
    assert explained == POINTS


def test_a_release_build_has_no_points():
    for program in ("farewell-fcgi", "farewell-workerd"):
        with open(os.path.join(Stack("check").build, program), "rb") as f:
            text = f.read()
        for name in [b"FAREWELL_CRASH", *(p.encode() for p in POINTS)]:
            assert name not in text
