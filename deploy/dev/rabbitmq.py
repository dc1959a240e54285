"""A private RabbitMQ node: own name, ports, cookie, folders and port mapper (epmd)."""

from __future__ import annotations

import secrets
import socket
import subprocess
import zlib
from pathlib import Path
from typing import Self

from deploy.dev.ports import answers
from deploy.dev.processes import Daemon, need
from deploy.dev.service import Service

SERVER_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin")


class RabbitMQ(Service):
    """One broker on 127.0.0.1; `create_vhost()` keeps tests out of each other's queues."""

    name = "rabbitmq"

    def __init__(self, state: Path | None = None, *, keep: bool = False) -> None:
        super().__init__(state, keep=keep)
        self.node = f"novalite{zlib.crc32(str(self.state).encode()):08x}@localhost"

    @property
    def url(self) -> str:
        """transport_url of the default vhost."""
        return self.vhost_url("")

    def vhost_url(self, vhost: str) -> str:
        """transport_url of a vhost."""
        return f"rabbit://guest:guest@127.0.0.1:{self.port('amqp')}/{vhost}"

    def start(self) -> Self:
        """Start epmd and the node; return when it speaks AMQP (about 5 s)."""
        self.prepare()
        if not (self.data / "home").exists():
            self._configure()
        epmd = self._epmd().start()
        epmd.wait_until("epmd", lambda: answers(self.port("epmd")), 10)
        server = self._server().start()
        server.wait_until("RabbitMQ", self._speaks, 90)
        return self

    def end(self) -> None:
        """Stop the node, then its epmd."""
        self._server().stop()
        self._epmd().stop()

    def restart(self) -> None:
        """An orderly restart on the same port with the same durable queues."""
        self._server().stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL the node, as a crash would; `start()` brings it back."""
        self._server().kill()

    @property
    def pids(self) -> list[int]:
        """The processes we started, for tests that look for left-overs."""
        return [pid for d in (self._server(), self._epmd()) if (pid := d.pid) is not None]

    def create_vhost(self, vhost: str | None = None) -> str:
        """Make a vhost (a new name when none is given); returns its transport_url."""
        vhost = vhost or f"t{secrets.token_hex(6)}"
        everything = ", ".join(['<<".*">>'] * 3)
        self.evaluate(
            f'rabbit_vhost:add(<<"{vhost}">>, <<"novalite">>), rabbit_auth_backend_internal:'
            f'set_permissions(<<"guest">>, <<"{vhost}">>, {everything}, <<"novalite">>).'
        )
        return self.vhost_url(vhost)

    def delete_vhost(self, url_or_name: str) -> None:
        """Remove a vhost with everything in it."""
        vhost = url_or_name.rpartition("/")[2]
        self.evaluate(f'rabbit_vhost:delete(<<"{vhost}">>, <<"novalite">>).')

    def evaluate(self, expression: str) -> str:
        """Run Erlang inside the node; 20 ms where rabbitmqctl takes seconds to start."""
        cookie = (self.data / "home" / ".erlang.cookie").read_text()
        done = subprocess.run(
            [need("erl_call", "erlang-base"), "-c", cookie, "-sname", self.node, "-e"],
            env=self._server().env,
            input=f"{expression}\n",
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode or not done.stdout.startswith("{ok"):
            raise RuntimeError(f"RabbitMQ refused {expression!r}: {done.stderr or done.stdout}")
        return done.stdout

    def _configure(self) -> None:
        (self.data / "home").mkdir(exist_ok=True)
        (self.data / "plugins").write_text("[].\n")
        (self.data / "env.conf").write_text("")
        (self.data / "rabbitmq.conf").write_text(
            "loopback_users = none\n"
            "vm_memory_high_watermark.absolute = 1GB\n"
            "disk_free_limit.absolute = 50MB\n"
            "collect_statistics_interval = 60000\n"
        )
        cookie = self.data / "home" / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)

    def _epmd(self) -> Daemon:
        port = str(self.port("epmd"))
        argv = [need("epmd", "erlang-base"), "-address", "127.0.0.1", "-port", port]
        return Daemon("epmd", self.state, argv)

    def _server(self) -> Daemon:
        data = self.data
        env = {
            "HOME": str(data / "home"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.port("epmd")),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port("amqp")),
            "RABBITMQ_DIST_PORT": str(self.port("dist")),
            "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(data / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(data / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(data / "rabbitmq.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2",
        }
        # Debian's wrapper in /usr/sbin changes user; the script it calls does not.
        program = need("rabbitmq-server", "rabbitmq-server", *SERVER_FOLDERS)
        return Daemon("rabbitmq", self.state, [program], env=env, stop_seconds=30)

    def _speaks(self) -> bool:
        """Whether the port answers with the first frame of AMQP 0-9-1."""
        try:
            with socket.create_connection(("127.0.0.1", self.port("amqp")), timeout=2) as link:
                link.sendall(b"AMQP\x00\x00\x09\x01")
                return link.recv(1) == b"\x01"
        except OSError:
            return False
