"""Any method, any path, any header size: a clean answer, never a dead process."""
import random
import socket
import struct

import pytest

from tools.gateway import fcgi, fcgi_raw, fcgi_request, problem, read_answer, record

BAD_INTEGERS = ["", "x", "4x", "007", "+1", "4.2", "1e3", "--1", "-", "-0", "%34%32", "42%20", "%2042", "42%00", "42%2f", "..", ".", "%2e%2e", "0x2a",
                "12345678901234567890", "9" * 200, "9" * 5000, "\xff", "\xed\x85\x8c", "%ff", "%", "42%", "42;x", "42,43", "42&x", "{42}", "null",
                "42%0d%0aX-Injected:%201", "' OR 1=1 --", "*", "~", "@"]


@pytest.fixture(scope="module")
def pids(stack):
    return set(stack.gateway.children())


@pytest.fixture(autouse=True)
def nobody_died(fw, stack, pids):
    yield
    assert fw.request("GET", "/healthz").status == 200
    assert pids == set(stack.gateway.children()), stack.gateway.log_tail(20)


@pytest.mark.parametrize("user_id", BAD_INTEGERS, ids=lambda i: repr(i[:20]))
def test_bad_ids(fw, user_id):
    token = {"Authorization": "Bearer " + fw.token(role="admin")}
    raw = user_id.replace(" ", "%20")
    for method, path in (("DELETE", f"/users/{raw}"), ("GET", f"/users/{raw}/deletion")):
        answer = fw.request(method, path, token)
        if user_id in ("..", ".", "%2e%2e") and answer.status == 404:
            continue
        if len(user_id) > 4000:
            assert answer.status in (400, 414)
        else:
            assert answer.status == 400, (path, answer)
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["X-Injected"] is None


def test_what_is_wrong_is_said(fw):
    assert "percent" in problem(fw.request("DELETE", "/users/%34%32"), 400, "bad-user-id")["detail"]
    assert "empty" in problem(fw.request("DELETE", "/users/"), 400, "bad-user-id")["detail"]
    assert "integer" in problem(fw.request("DELETE", "/users/abc"), 400, "bad-user-id")["detail"]


def test_a_query_is_refused(fw):
    """A parameter is a wish that would be ignored (`?dry_run=1`), and what is deleted stays deleted."""
    user = fw.make_user(files=0)
    for target in (f"/users/{user.id}?dry_run=1", f"/users/{user.id}?x"):
        problem(fw.request("DELETE", target, {"Authorization": "Bearer " + fw.token(user)}), 400, "bad-request")
    assert fw.user_row(user)["deleted_at"] is None
    assert fw.request("GET", "/healthz?x=1").status == 200


def test_the_absolute_form(fw):
    answer = fw.wire(b"DELETE http://farewell.test/users/abc HTTP/1.1\r\nHost: farewell.test\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400") and b"bad-user-id" in answer


@pytest.mark.parametrize("size", [1000, 7000, 9000, 40000])
def test_large_headers(fw, size):
    for name in ("X-Large", "Cookie", "Authorization"):
        answer = fw.request("DELETE", "/users/42", {name: "Bearer " + "a" * size})
        assert answer.status in (401, 400, 431), answer
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_many_headers(fw):
    answer = fw.request("DELETE", "/users/42", {f"X-Header-{i}": "a" * 100 for i in range(250)})
    assert answer.status in (400, 401, 431), answer


def test_a_body_is_thrown_away(fw):
    for body in (b"x", b"x" * 1000):
        problem(fw.request("DELETE", "/users/42", body=body), 401, "unauthorized")
    answer = fw.request("DELETE", "/users/42", body=b"x" * 100000)
    assert answer.status in (401, 413)


def test_many_odd_requests(fw, stack):
    """Noise with a fixed seed; whatever it is, an answer comes."""
    dice = random.Random(20261122)
    letters = "/users/42deletion%.?#&;=+ \\\"'<>{}|^`~*\x01\x7f\x80\xff"
    for _ in range(300):
        path = "/" + "".join(dice.choice(letters) for _ in range(dice.randrange(40)))
        path = path.replace(" ", "").replace("\x01", "").replace("\x7f", "")
        method = dice.choice(["GET", "DELETE", "POST", "X" * dice.randrange(1, 30)])
        answer = fw.request(method, path)
        assert answer.status in (400, 401, 404, 405), (method, path, answer)


