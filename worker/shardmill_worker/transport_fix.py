"""One guarded repair of kombu 5.7.0's Redis transport.

When Redis restarts while one slot is busy and another idle, kombu touches a channel that is
closed already and the worker ends with an AttributeError.  Said as a ConnectionError, the same
event is an ordinary reconnect.
"""

from typing import Any

import redis
from kombu.transport import redis as transport


def install() -> None:
    """Make a closed channel answer with ``redis.ConnectionError``."""
    channel_class: Any = transport.Channel
    original = channel_class._get_pool  # noqa: SLF001

    def get_pool(channel: Any, asynchronous: bool = False) -> Any:
        if getattr(channel.connection, "client", None) is None:
            raise redis.ConnectionError("the channel is closed")
        return original(channel, asynchronous)

    channel_class._get_pool = get_pool  # noqa: SLF001
