"""At each named crash point the sessions with a server are cut while the process lives, and every guarantee holds."""
import pytest

from tools.crash import ROUNDS, check_figures

NAMES = [name for name, wanted in ROUNDS.items() if not wanted.kills]


@pytest.mark.deadline(1800)
@pytest.mark.parametrize("round_name", NAMES)
def test_the_checkers_figures(rounds, round_name):
    check_figures(rounds[round_name][1], round_name)


@pytest.mark.deadline(1800)
@pytest.mark.parametrize("round_name, point", [(name, point) for name in NAMES for point in ROUNDS[name].points])
def test_at(rounds, round_name, point):
    assert rounds[round_name][0][point] == []