# Straight to the program's socket, without nginx in front.

def test_odd_parameters(stack):
    path = stack.gateway.socket_path
    for params in ({}, {"REQUEST_METHOD": "DELETE"}, {"REQUEST_URI": "/users/42"}, {"REQUEST_METHOD": "", "REQUEST_URI": ""},
                   {"REQUEST_METHOD": "DELETE", "REQUEST_URI": "users/42"}, {"": ""}, {"REQUEST_METHOD": b"\xff\n\r", "REQUEST_URI": b"/\xff\n"},
                   {"REQUEST_METHOD": "A" * 100000, "REQUEST_URI": "/users/42"}, {"REQUEST_METHOD": "DELETE", "REQUEST_URI": "/users/" + "9" * 100000}):
        headers, body = fcgi(path, params)
        assert headers["status"][:3] in ("400", "404", "405"), (params, headers)
        assert headers["content-type"] == "application/problem+json"
        assert int(headers["content-length"]) == len(body)


def test_a_request_id_that_is_none(stack):
    path = stack.gateway.socket_path
    good = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/healthz"}
    assert fcgi(path, {**good, "REQUEST_ID": "abc-123"})[0]["x-request-id"] == "abc-123"
    for bad in ("", "a b", "a\r\nX-Injected: 1", "a" * 65, "ä"):
        headers, _ = fcgi(path, {**good, "REQUEST_ID": bad})
        assert headers["x-request-id"] != bad and len(headers["x-request-id"]) == 36
        assert "x-injected" not in headers


def test_a_large_body(stack):
    headers, _ = fcgi(stack.gateway.socket_path, {"REQUEST_METHOD": "DELETE", "REQUEST_URI": "/users/x", "CONTENT_LENGTH": "50000"}, b"x" * 50000)
    assert headers["status"].startswith("400")


def test_a_body_without_end_is_not_read(stack):
    data = fcgi_request({"REQUEST_METHOD": "GET", "REQUEST_URI": "/healthz", "CONTENT_LENGTH": "5000000"}, b"x" * 5000000)
    answer = fcgi_raw(stack.gateway.socket_path, data)
    assert answer == b"" or read_answer(answer)[0]["status"].startswith("200")


def test_what_is_no_fastcgi(stack):
    path = stack.gateway.socket_path
    for data in (b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\x01" * 100, record(1), record(9), record(1, struct.pack("!HB5x", 9, 0)) + record(4),
                 record(4, b"\xff\xff\xff\xff\xff\xff\xff\xff"), struct.pack("!BBHHBx", 7, 1, 1, 8, 0) + b"\0" * 8):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(path)
            s.sendall(data)


def test_those_who_hang_up(fw, stack):
    whole = fcgi_request({"REQUEST_METHOD": "GET", "REQUEST_URI": "/healthz"})
    for cut in list(range(0, len(whole), 3)) + [len(whole)]:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(stack.gateway.socket_path)
            s.sendall(whole[:cut])
    assert fw.request("GET", "/healthz").status == 200


def test_half_a_request_holds_one_process_only(fw, more_gateway):
    """Who can write to the socket can stall one process until the hard time-out, which replaces it; the others go on."""
    gateway = more_gateway({"gateway": {"children": 2, "request_timeout": "1s", "confirm_timeout": "300ms", "lock_timeout": "500ms",
                                        "statement_timeout": "800ms", "soft_timeout": "2s", "hard_timeout": "4s"}})
    before = fw.wait_until(lambda: len(pids := set(gateway.children())) == 2 and pids, what="two processes")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(gateway.socket_path)
        s.sendall(fcgi_request({"REQUEST_METHOD": "GET", "REQUEST_URI": "/healthz"})[:20])
        for _ in range(5):
            assert fw.at(gateway).request("GET", "/healthz").status == 200
        fw.wait_until(lambda: len(before - set(gateway.children())) == 1, what="the stalled process to be replaced")
    fw.wait_until(lambda: len(gateway.children()) == 2, what="two processes again")
    assert fw.at(gateway).request("GET", "/healthz").status == 200
