"""-t: every check is asked, and the last line says how it was."""
import re
import signal
import subprocess

import pytest

GOOD = "configuration, SQL and connections are good"


def check(pool, *options):
    done = subprocess.run([*pool.command, *options, "-t"], env=pool.env, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stderr


def wrong(pool, *names):
    for name in names:
        open(pool.path("wrong-" + name), "w").close()


@pytest.mark.parametrize("level", ["error", "warning", "info"])
def test_good_is_said_whatever_the_log_level_is(make_pool, level):
    pool = make_pool()
    with open(pool.path("farewell.conf")) as f:
        text = f.read().replace("log_level = debug", f"log_level = {level}")
    with open(pool.path("farewell.conf"), "w") as f:
        f.write(text)
    code, said = check(pool)
    assert code == 0 and said.splitlines()[-1] == f"demo: {pool.path('farewell.conf')}: {GOOD}"


def test_all_that_is_wrong_is_said_at_once(make_pool):
    pool = make_pool()
    wrong(pool, "settings", "server")
    code, said = check(pool)
    assert code == 78 and GOOD not in said
    assert "wrong-settings is there" in said and "wrong-server is there" in said
    assert said.splitlines()[-1].endswith("not good: settings, server; see above")


def test_a_program_that_runs_is_not_disturbed(make_pool):
    pool = make_pool().start()
    pool.wait_serving(2)
    before = pool.pids()
    assert check(pool)[0] == 0
    assert pool.pids() == before and pool.ask().isdigit()


def test_settings_are_checked_at_the_start_too(make_pool):
    pool = make_pool()
    wrong(pool, "settings")
    pool.start(serving=False)
    assert pool.wait() == 78
    assert "wrong-settings is there" in pool.log() and "started" not in pool.log()


def test_settings_are_checked_on_hup_too(make_pool):
    pool = make_pool().start()
    wrong(pool, "server")
    pool.signal(signal.SIGHUP)
    pool.wait_log("configuration reloaded")
    wrong(pool, "settings")
    pool.signal(signal.SIGHUP)
    pool.wait_log("configuration not reloaded")
    assert "wrong-settings is there" in pool.log() and "wrong-server is there" not in pool.log()


def test_options(make_pool):
    program = make_pool().command[0]

    def run(*options):
        return subprocess.run([program, *options], capture_output=True, text=True, timeout=20, check=False)

    assert run("-h").returncode == 0 and run("-h").stdout.startswith("Usage: demo ")
    assert run("-V").returncode == 0 and re.fullmatch(r"demo \S+\n", run("-V").stdout)
    for options in (["-x"], ["extra"], ["-c"]):
        assert run(*options).returncode == 64 and "Usage: demo " in run(*options).stderr
    done = run("-t", "-c", "/nonexistent.conf")
    assert done.returncode == 78 and "/nonexistent.conf" in done.stderr
