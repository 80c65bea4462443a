"""A private nginx with the very files of nginx/ and, beside them, the stack's own small settings."""
import contextlib
import os
import shutil
import signal
import socket

from .place import TOP
from .proc import Daemon, StackError, wait_until


class Nginx(Daemon):
    stop_signal = signal.SIGQUIT
    stop_timeout = 10

    def __init__(self, stack, name, socket_path):
        super().__init__(stack, name)
        self.socket_path = socket_path
        self.port = self.place.port(name)
        self.access_log = self.place.path("log", name + "-access.log")
        self.settings = {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def configure(self, rate="10000r/s", burst=10000, networks=("127.0.0.1",), read_timeout="15s"):
        """Sets what a site sets for itself; takes effect at once if nginx runs."""
        wanted = {"rate": rate, "burst": burst, "networks": tuple(networks), "read_timeout": read_timeout}
        if wanted == self.settings and self.running:
            return
        self.settings = wanted
        self._write()
        if self.running:
            self.reload()

    def reload(self):
        before = set(self.children())
        self.kill(signal.SIGHUP)
        wait_until(lambda: set(self.children()) - before, what="nginx to reload")
        with contextlib.suppress(StackError):  # an old process with a request in hand stays, and accepts no other
            wait_until(lambda: not set(self.children()) & before, 2, "the old processes to end")

    def prepare(self):
        if self.settings:
            self._write()
        else:
            self.configure()

    def argv(self):
        return ["nginx", "-p", self.dir, "-c", os.path.join(self.dir, "nginx.conf"), "-e", self.log]

    def is_ready(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def check(self):
        """nginx -t; its output and whether it was content."""
        done = self.place.run([*self.argv(), "-t"], check=False)
        return done.returncode == 0, done.stdout

    def _write(self):
        write = self.place.write
        shipped = os.path.join(TOP, "nginx")
        os.makedirs(os.path.join(self.dir, "tmp"), exist_ok=True)
        self.place.give(self.dir)
        self.place.give(os.path.join(self.dir, "tmp"))
        shutil.copyfile(os.path.join(shipped, "farewell.conf"), os.path.join(self.dir, "farewell.conf"))
        self.place.give(os.path.join(self.dir, "farewell.conf"))
        self.stack.copy_tree(os.path.join(shipped, "farewell"), os.path.join(self.dir, "farewell"))
        s = self.settings
        write(os.path.join(self.dir, "nginx.conf"), f"""\
daemon off;
worker_processes 1;
pid {self.dir}/nginx.pid;
error_log stderr info;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {self.dir}/tmp/body;
    fastcgi_temp_path {self.dir}/tmp/fastcgi;
    proxy_temp_path {self.dir}/tmp/proxy;
    scgi_temp_path {self.dir}/tmp/scgi;
    uwsgi_temp_path {self.dir}/tmp/uwsgi;
    include farewell.conf;
}}
""")
        write(os.path.join(self.dir, "farewell", "http.conf"), f"""\
upstream farewell {{ server unix:{self.socket_path}; }}
limit_req_zone $binary_remote_addr zone=farewell:1m rate={s["rate"]};
""")
        write(os.path.join(self.dir, "farewell", "server.conf"), f"""\
listen 127.0.0.1:{self.port} default_server;
server_name _;
access_log {self.access_log} farewell;
limit_req zone=farewell burst={s["burst"]} nodelay;
fastcgi_read_timeout {s["read_timeout"]};
""")
        write(os.path.join(self.dir, "farewell", "networks.conf"),
              "".join(f"allow {n};\n" for n in s["networks"]) + "deny all;\n")
