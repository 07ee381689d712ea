"""The ``shardmill`` command: its table of subcommands, and what errors become."""

import difflib
import gc
import importlib
import io
import os
import signal
import sys
from typing import Any, Final, NoReturn

import click

from shardmill.cli.terminal import say
from shardmill.contract.errors import ShardmillError, UsageError
from shardmill.contract.quantity import printable

USAGE: Final = 2
FAULT: Final = 1
STOPPED: Final = 4
"""Exit codes; 0 and 3 are the jobs' own."""

GARBAGE: Final = 100_000
"""Objects made before the next search for garbage: what is loaded is none, and searching it all
again and again would be a tenth of the time until a command begins."""

COMMANDS: Final = {
    "probe": ("jobs", "Tell what is in a directory, and what is broken."),
    "plan": ("plan", "Tell beforehand what a run would come to."),
    "run": ("jobs", "Turn a directory into shards, on this machine."),
    "submit": ("cluster", "Hand a directory to the cluster."),
    "worker": ("cluster", "Run a worker of the cluster on this machine."),
    "list": ("steering", "List the jobs at work."),
    "status": ("steering", "Tell how far a job is."),
    "watch": ("steering", "Tell how far a job is, until it ends."),
    "pause": ("steering", "Give out no more work of a job."),
    "resume": ("steering", "Go on with a paused job."),
    "cancel": ("steering", "End a job where it is."),
    "failures": ("mending", "List what failed, why, and what to do."),
    "retry": ("mending", "Try again what failed, and nothing else."),
    "report": ("report", "Write a page on what a job came to."),
    "query": ("query", "Ask the dataset in SQL."),
    "verify": ("results", "Prove that nothing is missing, doubled or damaged."),
    "clean": ("mending", "Remove what belongs to no committed batch."),
}
"""Subcommand to its module and its line of help: the help of all loads none of them."""


class Commands(click.Group):
    """Subcommands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"shardmill.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a subcommand, or suggest one."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else " See shardmill --help."
            ctx.fail(f"There is no command {printable(args[0])!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "\b\nBegin with:  shardmill run CLIPS --out SHARDS --size 160x120\n"
        'Completion:  eval "$(_SHARDMILL_COMPLETE=bash_source shardmill)"\n'
        "             in ~/.bashrc; zsh_source and fish_source for the others"
    ),
)
@click.version_option(package_name="shardmill", message="shardmill %(version)s")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
def shardmill(debug: bool) -> None:
    """Turn a directory of videos and images into training-ready frame shards."""


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    gc.set_threshold(GARBAGE)
    _let_everything_be_printed()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        result: Any = shardmill.main(standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        from shardmill.storage import scratch  # not needed for --help

        scratch.remove_own()
        say("shardmill: interrupted; the same command goes on", to_error=True)
        sys.exit(STOPPED)
    except ShardmillError as error:
        if "--debug" in sys.argv:
            raise
        say(f"shardmill: {error}", to_error=True)
        sys.exit(USAGE if isinstance(error, UsageError) else FAULT)
    except BrokenPipeError:
        # Whoever read the output has enough; Python must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAULT)
    except OSError as error:
        if error.filename is None or "--debug" in sys.argv:
            raise
        fault = f"cannot use {os.fsdecode(error.filename)}: {error.strerror}"
        say(f"shardmill: {fault}; mend that, then run the same command again", to_error=True)
        sys.exit(FAULT)
    sys.exit(result if isinstance(result, int) else 0)


def _show(error: click.ClickException) -> None:
    """Print wrong usage as click does, which shows what was given as it is."""
    printed = io.StringIO()
    error.show(file=printed)
    for line in printed.getvalue().splitlines():
        say(line, to_error=True)


def _let_everything_be_printed() -> None:
    """Escape what an output's encoding lacks, and print to nowhere where there is no output."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the command
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _interrupt(*_: object) -> NoReturn:
    """End in order, once: a second signal must not disturb the cleaning up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
