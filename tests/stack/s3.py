"""A private S3 server: radosgw on a Ceph cluster of one monitor and one OSD in memory."""
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import uuid

import boto3
import botocore.config
import botocore.exceptions

from .proc import Daemon

ACCESS_KEY, SECRET_KEY, REGION = "FAREWELLKEY", "farewell-secret+with/odd=bytes", "us-east-1"
STS_KEY = "sixteen-bytes-ok"  # what the gateway seals session tokens with


class CephDaemon(Daemon):
    def __init__(self, cluster, name):
        super().__init__(cluster.stack, name)
        self.cluster = cluster


class Monitor(CephDaemon):
    def argv(self):
        return ["ceph-mon", "-f", "-c", self.cluster.conf, "--id", "a"]

    def is_ready(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.cluster.mon_port)) == 0


class Osd(CephDaemon):
    stop_timeout = 10

    def argv(self):
        return ["ceph-osd", "-f", "-c", self.cluster.conf, "--id", "0"]


class Gateway(CephDaemon):
    """One radosgw; a test may start a second with options of its own."""
    stop_timeout = 15

    def __init__(self, cluster, name, *options):
        super().__init__(cluster, name)
        self.options = options
        self.port = self.place.port(name)

    def argv(self):
        return ["radosgw", "-f", "-c", self.cluster.conf, "-n", "client.admin", "--no-mon-config",
                f"--rgw-frontends=beast endpoint=127.0.0.1:{self.port}", *self.options]

    def is_ready(self):
        with socket.socket() as s:
            s.settimeout(5)
            if s.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return s.recv(9).startswith(b"HTTP/1.1")

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"


