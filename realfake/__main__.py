"""``realfake <command> …``: the commands under one word; each is ``python -m realfake.<command> …``."""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path

from realfake import __version__
from realfake.errors import nearest

COMPLETION = """\
_realfake() {
    COMPREPLY=($(compgen -W "$(COMP_LINE=$COMP_LINE realfake -sc query=bash)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _realfake realfake"""
"""What a shell learns; Hydra's own script knows neither words before the overrides nor ``python -m``."""


def commands() -> dict[str, tuple[str, str]]:
    """Each command → its arguments and what it does, from the first line of its file; none of them is imported."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if match := re.match(rf"``realfake {path.stem} (.+?)``: (.+)", text):
            found[path.stem] = (match[1], match[2])
    return found


def main() -> None:
    """Say what there is, or become the command: whatever it starts and writes is as if it had been named in full."""
    known = commands()
    word, *words = sys.argv[1:] or ["--help"]
    if word in known:
        start(word, words)
    elif word in ("-h", "--help"):
        print("realfake <command> [group=option …] [key=value …]\n")
        for command, (arguments, what) in known.items():
            print(f"  {f'{command} {arguments}':31}{what}")
        print("\nrealfake <command> --help lists its groups and keys; realfake --version says which one this is.")
    elif word == "--version":
        print(f"realfake {__version__}")
    elif word in ("-sc", "--shell-completion"):
        complete(words, list(known))
    else:
        sys.exit(f"error: {word}: no such command{nearest(word, list(known))} (there are: {', '.join(known)})")


def complete(words: list[str], known: list[str]) -> None:
    """Answer a shell: how it is to ask, or what may stand at the end of its line; a command knows its own words."""
    if words == ["install=bash"]:
        print(COMPLETION)
        return
    if words != ["query=bash"]:
        sys.exit(f"error: -sc {' '.join(words)}: expected install=bash")
    _, _, line = os.environ.get("COMP_LINE", "").lstrip().partition(" ")
    command, space, _ = line.lstrip().partition(" ")
    if not space:
        print(*known)
    elif command in known:
        os.environ["COMP_LINE"] = line
        start(command, ["-sc", *words])


def start(command: str, words: list[str]) -> None:
    """Let the command take the place of this process, whose number and streams it keeps."""
    os.execv(sys.executable, [sys.executable, "-m", f"realfake.{command}", *words])


if __name__ == "__main__":
    main()
