"""A private RabbitMQ node with an epmd of its own."""
import contextlib
import logging
import os
import socket
import threading

import pika
import pika.exceptions

from .proc import PATIENCE, Daemon, wait_until

logging.getLogger("pika").setLevel(logging.CRITICAL)  # it warns of every queue that is not there

USER, PASSWORD = "farewell", "battery staple"
PROGRAMS = "/usr/lib/rabbitmq/bin"  # these run as any user; those in /usr/sbin insist on the system's


class Epmd(Daemon):
    """Erlang's port mapper: started by us, or RabbitMQ leaves one behind."""

    def __init__(self, stack):
        super().__init__(stack, "epmd")
        self.port = self.place.port("epmd")

    def argv(self):
        return ["epmd", "-port", str(self.port), "-address", "127.0.0.1"]

    def is_ready(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0


class Rabbit(Daemon):
    def __init__(self, stack):
        super().__init__(stack, "rabbitmq")
        self.epmd = Epmd(stack)
        self.port = self.place.port("rabbitmq")
        self.kept = threading.local()
        self.node = f"farewell-{self.place.name}-{self.port}@localhost"

    def prepare(self):
        self.epmd.start()
        os.makedirs(self.dir, exist_ok=True)
        self.place.give(self.dir)
        self.place.write(os.path.join(self.dir, "rabbitmq.conf"), f"""\
listeners.tcp.1 = 127.0.0.1:{self.port}
loopback_users = none
default_user = {USER}
default_pass = {PASSWORD}
log.console = true
max_message_size = 134217728
log.console.level = info
log.file = false
""")
        # What it dead-letters while a queue is still on its way up after a restart, it sends again after three minutes by default.
        self.place.write(os.path.join(self.dir, "advanced.config"), "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}].\n")
        self.place.write(os.path.join(self.dir, "enabled_plugins"), "[].\n")

    def argv(self):
        return [f"{PROGRAMS}/rabbitmq-server"]

    def common_env(self):
        return {"HOME": self.dir, "RABBITMQ_NODENAME": self.node, "ERL_EPMD_PORT": str(self.epmd.port),
                "ERL_EPMD_ADDRESS": "127.0.0.1"}

    def env(self):
        return {
            **self.common_env(),
            "RABBITMQ_MNESIA_BASE": os.path.join(self.dir, "mnesia"),
            "RABBITMQ_LOG_BASE": os.path.join(self.dir, "log"),
            "RABBITMQ_CONFIG_FILE": os.path.join(self.dir, "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": os.path.join(self.dir, "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": os.path.join(self.dir, "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(self.dir, "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(self.place.port("rabbitmq-dist")),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the script become the server instead of its parent
        }

    def is_ready(self):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        try:
            self.connect().close()
        except (pika.exceptions.AMQPError, OSError):
            return False
        return True

    def stop(self, timeout=None):
        super().stop(timeout)
        self.epmd.stop()

    def ctl(self, *args, check=True):
        """Runs rabbitmqctl (2 s) and returns what it printed."""
        return self.place.run([f"{PROGRAMS}/rabbitmqctl", "--quiet", *args], env=self.common_env(), check=check).stdout

    def evaluate(self, erlang):
        """Evaluates it in the node, which takes a twentieth of what rabbitmqctl takes; what was printed."""
        return self.place.run(["erl_call", "-sname", self.node, "-c", self.cookie(), "-fetch_stdout", "-no_result_term", "-e"],
                              env=self.common_env(), stdin_text=erlang + "\n").stdout

    def cookie(self):
        with open(os.path.join(self.dir, ".erlang.cookie"), encoding="ascii") as f:
            return f.read()

    @property
    def url(self):
        """Without the password, as Farewell's setting has it."""
        return f"amqp://{USER}@127.0.0.1:{self.port}/%2f"

    def connect(self):
        """A pika BlockingConnection."""
        return pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.port, "/", pika.PlainCredentials(USER, PASSWORD), heartbeat=0,
            socket_timeout=10, blocked_connection_timeout=30))

    @contextlib.contextmanager
    def channel(self):
        """A pika channel, closed afterwards: what it took and did not acknowledge goes back. Its connection is kept for this thread's next
        one: a test asks a hundred times whether something is so yet."""
        kept = self.kept.__dict__
        connection = None if self.paused else kept.pop("connection", None)      # which would wait for ever
        try:
            channel = (connection or self.connect()).channel()
        except (pika.exceptions.AMQPError, OSError):
            if connection is None:
                raise
            channel = self.connect().channel()      # the broker has ended the one that was kept
        try:
            yield channel
            if channel.is_open:
                channel.close()
            kept["connection"] = channel.connection
        finally:
            if "connection" not in kept:
                with contextlib.suppress(pika.exceptions.AMQPError, OSError):
                    channel.connection.close()

    def queue(self, name):
        """(messages ready, consumers) of a queue, or None if there is none. An unacknowledged message is not counted."""
        with self.channel() as channel:
            try:
                ok = channel.queue_declare(name, passive=True).method
            except pika.exceptions.ChannelClosedByBroker:
                return None
            return ok.message_count, ok.consumer_count

    def queues(self):
        """Every queue with all its messages, also the unacknowledged and those kept back: {name: count}."""
        text = self.evaluate('[io:format("~s\\t~p~n", [element(4, proplists:get_value(name, Q)), proplists:get_value(messages, Q)])'
                             ' || Q <- rabbit_amqqueue:info_all(<<"/">>, [name, messages])].')
        rows = (line.split("\t") for line in text.splitlines())
        return {name: int(count) for name, count in rows if count.isdigit()}  # one that is away has no count

    def wait_queue(self, name, timeout=PATIENCE):
        wait_until(lambda: self.queue(name), timeout, f"queue {name} to exist")
