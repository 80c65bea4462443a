"""HUP under load: no request fails, no message is delivered twice, and the new settings are in force."""
import signal
import time

import pytest

from tools.supervised import Deliveries, Load

pytestmark = pytest.mark.outage


def test_no_request_fails(fw, make_front, outbox):
    front = make_front(children=8)
    first = {c["pid"] for c in front.wait_serving(8)}
    with Load(front.client, fw.make_users(6000)) as load:
        load.wait_more(50)
        front.reload()
        front.wait_generation(2, 8)
        load.wait_more(50)
        for number in (3, 4):                # and while one is under way
            front.reload()
            front.wait_log(f"generation={number}")
            load.wait_more(10)
        front.wait_generation(4, 8)
        front.reload(children=5, retry_after="7s")
        front.wait_generation(5, 5)
        load.wait_more(50)
    assert load.others == []
    assert not front.pids() & first
    assert {name: front.total(name) for name in ("reloads", "crashes", "kills", "restarts")} == {
        "reloads": 4, "crashes": 0, "kills": 0, "restarts": 0}
    assert front.bad_lines() == []
    assert sorted(m["userId"] for _, m in outbox.messages()) == sorted(str(u) for u in load.deleted)
    outbox.delete_queue()
    answer = front.client.delete(fw.make_users(1)[0])
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")


def test_a_broken_file_changes_nothing(fw, make_front, make_site):
    front = make_front(children=2)
    for watched, section in ((front, "gateway"), (make_site(children=2), "worker")):
        before = {c["pid"] for c in watched.wait_serving(2)}
        with open(watched.program.conf, encoding="utf-8") as f:
            text = f.read()
        fw.stack.place.write(watched.program.conf, text + f"{section} {{\n\tstop_timeout = soon\n}}\n")
        watched.signal(signal.SIGHUP)
        watched.wait_log("configuration not reloaded, the old one stays in force")
        line = text.count("\n") + 2
        watched.wait_log(" error ", f"{watched.program.conf}:{line}", "stop_timeout")
        assert watched.total("reloads") == 0 and watched.total("reloads_refused") == 1
        assert watched.pids() == before
    assert front.client.delete(fw.make_users(1)[0]).status == 200


def test_no_message_is_delivered_twice(fw, make_site):
    site = make_site(children=6, reconciler="yes")
    first = {c["pid"] for c in site.wait_serving(6)}
    users = fw.make_users(64, files=1)
    fw.stack.smtp.control(delay=1)
    with Deliveries(fw.stack, site.name) as deliveries:
        site.ask(*users)
        site.wait_at_work(count=4)
        for number in (2, 3, 4):
            site.reload(children=6 if number < 4 else 4)
            site.wait_log(f"generation={number}")
            time.sleep(0.4)
        assert site.finished([str(u.id) for u in users]) < len(users), "the load was over too early"
        site.wait_generation(4, 4)
        fw.stack.smtp.control()
        rows = site.wait_done(users)
    assert {(r["turn"], r["attempts"], r["mail"]) for r in rows} == {(1, 0, "sent")}
    # Delivered, not marked: the broker marks a message as redelivered too that it had given to a child which ended consuming at
    # that very moment, and then never sent. So there can be one such mark for each child that leaves, and they say nothing.
    assert len(deliveries.all) == len(users), "each was delivered once"
    assert not site.pids() & first
    assert {name: site.total(name) for name in ("reloads", "crashes", "kills", "restarts", "failures")} == {
        "reloads": 3, "crashes": 0, "kills": 0, "restarts": 0, "failures": 0}
    assert site.bad_lines() == []
    assert site.ready() == (0, 4)
