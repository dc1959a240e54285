"""The bus that transport_url names. oslo.messaging is imported only when a broker is used."""

from __future__ import annotations

from oslo_config import cfg

from novalite.errors import ConfigError
from novalite.rpc.bus import Bus
from novalite.rpc.local import LocalBus

BROKERS = ("rabbit", "kombu")
"""URL schemes that oslo.messaging's RabbitMQ driver answers to."""


def connect(conf: cfg.ConfigOpts) -> Bus:
    """A bus; no connection is opened yet. ConfigError for a transport_url nobody understands."""
    scheme = conf.transport_url.partition("://")[0].partition("+")[0]
    if scheme == "local":
        return LocalBus(max_pending=conf.rpc.max_pending)
    if scheme in BROKERS:
        from novalite.rpc.transport import RabbitBus

        return RabbitBus(conf)
    raise ConfigError(reason=f"[DEFAULT] transport_url: {scheme}:// is neither rabbit:// nor local://")
