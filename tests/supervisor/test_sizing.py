"""How many children there are: a backlog makes the worker's pool grow, and hundreds of children start without a refusal."""
import re
import signal

import pytest

pytestmark = pytest.mark.outage


def test_a_backlog_makes_the_pool_grow(fw, make_site):
    site = make_site(children=0, start_children=1, min_spare=1, max_spare=2, max_children=4)
    site.wait_serving(1)
    users = fw.make_users(12, files=1)
    fw.stack.smtp.control(delay=3)
    site.ask(*users)
    site.wait_at_work(count=4)
    assert len(site.pids()) == 4
    site.wait_log("max_children reached: no more than 4 children")
    fw.stack.smtp.control()
    rows = site.wait_done(users)
    assert {(r["turn"], r["attempts"]) for r in rows} == {(1, 0)}
    site.wait_serving(2)         # one a second leaves
    assert len(re.findall("max_children reached", site.log())) == 1 and site.total("max_children_reached") >= 1
    assert site.total("restarts") == 0
    fw.wait_until(lambda: site.ready() == (0, 2), what="two consumers")


def test_one_more_and_one_less(fw, make_front, make_site):
    for watched in (make_front(children=2), make_site(children=2)):
        watched.wait_serving(2)
        watched.signal(signal.SIGTTIN)
        watched.wait_serving(3)
        if watched.kind == "worker":
            fw.wait_until(lambda: watched.ready()[1] == 3, what="three consumers")
        for left in (2, 1):
            watched.signal(signal.SIGTTOU)
            watched.wait_log(f"children is now {left} ")
        watched.wait_serving(1)
        assert watched.bad_lines() == []


def test_hundreds_of_children(fw, make_front, make_site):
    """The broker and the database take them all, and each of them serves."""
    connections = ("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s")
    for make, count in ((make_front, 200), (make_site, 50)):
        before = fw.stack.postgres.admin(connections, "farewell-fcgi")[0]["count"]
        # All at once, on a machine with other things to do; each looks for leaks at its end if it has the sanitizer.
        watched = make(children=count, connect_timeout="60s", stop_timeout="80s")
        watched.wait_serving(count)
        assert watched.bad_lines() == []
        if watched.kind == "gateway":
            assert fw.stack.postgres.admin(connections, "farewell-fcgi")[0]["count"] - before >= count
            assert watched.client.delete(fw.make_user(files=0)).status == 200
        else:
            fw.wait_until(lambda: watched.ready() == (0, count), what="all to consume")
        watched.program.stop()
        assert watched.program.child.returncode == 0 and watched.bad_lines() == []
