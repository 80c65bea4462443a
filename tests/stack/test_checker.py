"""The checker itself: what is good passes, and each thing that can be wrong is found by the figure that is for it."""
import copy
import datetime

import pytest

from stack.checker import Case, Evidence, begun_again, judge, quantiles
from stack.client import User

ADA = User(1, "Ada@example.test", "bucket", ["u1/a", "u1/b"])
BOB = User(2, None, "bucket", ["u2/a"])                      # no address, no mail
EVE = User(3, "eve@example.test", "bucket", ["u3/a"])        # was refused
DAN = User(4, "dan@example.test", "bucket", ["u4/a"])        # was restored in time
JOE = User(5, "joe@example.test", "bucket", ["u5/a"])        # has a path that a person had to correct, and a mailbox that refuses
ASKED = {user.id: user for user in (ADA, BOB, EVE, DAN, JOE)}
ANSWERS = {1: [None, 200, 200], 2: [200], 3: [503], 4: [], 5: [200]}
CASES = {4: Case(restored={"d4"}), 5: Case(park="not a path|is not one", mailbox=False, undisturbed=False)}
BYSTANDERS = {n: {"objects": {f"u{n}/a": "etag"}, "row": {"id": n, "deleted_at": None}, "files": [{"id": n, "deleted_at": None}],
                  "requests": 0, "deletions": 0, "mails": 0} for n in range(10, 20)}


def version(mail, mails, **more):
    return {"status": "running", "turn": 1, "starts": 1, "mail": mail, "mails": mails, **more}


WELL = [version("pending", 0), version("sending", 1), version("sent", 1, status="completed")]
TWICE = [version("pending", 0), version("sending", 1), version("sending", 1, starts=2), version("sending", 2, starts=2), version("sent", 2)]
TAKEN_BACK = [version("pending", 0), version("sending", 1), version("pending", 0, turn=2), version("sending", 1, turn=2), version("sent", 1, turn=2)]
MARKED_TWICE = [version("sending", 1), version("sending", 1, starts=2), version("sent", 1)]


def at(seconds):
    return datetime.datetime(2026, 1, 1, 12, 0, seconds)


def request(deletion, status="completed"):
    return {"deletion_id": deletion, "status": status, "mail": "sent", "requested_at": at(0), "finished_at": at(9)}


def row(status="completed", mail="sent", mails=1):
    return {"status": status, "mail": mail, "mails": mails}


@pytest.fixture
def evidence():
    """All is well: Ada, Bob and Joe are deleted, Ada has her mail; Eve, Dan and the bystanders have everything."""
    return Evidence(
        requests={"1": [request("d1")], "2": [request("d2")], "4": [request("d4", "cancelled")], "5": [request("d5")]},
        ledger={"d1": row(), "d2": row(mail="none", mails=0), "d5": row(mail="refused")},
        history={"d1": WELL, "d2": []}, parkings=[("5", "d5", "ftp://x is not a path")],
        erased={"1": at(2), "2": at(4), "5": at(59)},
        users={"1": {"email": ADA.email, "deleted_at": "now"}, "2": {"email": None, "deleted_at": "now"}, "3": {"email": EVE.email, "deleted_at": None},
               "4": {"email": DAN.email, "deleted_at": None}, "5": {"email": JOE.email, "deleted_at": "now"}},
        objects={"u3/a": "etag", "u4/a": "etag"}, mails=[("ada@example.test", "d1")], unfinished=[], waiting={}, parked=0,
        bystanders=copy.deepcopy(BYSTANDERS))


def wrong(evidence):
    """The figures that are not 0 and should be."""
    figures = judge(ASKED, ANSWERS, BYSTANDERS, evidence, CASES)
    names = ("lost", "left", "false", "unmailed", "duplicates", "stuck", "parked", "uncaused")
    bad = {name: getattr(figures, name) for name in names if getattr(figures, name)}
    assert figures.good == (not bad)
    return bad


def test_all_is_well(evidence):
    assert wrong(evidence) == {}
    figures = judge(ASKED, ANSWERS, BYSTANDERS, evidence, CASES)
    assert {name: count for name, count in figures.counts.items() if count} == {
        "asked": 5, "requests": 6, "accepted": 3, "refused": 1, "restored": 1, "bystanders": 10, "objects": 4, "mails": 1, "parkings": 1}
    assert (figures.undisturbed, figures.seconds) == ([2, 4], [2, 4, 59])
    assert "objects left per million: 0 (of 4)" in figures.summary() and "wrong deletions: 0" in figures.summary()


