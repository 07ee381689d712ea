"""Four guarded repairs of kombu 5.7.0's Redis transport.

When Redis restarts while one slot is busy and another idle, kombu touches a channel that is
closed already and the worker ends with an AttributeError.  Said as a ConnectionError, the same
event is an ordinary reconnect.

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

log = logging.getLogger("shardmill.transport")


class NoMessage(Empty, ValueError):
    """What was in the queue is not JSON."""


def install() -> None:
    """Repair the transport of this process."""
    module: Any = transport
    original_get_pool, original_loads = module.Channel._get_pool, module.loads  # noqa: SLF001

    def get_pool(channel: Any, asynchronous: bool = False) -> Any:
        if getattr(channel.connection, "client", None) is None:
            raise redis.ConnectionError("the channel is closed")
        return original_get_pool(channel, asynchronous)

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
    module.Channel._get_pool = get_pool  # noqa: SLF001
    transient = (*module.Transport.connection_errors, redis.OutOfMemoryError)
    module.Transport.connection_errors = transient
    module.loads = loads
