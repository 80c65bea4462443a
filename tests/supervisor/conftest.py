"""Fixtures on a pool of demo children, and on instances of the two programs with a queue of their own."""
import pytest

from tools.pool import Pool
from tools.supervised import Site, Watched, size_of


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


@pytest.fixture
def make_site(fw, more_worker):
    """make_site(children=1, …): a Site that serves."""
    return lambda start=True, **settings: Site(fw, more_worker, **settings).start() if start else Site(fw, more_worker, **settings)


@pytest.fixture
def make_front(fw, more_gateway, outbox):
    """make_front(children=4, …): a watched gateway whose messages nobody takes, with .client to talk to it."""
    def make(start=True, common=None, **settings):
        gateway = more_gateway(outbox.settings(common=common, **settings), start=False)
        front = Watched(fw, gateway, "gateway", size_of(gateway.log))
        front.client = fw.at(gateway)
        if start:
            gateway.start()
            gateway.nginx.start()
            gateway.wait_serving(gateway.url)
        return front
    return make
