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
    if word in ("-sc", "--shell-completion"):
        line = os.environ.get("COMP_LINE", "").split(maxsplit=1)
        verb, space, _ = line[-1].partition(" ") if len(line) == 2 else ("", "", "")
        if words != ["query=bash"]:
            print(COMPLETION)
        elif not space:
            print(*known)
        elif verb in known:
            os.environ["COMP_LINE"] = line[-1]
            start(verb, [word, *words])
    elif word in ("-h", "--help"):
        print("realfake <command> [group=option …] [key=value …]\n")
        for verb, (arguments, what) in known.items():
            print(f"  {f'{verb} {arguments}':26}{what}")
        print("\nrealfake <command> --help lists its groups and keys; realfake --version says which one this is.")
    elif word == "--version":
        print(f"realfake {__version__}")
    elif word in known:
        start(word, words)
    else:
        sys.exit(f"error: {word}: no such command{nearest(word, list(known))} (there are: {', '.join(known)})")


def start(command: str, words: list[str]) -> None:
    """Let the command take the place of this process, whose number and streams it keeps."""
    os.execv(sys.executable, [sys.executable, "-m", f"realfake.{command}", *words])


if __name__ == "__main__":
    main()
