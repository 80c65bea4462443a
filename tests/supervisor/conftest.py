"""The fixture on a pool of demo children."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from pool import Pool  # noqa: E402


@pytest.fixture
def make_pool(tmp_path_factory):
    """make_pool(children=4, …): a pool with these settings, not started yet; ended after the test."""
    pools = []

    def make(common=None, env=None, start=None, foreground=True, wrap=(), **settings):
        pools.append(Pool(tmp_path_factory.mktemp("pool"), settings, common, env, start, foreground, wrap))
        return pools[-1]

    yield make
    for pool in pools:
        print(pool.log())  # shown when the test failed
        pool.close()