class S3:
    """The whole: .mon, .osd, .rgw are its processes; stop(), start(), pause() and resume() are the gateway's."""

    def __init__(self, stack):
        self.stack = stack
        self.place = stack.place
        self.dir = self.place.path("ceph")
        self.conf = os.path.join(self.dir, "ceph.conf")
        self.keyring = os.path.join(self.dir, "keyring")
        self.mon_port = self.place.port("ceph-mon")
        self.mon = Monitor(self, "ceph-mon")
        self.osd = Osd(self, "ceph-osd")
        self.rgw = Gateway(self, "radosgw")

    # The processes.

    @property
    def endpoint(self):
        return self.rgw.endpoint

    @property
    def log(self):
        return self.rgw.log

    def daemons(self):
        return [self.mon, self.osd, self.rgw]

    def start(self):
        """A new cluster that takes no user in two minutes, which was seen once at a high load, is made once more."""
        new = not os.path.exists(os.path.join(self.dir, "user-made-for"))
        try:
            self._start()
        except subprocess.TimeoutExpired as e:
            if not new:
                raise
            state = self.place.run(["ceph", "-c", self.conf, "--connect-timeout", "30", "status"], check=False).stdout
            print(f"{e}\n{state}\n{self.osd.log_tail()}", file=sys.stderr)
            for daemon in (self.osd, self.mon):
                daemon.kill()
            shutil.rmtree(self.dir)
            self._start()
        return self

    def _start(self):
        if not os.path.exists(self.keyring):
            self._make_cluster()
        self.mon.start()
        self.osd.start()
        if not self.rgw.running:
            self._make_user()
        self.rgw.start()

    def stop(self):
        self.rgw.stop()

    def kill(self, *args):
        self.rgw.kill(*args)

    def pause(self):
        self.rgw.pause()

    def resume(self):
        self.rgw.resume()

    def restart(self):
        self.stop()
        return self.start()

    def stop_all(self):
        for daemon in (self.rgw, self.osd, self.mon):
            daemon.stop()

    def second_gateway(self, name, *options):
        """Another radosgw on the same cluster, such as one that throttles:
        second_gateway("slow", "--rgw-scheduler-type=throttler", "--rgw-max-concurrent-requests=1")"""
        return self.stack.track(Gateway(self, name, *options)).start()

    # Its content.

    def client(self, endpoint=None):
        """A boto3 client, made once for each endpoint."""
        cache = self.__dict__.setdefault("_clients", {})
        endpoint = endpoint or self.endpoint
        if endpoint not in cache:
            cache[endpoint] = boto3.client(
                "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
                config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}))
        return cache[endpoint]

    def sts_gateway(self):
        """Another radosgw, which has STS. It answers AccessDenied to every wrong credential, so the first one has none."""
        return self.second_gateway("sts", "--rgw-s3-auth-use-sts=true", f"--rgw-sts-key={STS_KEY}")

    def session(self, gateway, seconds=900):
        """Temporary credentials of that gateway, as boto3 gives them: AccessKeyId, SecretAccessKey, SessionToken, Expiration."""
        of_user = {"endpoint_url": gateway.endpoint, "region_name": REGION, "aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
        may = {"Effect": "Allow", "Action": "sts:GetSessionToken", "Resource": "*"}
        boto3.client("iam", **of_user).put_user_policy(UserName="farewell", PolicyName="sessions", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [may]}))
        sts = boto3.client("sts", **of_user)
        return sts.get_session_token(DurationSeconds=seconds)["Credentials"]

    def make_bucket(self, bucket):
        try:
            self.client().create_bucket(Bucket=bucket)
        except botocore.exceptions.ClientError as e:
            if e.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
        return bucket

    def put(self, bucket, key, body=b"x"):
        self.client().put_object(Bucket=bucket, Key=key, Body=body)

    def objects(self, bucket, prefix=""):
        """The keys in a bucket, all of them, sorted."""
        keys = []
        for page in self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            keys += [o["Key"] for o in page.get("Contents", [])]
        return sorted(keys)

    def empty(self, bucket):
        for key in self.objects(bucket):
            self.client().delete_object(Bucket=bucket, Key=key)

    def policy(self, bucket, statements):
        """Sets the bucket's policy, a list of statements; None takes it away."""
        if statements is None:
            self.client().delete_bucket_policy(Bucket=bucket)
        else:
            self.client().put_bucket_policy(
                Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))

    # Within.

    def _make_cluster(self):
        run = self.place.run
        fsid = str(uuid.uuid4())
        # Debian 13's default is relative, which works from / only.
        class_dir = next(iter(glob.glob("/usr/lib/*/rados-classes") + glob.glob("/usr/lib/rados-classes")))
        for sub in ("mon", "osd", "out"):
            os.makedirs(os.path.join(self.dir, sub), exist_ok=True)
            self.place.give(os.path.join(self.dir, sub))
        self.place.give(self.dir)
        # The grace also sets how long a placement group may be read without renewal: with the default, an OSD that was
        # paused for ten seconds could leave one that never answers again.
        self.place.write(self.conf, f"""\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{self.mon_port}/0]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv4 = true
ms bind ipv6 = false
keyring = {self.keyring}
admin socket =
run dir = {self.dir}/out
log file =
log to stderr = true
err to stderr = true
mon cluster log file = {self.dir}/out/cluster.log
pid file = {self.dir}/out/$name.pid
crash dir = {self.dir}/out
debug none = 0/0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd heartbeat grace = 600
osd objectstore = memstore
memstore device bytes = 2G
osd class dir = {class_dir}
osd data = {self.dir}/osd
mon data = {self.dir}/mon
mon data avail crit = 1
# a read lease lasts 0.8 of this; one that ran out while the OSD stood still may never come back
osd heartbeat grace = 300
paxos propose interval = 0.05
paxos min wait = 0.01
mon allow pool size one = true
mon allow pool delete = true
mon max pg per osd = 1000
mon warn on pool no redundancy = false
mon osd min in ratio = 0
rgw data = {self.dir}/out
rgw enable usage log = false
rgw enable ops log = false
rgw dns name =
""")
        new = self.keyring + ".new"
        run(["ceph-authtool", "--create-keyring", new, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"])
        run(["ceph-authtool", new, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *",
             "--cap", "osd", "allow *", "--cap", "mgr", "allow *", "--cap", "mds", "allow *"])
        run(["ceph-authtool", new, "--gen-key", "-n", "osd.0", "--cap", "mon", "allow profile osd",
             "--cap", "osd", "allow *", "--cap", "mgr", "allow profile osd"])
        monmap = os.path.join(self.dir, "monmap")
        run(["monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{self.mon_port}/0]", monmap])
        run(["ceph-mon", "-c", self.conf, "--mkfs", "--id", "a", "--monmap", monmap, "--keyring", new])
        os.replace(new, self.keyring)
        self.mon.start()
        osd_uuid = str(uuid.uuid4())
        self._ceph("osd", "new", osd_uuid)
        run(["ceph-osd", "-c", self.conf, "--mkfs", "--id", "0", "--osd-uuid", osd_uuid])

    def _ceph(self, *args):
        return self.place.run(["ceph", "-c", self.conf, "--connect-timeout", "30", *args]).stdout

    def _make_user(self):
        """Once for each OSD: memstore forgets everything when one is killed."""
        made_for = os.path.join(self.dir, "user-made-for")
        if os.path.exists(made_for) and open(made_for).read() == str(self.osd.pid):
            return
        self.place.run(["radosgw-admin", "-c", self.conf, "--no-mon-config", "user", "create", "--uid=farewell",
                        "--display-name=Farewell", "--caps=user-policy=*", f"--access-key={ACCESS_KEY}", f"--secret={SECRET_KEY}"], check=False)
        self.place.write(made_for, str(self.osd.pid))
