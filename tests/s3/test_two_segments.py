"""A store that writes header and body one after the other, without TCP_NODELAY, as radosgw does: its kernel sends the second when we have
acknowledged the first, and ours would take 40 ms for that."""
import socket
import time

from tools.s3_canned import deleted

DELAYED_ACK_S = 0.04
COUNT = 80      # the first dozens of a connection are acknowledged at once anyway


def test_the_first_is_acknowledged_at_once(canned):
    asked = []

    def reply(request):
        asked.append(time.monotonic())
        assert request.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        header, end, body = deleted(request.keys).partition(b"\r\n\r\n")
        request.sock.sendall(header + end)
        return body
    _, tool = canned(reply)
    keys = [f"key{n}" for n in range(COUNT)]
    assert set(tool.delete("bucket", keys, "-k", "1").results) == {"deleted"}
    assert len(asked) == COUNT
    waits = [after - before for before, after in zip(asked, asked[1:])]
    assert min(waits[COUNT // 2:]) < DELAYED_ACK_S      # a delayed one takes so long at least, each of them