BREAKS = {
    "accepted, and no request": (lambda e: (e.requests.pop("2"), e.objects.update({"u2/a": "etag"}), e.erased.pop("2"),
                                             e.users["2"].update(deleted_at=None)), {"lost": 1, "left": 1}),
    "an object is left": (lambda e: e.objects.update({"u1/b": "etag"}), {"lost": 1, "left": 1}),
    "the ledger is not done": (lambda e: e.ledger["d1"].update(status="retrying"), {"lost": 1}),
    "the ledger has no row": (lambda e: e.ledger.pop("d2"), {"lost": 1}),
    "refused, and deleted all the same": (lambda e: (e.requests.update({"3": [request("d3")]}), e.objects.pop("u3/a"), e.ledger.update(d3=row()),
                                                     e.mails.append(("eve@example.test", "d3"))), {"false": 1}),
    "refused, and an object is gone": (lambda e: e.objects.pop("u3/a"), {"false": 1}),
    "refused, and marked": (lambda e: e.users["3"].update(deleted_at="now"), {"false": 1}),
    "refused, and a file row is marked": (lambda e: e.erased.update({"3": at(5)}), {"false": 1}),
    "restored, and an object is gone": (lambda e: e.objects.pop("u4/a"), {"false": 1}),
    "restored, and mailed": (lambda e: e.mails.append(("dan@example.test", "d4")), {"false": 1}),
    "restored, and his deletion is completed": (lambda e: e.requests["4"][0].update(status="completed"), {"false": 1}),
    "restored, and the ledger thinks otherwise": (lambda e: e.ledger.update(d4=row("running")), {"false": 1}),
    "restored, and deleted again by nobody": (lambda e: (e.requests["4"].append(request("d8")), e.ledger.update(d8=row()), e.objects.pop("u4/a"),
                                                         e.mails.append(("dan@example.test", "d8"))), {"false": 1}),
    "two requests": (lambda e: (e.requests["2"].append(request("d9")), e.ledger.update(d9=row(mail="none"))), {"false": 1}),
    "parked for a reason of somebody else's": (lambda e: e.parkings.append(("1", "d1", "ftp://x is not a path")), {"uncaused": 1}),
    "parked for another reason": (lambda e: e.parkings.append(("5", "d5", "AccessDenied")), {"uncaused": 1}),
    "parked without a reason": (lambda e: e.parkings.append(("5", "d5", None)), {"uncaused": 1}),
    "a mail that the mailbox refused": (lambda e: e.mails.append(("joe@example.test", "d5")), {"false": 1}),
    "no mail": (lambda e: e.mails.clear(), {"unmailed": 1}),
    "no mail, and the ledger agrees": (lambda e: (e.mails.clear(), e.ledger["d1"].update(mail="none")), {"unmailed": 1}),
    "no mail, and the ledger does not know of one": (lambda e: (e.mails.clear(), e.ledger["d1"].update(mail="unknown")), {"unmailed": 1}),
    "no mail, because the mailbox refused, which it did not": (lambda e: (e.mails.clear(), e.ledger["d1"].update(mail="refused")), {"unmailed": 1}),
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
    assert judge(ASKED, ANSWERS, BYSTANDERS, evidence, CASES).explained == 1


def test_two_mails_of_which_neither_arrived(evidence):
    evidence.mails.clear()
    evidence.ledger["d1"].update(mail="unknown", mails=2)
    assert wrong(evidence) == {}
    assert judge(ASKED, ANSWERS, BYSTANDERS, evidence, CASES).untold == 1


def test_deleted_again_after_a_restore(evidence):
    evidence.requests["4"].append(request("d8"))
    evidence.ledger["d8"] = row()
    evidence.objects.pop("u4/a")
    evidence.mails.append(("dan@example.test", "d8"))
    assert judge(ASKED, {**ANSWERS, 4: [200]}, BYSTANDERS, evidence, CASES).good


def test_what_counts_as_begun_again():
    assert [begun_again(history) for history in ([], WELL, TWICE, TAKEN_BACK, MARKED_TWICE)] == [0, 0, 1, 0, 0]


def test_the_quantiles():
    assert quantiles([n / 10 for n in range(1, 102)]) == ["5.1", "10.0"] and quantiles([3]) == ["3.0", "3.0"] and quantiles([]) == ["0.0", "0.0"]
