"""Command-line options that are fields of ``Spec``: each field is its own documentation."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar, get_args, get_type_hints

import click

from shardmill.contract.location.roots import STANDARD_INPUT, Inputs
from shardmill.contract.quantity import format_bytes, parse_bytes
from shardmill.contract.settings import PREFIX, Settings
from shardmill.contract.spec import Spec

Command = TypeVar("Command", bound=Callable[..., Any])

PROBE_ONLY: Final = frozenset({"count_frames", "check"})
LIMITS: Final = frozenset({"item_timeout_s", "item_memory_bytes"})
ANNOTATIONS: Final = frozenset(
    {"labels", "preset", "columns", "form", "classes", "keep_unannotated", "strict"}
)
INPUTS: Final = frozenset(
    {"include", "exclude", "hidden", "archives", "sequences", "fps_of", "dedup"}
)
PROBE_FIELDS: Final = PROBE_ONLY | LIMITS | ANNOTATIONS | INPUTS
"""The fields that matter when files are only probed."""
EXTRACT_FIELDS: Final = frozenset(f.name for f in dataclasses.fields(Spec)) - PROBE_ONLY
"""The fields that matter when frames are extracted."""


class Bytes(click.ParamType[int]):
    """A size such as 256MB."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the size."""
        if isinstance(value, int):
            return value
        try:
            return parse_bytes(value, option=param.opts[0] if param else "size")
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _option(field: Any, hint: Any) -> Callable[[Command], Command]:
    metadata = field.metadata
    names = [metadata["flag"], f"spec_{field.name}"]
    if hint is bool:
        return click.option(*names, is_flag=True, help=metadata["help"])
    settings: dict[str, Any] = {"help": metadata["help"], "default": field.default}
    if field.name.endswith("_bytes"):
        settings |= {"type": Bytes()}
        settings["help"] += f"  [default: {format_bytes(field.default)}]"
    elif tuple[str, ...] in {hint, *get_args(hint)}:
        default = (field.default,) if isinstance(field.default, str) else field.default
        settings |= {"type": str, "multiple": True, "default": default}
        settings["show_default"] = bool(default)
    else:
        choices = [c for c in get_args(hint) or (hint,) if c is not type(None)]
        is_literal = all(isinstance(c, str) for c in choices)
        settings |= {"type": click.Choice(choices) if is_literal else choices[0]}
        settings |= {"show_default": field.default is not None}
    if metadata["metavar"]:
        settings["metavar"] = metadata["metavar"]
    return click.option(*names, **settings)


def spec_options(names: frozenset[str]) -> Callable[[Command], Command]:
    """Add the options that are these fields of ``Spec``."""
    hints = get_type_hints(Spec)
    fields = [f for f in dataclasses.fields(Spec) if f.name in names]

    def add(command: Command) -> Command:
        for field in reversed(fields):
            command = _option(field, hints[field.name])(command)
        return command

    return add


def take_spec(options: dict[str, Any]) -> Spec:
    """Take the options of ``Spec`` out of a command's options.

    Raises:
        InvalidSpec: They contradict each other.
    """
    names = [name for name in options if name.startswith("spec_")]
    return Spec(**{name.removeprefix("spec_"): options.pop(name) for name in names})


def inputs_arguments(command: Command) -> Command:
    """Add the directories, and the list of what to take from them."""
    directories = click.argument(
        "directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=str)
    )
    listed = click.option(
        "--list",
        "list_file",
        metavar="FILE",
        help="take only the files whose paths it names, a line each; - for standard input",
    )
    return directories(listed(command))


prune_option = click.option(
    "--prune", is_flag=True, help="remove the rows of files that are gone, even if many are"
)
"""Whether rows of more than a tenth of the files may go."""


def take_inputs(options: dict[str, Any]) -> Inputs:
    """Take what says which files to take out of a command's options."""
    list_file = options.pop("list_file")
    if list_file not in (None, STANDARD_INPUT):
        list_file = local_path(list_file)
    directories = tuple(map(local_path, options.pop("directories")))
    return Inputs(directories, list_file, prune=options.pop("prune", False))


redis_option = click.option(
    "--redis", "redis_url", metavar="URL", help=f"the cluster  [{PREFIX}REDIS_URL]"
)
"""Where the cluster is."""


def settings_of(redis_url: str | None) -> Settings:
    """Return the settings of the environment, with another cluster if one is named."""
    settings = Settings.from_environment()
    return settings if redis_url is None else replace(settings, redis_url=redis_url)


def local_path(text: str) -> str:
    """Return a path as given, with ``~`` expanded."""
    return os.path.expanduser(text)
