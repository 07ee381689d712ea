"""A Redis that dies over a question to the workers is Redis away, and no traceback."""

from types import SimpleNamespace

import pytest
import redis
from kombu.exceptions import OperationalError
from kombu.transport import redis as transport

from shardmill.contract.errors import LedgerUnavailable
from shardmill.contract.settings import Settings
from shardmill.ledger import messages
from shardmill.ledger.application import application


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(redis.ConnectionError("closed by server"), id="redis-py says so"),
        pytest.param(OperationalError("closed by server"), id="kombu says so"),
    ],
)
def test_a_question_that_redis_loses_says_that_redis_is_away(fault):
    def broadcast(*arguments, **options):
        raise fault

    app = SimpleNamespace(control=SimpleNamespace(broadcast=broadcast))

    with pytest.raises(LedgerUnavailable, match="Redis takes no messages: closed by server"):
        messages.ask(app, "sees", {}, answers=1, patience_s=1.0)


def test_a_channel_that_was_closed_meanwhile_is_a_lost_connection():
    """kombu 5.7.0 ends whoever sends with an AttributeError; it then connects anew."""
    application(Settings(redis_url="redis://localhost")).close()

    with pytest.raises(redis.ConnectionError, match="the channel is closed"):
        transport.Channel._get_pool(SimpleNamespace(connection=None))
