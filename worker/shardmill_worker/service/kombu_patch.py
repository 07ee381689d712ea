"""Guarded repairs of kombu 5.7.0's Redis transport in a worker, besides ``closed_channel``.

When a queue holds something that is not JSON, the worker ends with a ValueError.  Said as an
empty queue, the message is dropped.

When Redis is full, taking a message is allowed but noting it is not, and the worker ends with
an OutOfMemoryError.  Said as one of connections, it tries again until there is room.  Crossing the
note out is refused too, and kombu would hold the slot for busy ever after: here it is freed.

What a worker tells of its connection (``inspect stats``, Flower) leaves the password out, but of a
socket the whole URL is the host.  Here that URL has no password.
"""

import logging
from queue import Empty
from typing import Any

import redis
from kombu import connection as connections
from kombu.transport import redis as transport
from kombu.utils.url import maybe_sanitize_url

from shardmill.ledger import closed_channel

log = logging.getLogger("shardmill.transport")


class NoMessage(Empty, ValueError):
    """What was in the queue is not JSON."""


def install() -> None:
    """Repair the transport of this process."""
    module: Any = transport
    original_loads = module.loads
    closed_channel.install()

    def loads(text: str) -> Any:
        try:
            return original_loads(text)
        except ValueError as error:
            log.warning("dropped a message that is not JSON: %.80r", text)
            raise NoMessage(str(error)) from error

    original_ack = module.QoS.ack

    def ack(qos: Any, delivery_tag: str) -> None:
        try:
            original_ack(qos, delivery_tag)
        except redis.OutOfMemoryError:
            log.warning("Redis is full: a message will come again")
            super(module.QoS, qos).ack(delivery_tag)

    connection_class: Any = connections.Connection
    original_info = connection_class.info

    def info(connection: Any) -> Any:
        shown = maybe_sanitize_url(connection.hostname)
        return original_info(connection) | {"hostname": shown}

    connection_class.info = info
    module.QoS.ack = ack
    transient = (*module.Transport.connection_errors, redis.OutOfMemoryError)
    module.Transport.connection_errors = transient
    module.loads = loads
