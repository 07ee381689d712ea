"""What the fields of a spec share: how one is declared, checked and shown."""

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from functools import partial
from numbers import Real
from typing import Any

import msgspec

from shardmill.contract.errors import InvalidSpec
from shardmill.contract.options.sampling import NS_PER_S


def option(
    default: Any, flag: str, text: str, *, metavar: str = "", decides_content: bool = True
) -> Any:
    """Return a field of ``Spec`` that is also a command-line option."""
    metadata = {
        "flag": flag,
        "help": text,
        "metavar": metavar,
        "decides_content": decides_content,
    }
    return field(default=default, metadata=metadata)


free_option = partial(option, decides_content=False)
"""An option that changes no byte of a shard."""


def check_one_of(spec: Any, *flags: str) -> None:
    """See that at most one of some options was given.

    Raises:
        InvalidSpec: Two were.
    """
    given = [
        f.metadata["flag"]
        for f in dataclasses.fields(spec)
        if f.metadata["flag"] in flags and getattr(spec, f.name) != f.default
    ]
    if len(given) > 1:
        raise InvalidSpec(f"give one of {', '.join(flags)}; got {' and '.join(given)}")


def check_range(flag: str, value: float | None, low: float, high: float | None) -> None:
    """See that an option's number is in its range, both ends included.

    Raises:
        InvalidSpec: It is not.
    """
    if value is not None and not (low <= value and (high is None or value <= high)):
        limits = f"in [{low:,}, {high:,}]" if high is not None else f"at least {low:,}"
        raise InvalidSpec(f"{flag} must be {limits}, got {value:,}")


def with_floats(spec: Any) -> None:
    """Make every number of a float's field a float, so that equal specs have equal keys."""
    for f in dataclasses.fields(spec):
        value = getattr(spec, f.name)
        if f.type in (float, float | None) and isinstance(value, Real):
            object.__setattr__(spec, f.name, float(value))


def times_ns(text: str) -> tuple[int, ...]:
    """Read seconds, separated by commas, as nanoseconds.

    Raises:
        InvalidSpec: They are none.
    """
    try:
        return tuple(round(Decimal(part) * NS_PER_S) for part in text.split(","))
    except (ArithmeticError, ValueError) as error:
        raise InvalidSpec(f"--at must be seconds, as in 0.5,2,10, got {text!r}") from error


def shown(value: object) -> str:
    """Return an option's value as messages show it."""
    if value in (None, (), False):
        return "unset"
    return ", ".join(value) if isinstance(value, tuple) else number_text(value)


def number_text(value: object) -> str:
    """Return a value in full, a whole number without its point: 29.97003, 10."""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def command_words(spec: Any) -> list[str]:
    """Return the command line's options that give a spec."""
    words: list[str] = []
    for f in dataclasses.fields(spec):
        value, flag = getattr(spec, f.name), f.metadata["flag"]
        if value == f.default:
            continue
        if value is True:
            words.append(flag)
        else:
            values = value if isinstance(value, tuple) else (value,)
            words += [word for each in values for word in (flag, number_text(each))]
    return words


def differences(spec: Any, there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return one phrase an option of a spec that has another value there than here."""
    return [
        f"{f.metadata['flag']} {shown(there[f.name])} there, {shown(here[f.name])} here"
        for f in dataclasses.fields(spec)
        if f.name in there and there[f.name] != here[f.name]
    ]


def decoded(kind: type, values: Mapping[str, Any]) -> Any:
    """Return the spec of plain JSON values.

    Raises:
        InvalidSpec: A field is unknown or its value impossible.
    """
    unknown = set(values) - {f.name for f in dataclasses.fields(kind)}
    if unknown:
        raise InvalidSpec(
            f"expected a spec of this version, found unknown fields {sorted(unknown)}: "
            "upgrade shardmill"
        )
    try:
        spec = kind(**with_tuples(values))
        msgspec.convert(values, kind)  # checks the types, which a dataclass does not
    except (TypeError, msgspec.ValidationError) as error:
        raise InvalidSpec(f"expected a spec's plain values, found {error}") from error
    return spec


def with_lists(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with tuples as lists, as JSON knows them."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with lists as tuples, which do not change."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
