"""What ./dev does with the stack: servers, up, down, logs, demo, and the sum of the results."""
import os
import subprocess
import sys

from . import demo, place, results, s3
from .client import Client
from .proc import StackError
from .stack import Stack


def out(text=""):
    print(text, flush=True)


def progress(text):
    print(f"dev: {text} is up", file=sys.stderr, flush=True)


# Where the demo, and the words of the tests used by hand, put an account's files.
ALLOWED = "s3://farewell-demo/user-{id}/ s3://farewell-demo/u{id}/ s3://farewell-test/u{id}/"


def dev_stack():
    stack = Stack("dev", settings={"worker": {"s3_allow": ALLOWED}})
    if not stack.place.lock():
        raise StackError("another ./dev is at work on this checkout's stack")
    return stack.open()


def servers():
    """The servers only, while Farewell itself is still being built."""
    dev_stack().start_servers(progress)


def up():
    stack = dev_stack().up()
    client = Client(stack)
    client.bucket = stack.s3.make_bucket("farewell-demo")
    user = client.make_user()
    postgres = stack.postgres
    out(f"""
    gateway      {stack.nginx.url}
    PostgreSQL   psql "{postgres.conninfo("users", local=True)}"
                 psql "{postgres.conninfo("worker", local=True)}"
    RabbitMQ     {stack.rabbit.url}
    S3           {stack.s3.endpoint}   {s3.ACCESS_KEY} / {s3.SECRET_KEY}
    mail         {stack.smtp.maildir}
    settings     {stack.gateway.conf}
    logs         {stack.place.path("log")}   (./dev logs)

Delete user {user.id}, who has three files, as an administrator:

    curl -i -X DELETE {stack.nginx.url}{user.path} \\
        -H 'Authorization: Bearer {client.token("operator", role="admin", ttl=86400)}'
""")


def down(*names):
    """Stops the stacks named, or all of this checkout that nobody is using."""
    for name in names or place.all_names():
        stack = Stack(name)
        if not os.path.isdir(stack.place.dir):
            continue
        if not stack.place.lock():
            out(f"dev: the stack '{name}' is in use by a running ./dev; left alone")
            continue
        stack.open().down()
        out(f"dev: the stack '{name}' is down")


def logs(name=None):
    """The last lines of every log of the newest stack; of one log, all that follows too."""
    for which in ("dev", *place.all_names()):
        directory = place.Place(which).path("log")
        if os.path.isdir(directory):
            break
    else:
        raise StackError("no stack is up; ./dev up starts one")
    names = sorted(n[:-4] for n in os.listdir(directory) if n.endswith(".log"))
    if name is None:
        files = [os.path.join(directory, n + ".log") for n in names]
        os.execvp("tail", ["tail", "-n", "12", *files])
    if name not in names:
        raise StackError(f"there is no log '{name}'; there are: {', '.join(names)}")
    follow = ["-F"] if sys.stdout.isatty() else []
    os.execvp("tail", ["tail", "-n", "200", *follow, os.path.join(directory, name + ".log")])


def run_demo():
    demo.run(dev_stack().up())


def show_results(build):
    return 0 if results.show(build) else 1


def show_sum(report):
    """The last line of a suite that is pytest alone."""
    return 0 if results.say(*results.of_pytest(report)) else 1


COMMANDS = {
    "servers": servers, "up": up, "down": down, "logs": logs, "demo": run_demo,
    "results": show_results, "sum": show_sum, "forget-results": results.forget,
}


def main():
    try:
        return COMMANDS[sys.argv[1]](*sys.argv[2:]) or 0
    except (StackError, RuntimeError, subprocess.TimeoutExpired, PermissionError) as e:
        print(f"dev: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


sys.exit(main())
