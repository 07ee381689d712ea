"""``docs/cli.md``: the help of every command, as the command line itself gives it."""

import click

from shardmill.cli.main import COMMANDS, shardmill
from source_tree import ROOT

PAGE = ROOT / "docs" / "cli.md"
WIDTH = 96
HEAD = """# The command line

What `shardmill COMMAND --help` says, written by `make docs`. Standard output is for results,
standard error for progress and messages; with `--json` a result is one JSON object.

Exit codes: 0 done, nothing failed · 3 done, some files failed (0 with `--allow-failures`) ·
4 paused or cancelled · 2 wrong usage · 1 anything else. Every setting of the environment is
`SHARDMILL_<NAME>`; `shardmill worker --help` lists them.
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD, _help("shardmill", shardmill)]
    with click.Context(shardmill, info_name="shardmill") as context:
        for name in COMMANDS:
            command = shardmill.get_command(context, name)
            assert command is not None
            parts.append(_help(f"shardmill {name}", command))
    return "\n".join(parts)


def _help(name: str, command: click.Command) -> str:
    settings = command.context_settings | {"help_option_names": ["-h", "--help"]}
    settings |= {"terminal_width": WIDTH, "max_content_width": WIDTH}
    with click.Context(command, info_name=name, **settings) as context:
        lines = (line.rstrip() for line in command.get_help(context).splitlines())
        return f"## {name}\n\n```text\n" + "\n".join(lines).strip() + "\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
