"""A Redis that dies over a question to the workers is Redis away, and no traceback."""

from types import SimpleNamespace

import pytest
import redis
from kombu.exceptions import OperationalError

from shardmill.contract.errors import LedgerUnavailable
from shardmill.ledger import messages


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
