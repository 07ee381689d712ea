"""What most tests of whole jobs begin with."""

from collections.abc import Iterator

import pytest

from command_line import Shell, shell


@pytest.fixture
def home() -> Iterator[Shell]:
    """The command line of somebody without a cluster."""
    with shell() as home:
        yield home
