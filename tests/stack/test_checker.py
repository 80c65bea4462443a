"""The checker itself: what is good passes, and each thing that can be wrong is found by the figure that is for it."""
import copy
import dataclasses

import pytest

from stack.checker import Evidence, begun_again, judge
from stack.client import User

ADA = User(1, "Ada@example.test", "bucket", ["u1/a", "u1/b"])
BOB = User(2, None, "bucket", ["u2/a"])                      # no address, no mail
EVE = User(3, "eve@example.test", "bucket", ["u3/a"])        # was refused
ASKED = {user.id: user for user in (ADA, BOB, EVE)}
ANSWERS = {1: [None, 200, 200], 2: [200], 3: [503]}
BYSTANDERS = {n: {"objects": {f"u{n}/a": "etag"}, "row": {"id": n, "deleted_at": None}, "files": [{"id": n, "deleted_at": None}],
                  "requests": 0, "deletions": 0, "mails": 0} for n in range(10, 20)}


def version(mail, **more):
    return {"status": "running", "turn": 1, "starts": 1, "mail": mail, "updated_at": "some time", **more}


WELL = [version("pending"), version("sending", updated_at="later"), version("sent", status="completed")]
TWICE = [version("pending"), version("sending"), version("sending", starts=2), version("sending", starts=2, updated_at="later"), version("sent")]
TAKEN_BACK = [version("pending"), version("sending"), version("pending", turn=2), version("sending", turn=2), version("sent", turn=2)]


def request(deletion, status="completed"):
    return {"deletion_id": deletion, "status": status, "mail": "sent", "finished_at": "some time"}


@pytest.fixture
def evidence():
    """All is well: Ada and Bob are deleted, Ada has her mail, Eve and the bystanders have everything."""
    return Evidence(
        requests={"1": [request("d1")], "2": [request("d2")]},
        ledger={"d1": {"status": "completed", "mail": "sent"}, "d2": {"status": "completed", "mail": "none"}},
        history={"d1": WELL, "d2": []},
        users={"1": {"email": ADA.email, "deleted_at": "now"}, "2": {"email": None, "deleted_at": "now"}, "3": {"email": EVE.email, "deleted_at": None}},
        objects={"u3/a": "etag"}, mails=[("ada@example.test", "d1")], unfinished=[], waiting={}, parked=0,
        bystanders=copy.deepcopy(BYSTANDERS))


def wrong(evidence):
    """The figures that are not 0 and should be."""
    figures = judge(ASKED, ANSWERS, BYSTANDERS, evidence)
    bad = {name: getattr(figures, name) for name in ("lost", "false", "unmailed", "duplicates", "stuck", "parked") if getattr(figures, name)}
    assert figures.good == (not bad)
    return bad


def test_all_is_well(evidence):
    assert wrong(evidence) == {}
    figures = dataclasses.asdict(judge(ASKED, ANSWERS, BYSTANDERS, evidence))
    assert {name: figures[name] for name in ("asked", "requests", "accepted", "refused", "unknown", "bystanders", "mails", "explained")} == {
        "asked": 3, "requests": 5, "accepted": 2, "refused": 1, "unknown": 0, "bystanders": 10, "mails": 1, "explained": 0}


BREAKS = {
    "accepted, and no request": (lambda e: (e.requests.pop("2"), e.objects.update({"u2/a": "etag"}), e.users["2"].update(deleted_at=None)), {"lost": 1}),
    "an object is left": (lambda e: e.objects.update({"u1/b": "etag"}), {"lost": 1}),
    "the ledger is not done": (lambda e: e.ledger["d1"].update(status="retrying"), {"lost": 1}),
    "the ledger has no row": (lambda e: e.ledger.pop("d2"), {"lost": 1}),
    "refused, and deleted all the same": (lambda e: (e.requests.update({"3": [request("d3")]}), e.objects.clear(),
                                                     e.ledger.update(d3={"status": "completed", "mail": "sent"}),
                                                     e.mails.append(("eve@example.test", "d3"))), {"false": 1}),
    "refused, and an object is gone": (lambda e: e.objects.clear(), {"false": 1}),
    "refused, and marked": (lambda e: e.users["3"].update(deleted_at="now"), {"false": 1}),
    "two requests": (lambda e: (e.requests["2"].append(request("d9")), e.ledger.update(d9={"status": "completed", "mail": "none"})), {"false": 1}),
    "no mail": (lambda e: e.mails.clear(), {"unmailed": 1}),
    "no mail, and the ledger agrees": (lambda e: (e.mails.clear(), e.ledger["d1"].update(mail="none")), {"unmailed": 1}),
    "two mails": (lambda e: e.mails.append(e.mails[0]), {"duplicates": 1}),
    "two mails, the first of which was taken back": (lambda e: (e.mails.append(e.mails[0]), e.history.update(d1=TAKEN_BACK)), {"duplicates": 1}),
    "three mails, begun twice": (lambda e: (e.mails.extend(e.mails * 2), e.history.update(d1=TWICE)), {"duplicates": 1}),
    "a mail for a user without an address": (lambda e: e.mails.append(("bob@example.test", "d2")), {"false": 1}),
    "a mail to the wrong address": (lambda e: e.mails.append(("eve@example.test", "d1")), {"false": 1}),
    "a mail for no deletion": (lambda e: e.mails.append(("ada@example.test", "d7")), {"false": 1}),
    "an unfinished request": (lambda e: e.unfinished.append({"deletion_id": "d1"}), {"stuck": 1}),
    "messages left": (lambda e: e.waiting.update({"farewell.retry.1s": 2}), {"stuck": 2}),
    "parked": (lambda e: e.requests["1"][0].update(status="parked"), {"parked": 1}),
    "a bystander's object is gone": (lambda e: e.bystanders[10]["objects"].clear(), {"false": 1}),
    "a bystander's object is another": (lambda e: e.bystanders[10]["objects"].update({"u10/a": "other"}), {"false": 1}),
    "a bystander is marked": (lambda e: e.bystanders[11]["row"].update(deleted_at="now"), {"false": 1}),
    "a bystander's row is gone": (lambda e: e.bystanders[12].update(row=None), {"false": 1}),
    "a bystander's file row is marked": (lambda e: e.bystanders[13]["files"][0].update(deleted_at="now"), {"false": 1}),
    "a bystander has a request": (lambda e: e.bystanders[14].update(requests=1), {"false": 1}),
    "a bystander is in the ledger": (lambda e: e.bystanders[15].update(deletions=1), {"false": 1}),
    "a bystander had mail": (lambda e: e.bystanders[16].update(mails=1), {"false": 1}),
    "two bystanders vanished": (lambda e: (e.bystanders.pop(17), e.bystanders.pop(18)), {"false": 2}),
}


@pytest.mark.parametrize("what", BREAKS)
def test_is_found(evidence, what):
    spoil, figures = BREAKS[what]
    spoil(evidence)
    assert wrong(evidence) == figures


def test_a_second_mail_that_the_ledger_explains(evidence):
    evidence.mails.append(evidence.mails[0])
    evidence.history["d1"] = TWICE
    assert wrong(evidence) == {}
    assert judge(ASKED, ANSWERS, BYSTANDERS, evidence).explained == 1


def test_what_counts_as_begun_again():
    assert [begun_again(history) for history in ([], WELL, TWICE, TAKEN_BACK)] == [0, 0, 1, 0]
