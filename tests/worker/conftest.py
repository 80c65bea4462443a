"""The fixture on a worker whose servers are behind proxies."""
import pytest

from tools.jobs import Wires


@pytest.fixture
def wires(fw):
    wires = Wires(fw.stack)
    yield wires
    for proxy in wires.all():
        proxy.calm()
    fw.stack.worker.stop()  # while its servers can be reached; what ends the test starts it again
    for proxy in wires.all():
        proxy.close()
