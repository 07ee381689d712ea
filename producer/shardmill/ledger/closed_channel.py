"""A guarded repair of kombu 5.7.0's Redis transport, for all that sends or takes messages.

When Redis restarts, kombu may touch a channel that is closed already, and ends its caller with an
AttributeError.  Said as a ConnectionError, the same event is an ordinary reconnect.
"""

from typing import Any

import redis
from kombu.transport import redis as transport


def install() -> None:
    """Repair the transport of this process; a second time does nothing."""
    channel_class: Any = transport.Channel
    original = channel_class._get_pool  # noqa: SLF001
    if hasattr(original, "repairs"):
        return

    def get_pool(channel: Any, asynchronous: bool = False) -> Any:
        if getattr(channel.connection, "client", None) is None:
            raise redis.ConnectionError("the channel is closed")
        return original(channel, asynchronous)

    get_pool.repairs = original  # type: ignore[attr-defined]
    channel_class._get_pool = get_pool  # noqa: SLF001
