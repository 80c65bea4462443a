"""Sums what the unit tests (CUnit under automake) and pytest left behind: `N passed, N failed`."""
import glob
import os
import re
import xml.etree.ElementTree as ET

PYTEST = "stack.xml"
SUMMARY = re.compile(r"^ +tests +\d+ +(\d+) +(\d+) +(\d+) +(\d+)\s*$", re.M)


def left_by_make_check(build, ending):
    """Files of `make check`: of the unit tests, and of the scripts that read the sources."""
    return sorted(path for kind in ("unit", "style") for path in glob.glob(f"{build}/tests/{kind}/*.{ending}"))


def forget(build):
    for path in left_by_make_check(build, "log") + left_by_make_check(build, "trs") + glob.glob(f"{build}/{PYTEST}"):
        os.unlink(path)


def unit(build):
    """(passed, failed) of the CUnit tests and the style scripts.

    A script is one test; a program that ended badly without failing a test counts as one more failed."""
    passed = failed = 0
    for trs in left_by_make_check(build, "trs"):
        with open(trs, encoding="utf-8") as f:
            good = ":test-result: PASS" in f.read()
        with open(trs[:-4] + ".log", encoding="utf-8", errors="replace") as f:
            counts = [tuple(map(int, m)) for m in SUMMARY.findall(f.read())]
        passed += sum(c[1] for c in counts)
        failed += sum(c[2] for c in counts)
        if not good and not any(c[2] for c in counts):
            failed += 1
            print(f"{trs[:-4]} ended badly; see its .log")
        elif good and not counts:
            passed += 1
    return passed, failed


def of_pytest(report):
    """(passed, failed, skipped) by pytest's REPORT; none at all counts as one failed."""
    try:
        suites = ET.parse(report).getroot().iter("testsuite")
        numbers = [{k: int(s.get(k, 0)) for k in ("tests", "errors", "failures", "skipped")} for s in suites]
    except (OSError, ET.ParseError):
        print("the tests on the stack did not run to their end")
        return 0, 1, 0
    bad = sum(n["errors"] + n["failures"] for n in numbers)
    skipped = sum(n["skipped"] for n in numbers)
    return max(sum(n["tests"] for n in numbers) - bad - skipped, 0), bad, skipped


def show(build):
    """Prints the sum as the last line; True if all is well and something ran."""
    unit_passed, unit_failed = unit(build)
    passed, failed, skipped = of_pytest(f"{build}/{PYTEST}")
    if not unit_passed + unit_failed:
        unit_failed = 1
        print(f"the unit tests did not run; see {build}/unit.log")
    print(f"unit and style tests: {unit_passed} passed, {unit_failed} failed; on the stack: {passed} passed, {failed} failed")
    passed, failed = passed + unit_passed, failed + unit_failed
    return say(passed, failed, skipped)


def say(passed, failed, skipped):
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return failed == 0 and passed > 0
