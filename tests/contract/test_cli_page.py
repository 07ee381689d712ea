"""docs/cli.md says what the commands say."""

import subprocess
import sys

from cli_page import PAGE
from source_tree import ROOT


def test_the_page_is_that_of_this_code():
    """In a process of its own: a command remembers the help of its first caller."""
    program = "import sys, cli_page; sys.stdout.buffer.write(cli_page.page().encode())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "tests", stdout=subprocess.PIPE, check=True
    )

    assert PAGE.read_text("utf-8") == done.stdout.decode(), "make docs"
