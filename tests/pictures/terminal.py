"""A terminal that really runs a command, and what it shows as a page for a browser."""

import html
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from awaiting import wait_for

PROMPT = "$ "
THEME = TerminalTheme(
    (27, 30, 36),
    (220, 223, 228),
    [
        *((64, 69, 80), (224, 108, 117), (152, 195, 121), (229, 192, 123)),
        *((97, 175, 239), (198, 120, 221), (86, 182, 194), (220, 223, 228)),
    ],
)
STYLE = """
body { margin: 0; padding: 22px 26px; background: #1b1e24; color: #dcdfe4; width: max-content; }
pre { margin: 0; font: 15px/1.35 "DejaVu Sans Mono", "Liberation Mono", monospace; }
p { margin: 26px 0 8px; color: #8b93a1; font: 14px/1.35 sans-serif; }
p:first-child { margin-top: 0; }
"""


@dataclass(frozen=True)
class Terminal:
    """A shell in a tmux server of its own."""

    socket: Path
    place: Path

    def screen(self) -> str:
        """Return what is seen, with its colours as escape sequences."""
        return self.tmux("capture-pane", "-p", "-e", "-t", "0").rstrip()

    def watch(self, command: str, *, timeout_s: float) -> list[str]:
        """Type a command; return every screen until it has ended, the last one included."""
        ended = self.place / "ended"
        ended.unlink(missing_ok=True)
        self.tmux("send-keys", "-t", "0", command, "Enter")
        screens: list[str] = []

        def look() -> bool:
            screen = self.screen()
            if ended.exists() and screen.endswith(f"\n{PROMPT.strip()}"):
                return True
            if not screens or screens[-1] != screen:
                screens.append(screen)
            return False

        wait_for(look, command, timeout_s=timeout_s)
        return [*screens, self.screen().removesuffix(PROMPT.strip()).rstrip()]

    def tmux(self, *words: object) -> str:
        """Tell the server something; return its answer."""
        command = ["tmux", "-S", self.socket, "-f", "/dev/null", *words]
        done = subprocess.run(
            [*map(str, command)], check=True, capture_output=True, text=True, cwd=self.place
        )
        return done.stdout


@contextmanager
def terminal(place: Path, *, columns: int, rows: int) -> Iterator[Terminal]:
    """A terminal in a folder, in which ``shardmill`` is a command; gone at the end."""
    rc = place / "rc"
    program = f'{sys.executable} -m shardmill "$@"; code=$?; touch {place}/ended; return $code'
    rc.write_text(f"PS1='{PROMPT}'\nshardmill() {{ {program}; }}\n")
    here = Terminal(place / "tmux", place)
    here.tmux(
        *("new-session", "-d", "-x", columns, "-y", rows),
        f"env TERM=tmux-256color COLORTERM=truecolor bash --noprofile --rcfile {rc} -i",
    )
    try:
        wait_for(lambda: here.screen() == PROMPT.strip(), "a prompt")
        yield here
    finally:
        here.tmux("kill-server")


def page(*told: tuple[str, str]) -> str:
    """Return a page that shows screens, each under its caption."""
    parts = [
        f"<p>{html.escape(caption)}</p><pre>{_spans(screen)}</pre>" for caption, screen in told
    ]
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>' + "".join(parts)


def _spans(screen: str) -> str:
    console = Console(record=True, file=StringIO(), width=400, color_system="truecolor")
    console.print(Text.from_ansi(screen), soft_wrap=True)
    return console.export_html(theme=THEME, inline_styles=True, code_format="{code}")
