"""./dev demo: one account deleted, and every step of it shown as a person wants to see it."""
import json
import os
import shlex
import subprocess
import sys
import time

from .client import Client
from .proc import wait_until

BUCKET = "farewell-demo"
FILES = [
    "avatar.png",
    "documents/tax return 2025.pdf",
    "사진/가족 여행.jpg",
    "music/Sigur Rós - Hoppípolla.mp3",
    "notes/a+b=c.txt",
    "reports/100%.txt",
    "reports/100%25.txt",
    "backup//two slashes.tar",
    "folder/",
    "quotes/it's \"<this>\" & that.xml",
    "emoji/👋.gif",
    "~tilde!*().txt",
]


class Screen:
    """Plain text; bold and grey only on a terminal."""

    def __init__(self):
        self.colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colours else text

    def title(self, text):
        print("\n" + self.paint("1", text), flush=True)

    def line(self, text=""):
        print("    " + text if text else "", flush=True)

    def grey(self, text):
        self.line(self.paint("2", text))

    def good(self, text):
        self.line(self.paint("32", text))

    def command(self, text):
        self.line(self.paint("36", "$ " + text))

    def row(self, row, *columns):
        """A database row, one column a line."""
        width = max(len(c) for c in columns)
        for column in columns:
            value = row[column]
            self.line(f"{column:<{width}}  {'-' if value is None else value}")


def make_account(client, name, locale, files):
    user = client.make_user(name=name, locale=locale, files=0)
    client.add_files(user, [f"user-{user.id}/{f}" for f in files])
    return user


def curl(client, user, *options):
    """The command a person would type; the token is a variable, as nobody reads one."""
    return ["curl", "-sS", "-i", *options, "-X", "DELETE", client.url + user.path, "-H", "Authorization: Bearer $TOKEN"]


def shown(argv):
    words = [f'"{a}"' if "$" in a else shlex.quote(a) for a in argv if a not in ("-sS",)]
    return " ".join(words)


def call(client, user):
    argv = [a.replace("$TOKEN", client.token(user)) for a in curl(client, user)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=30, check=True)
    head, _, body = done.stdout.replace("\r", "").partition("\n\n")
    return head.splitlines(), body


def show_answer(screen, head, body):
    screen.line(head[0])
    for header in head[1:]:
        if header.lower().startswith(("content-location", "content-type", "x-request-id")):
            screen.grey(header)
    try:
        for line in json.dumps(json.loads(body), indent=2, ensure_ascii=False).splitlines():
            screen.line(line)
    except ValueError:
        screen.line(body.strip())


def show_objects(screen, client, user):
    keys = client.objects(BUCKET, f"user-{user.id}/")
    for key in keys:
        screen.line(f"s3://{BUCKET}/{key}")
    if not keys:
        screen.good("(none)")
    return keys


def show_mail(screen, message):
    for name in ("From", "To", "Subject", "Message-ID"):
        screen.line(f"{name}: {message[name]}")
    text = message.get_body(("plain",))
    screen.line()
    for line in (text.get_content().rstrip().splitlines() if text else []):
        screen.line(line)


def run(stack):
    started = time.monotonic()
    screen, client = Screen(), Client(stack)
    client.bucket = stack.s3.make_bucket(BUCKET)
    user = make_account(client, "김민지", "ko", FILES)
    other = make_account(client, "Sam Taylor", "en", ["keep me.txt", "and me.jpg"])

    screen.title(f"1. The account: user {user.id}, with {len(FILES)} files, and a neighbour who stays")
    screen.row(client.user_row(user), "id", "name", "email", "locale", "deleted_at")
    screen.line()
    before = show_objects(screen, client, user)

    screen.title("2. The request, and the answer of farewell-fcgi behind nginx")
    screen.command(shown(curl(client, user)))
    head, body = call(client, user)
    show_answer(screen, head, body)
    if " 200 " not in head[0]:
        raise RuntimeError(f"the deletion was refused; see {stack.gateway.log}")

    screen.title("3. The users table: marked in the transaction that published UserDeleted")
    screen.row(client.user_row(user), "id", "name", "deleted_at")

    screen.title("4. The ledger of farewell-workerd, which took the message from RabbitMQ")
    wait_until(lambda: client.status(user) == "completed", 30, f"the deletion to complete (see {stack.worker.log})")
    screen.row(client.ledger(user)[-1], "deletion_id", "status", "attempts", "files_deleted", "mail", "finished_at")

    screen.title("5. The objects now")
    screen.line(f"user {user.id}:")
    after = show_objects(screen, client, user)
    screen.line(f"user {other.id}, the neighbour:")
    kept = show_objects(screen, client, other)

    screen.title("6. The mail")
    mails = client.mails(user)
    for mail in mails:
        show_mail(screen, mail)

    screen.title("7. The same request again: the same deletion, no second message, no second mail")
    screen.command(shown(curl(client, user)))
    show_answer(screen, *call(client, user))

    good = len(before) == len(FILES) and not after and len(kept) == 2 and len(mails) == 1 and len(client.mails(user)) == 1
    screen.title("That was it." if good else "SOMETHING IS NOT AS IT SHOULD BE.")
    screen.grey(f"{time.monotonic() - started:.1f} s. The stack stays up, and user {other.id} is yours:")
    screen.line()
    screen.line(f"TOKEN={client.token(other, ttl=86400)}")
    screen.line(shown(curl(client, other)))
    screen.line(shown(["curl", "-i", client.url + other.path + "/deletion", "-H", "Authorization: Bearer $TOKEN"]))
    screen.line()
    screen.grey("./dev up tells where everything is, ./dev logs shows the logs, ./dev down stops it all.")
    print(flush=True)
    if not good:
        raise RuntimeError("the demo did not end as it should")
