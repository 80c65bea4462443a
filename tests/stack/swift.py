"""A private OpenStack Swift with its S3 API: one process each for accounts, containers and objects, a proxy, and memcached."""
import glob
import os
import socket

import boto3
import botocore.config

from . import place
from .proc import Daemon, StackError

ACCOUNT, SECRET_KEY, REGION = "farewell", "farewell-secret+with/odd=bytes", "eu-test-1"
ACCESS_KEY = ACCOUNT + ":tester"

# The settings' folder is not a setting: it has to be said before anything else of Swift is imported.
RUN = ("import sys; from swift.common import utils; utils.set_swift_dir(sys.argv[1]); from swift.common.wsgi import run_wsgi;"
       " sys.exit(run_wsgi(sys.argv[2], sys.argv[3], verbose=True))")
RINGS = """
import sys
from swift.common import utils
utils.set_swift_dir(sys.argv[1])
from swift.common.ring import RingBuilder
for name, port in zip(("account", "container", "object"), sys.argv[2:]):
    ring = RingBuilder(4, 1, 0)
    ring.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "meta": "",
                  "replication_ip": "127.0.0.1", "replication_port": int(port)})
    ring.rebalance()
    ring.get_ring().save(f"{sys.argv[1]}/{name}.ring.gz")
"""

# What each server does to a request, the first thing first.
PIPELINES = {
    "account": "account-server",
    "container": "container-server",
    "object": "object-server",
    "proxy": "catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo versioned_writes symlink proxy-server",
}
FILTERS = {
    "cache": "use = egg:swift#memcache\nmemcache_servers = 127.0.0.1:{memcached}",
    "s3api": f"use = egg:swift#s3api\nlocation = {REGION}",
    "tempauth": f"use = egg:swift#tempauth\nuser_{ACCOUNT}_tester = {SECRET_KEY} .admin",
    "versioned_writes": "use = egg:swift#versioned_writes\nallow_object_versioning = true",
}


class Memcached(Daemon):
    """Swift's S3 API does not log anybody in without one."""

    def argv(self):
        return ["memcached", "-l", "127.0.0.1", "-p", str(self.place.port("memcached")), "-U", "0", "-m", "16"]

    def is_ready(self):
        return answers(self.place.port("memcached"))


class Server(Daemon):
    """The account, container or object server, or the proxy."""

    def __init__(self, swift, kind):
        super().__init__(swift, "swift-" + kind)
        self.kind = kind
        self.conf = self.place.path("swift", kind + ".conf")

    @property
    def port(self):
        return self.place.port(self.name)

    def argv(self):
        return ["/usr/bin/python3", "-c", RUN, self.place.path("swift"), self.conf, self.kind + "-server"]

    def is_ready(self):
        return answers(self.port)

    def prepare(self):
        pipeline = PIPELINES[self.kind]
        text = f"""\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {self.port}
user = {self.place.account.pw_name}
swift_dir = {self.place.path("swift")}
devices = {self.place.path("devices")}
mount_check = false
fallocate_reserve = 0
workers = 0
log_udp_host = 127.0.0.1
log_udp_port = 9
[pipeline:main]
pipeline = {pipeline}
[app:{self.kind}-server]
use = egg:swift#{self.kind}
account_autocreate = true
# there is one server of each kind: none is left out for a minute after ten errors
error_suppression_interval = 0
"""
        for name in pipeline.split()[:-1]:
            text += f"[filter:{name}]\n{FILTERS.get(name, 'use = egg:swift#' + name).format(memcached=self.place.port('memcached'))}\n"
        self.place.write(self.conf, text)


class Swift:
    """The whole. `start()` and `down()`; .endpoint; `client()` is boto3; .object is the server that can be taken away."""

    def __init__(self, name="swift"):
        self.place = place.Place(name)

    def open(self):
        if not self.place.lock():
            raise StackError("another ./dev check-swift is at work in this checkout")
        self.place.open()
        self.memcached = Memcached(self, "memcached")
        self.account, self.container, self.object, self.proxy = (Server(self, kind) for kind in PIPELINES)
        return self

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.proxy.port}"

    def start(self):
        for sub in ("swift", "devices", "devices/d1"):
            os.makedirs(self.place.path(sub), exist_ok=True)
            self.place.give(self.place.path(sub))
        self._need_attributes()
        self.place.write(self.place.path("swift", "swift.conf"), "[swift-hash]\nswift_hash_path_suffix = farewell\n")
        if not glob.glob(self.place.path("swift", "object.ring.gz")):
            self.place.run(["/usr/bin/python3", "-c", RINGS, self.place.path("swift"),
                            *(str(server.port) for server in (self.account, self.container, self.object))])
        for daemon in self.daemons():
            daemon.start(wait=False)
        for daemon in self.daemons():
            daemon.wait_ready()
        return self

    def down(self):
        for daemon in reversed(self.daemons()):
            daemon.stop()
        self.place.remove()

    def daemons(self):
        return [self.memcached, self.account, self.container, self.object, self.proxy]

    def client(self, **options):
        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
            **{"region_name": REGION, **options},
            config=botocore.config.Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 5}))

    def _need_attributes(self):
        """What Swift knows of an object stands in extended attributes of its file."""
        path = self.place.write(self.place.path("devices", "attributes"), "")
        try:
            os.setxattr(path, "user.farewell", b"x" * 1024)
        except OSError as e:
            raise StackError(f"{place.base()} has no extended attributes for users ({e}), without which Swift can't run;"
                             " set FAREWELL_STACK_BASE to a directory that has them") from None


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0
