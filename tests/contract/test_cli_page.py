"""docs/cli.md says what the commands say."""

from cli_page import PAGE, page


def test_the_page_is_that_of_this_code():
    assert PAGE.read_text("utf-8") == page(), "make docs"
