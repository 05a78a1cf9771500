"""All figures that ``make bench`` wrote, as one JSON file and as a Markdown table like that of ``docs/benchmarks.md``.

python -m benchmarks.table
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

ALL = "all.json"


def collect(folder: Path) -> dict[str, dict[str, Any]]:
    """What each benchmark wrote to the folder, by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json")) if path.name != ALL}


def markdown(found: dict[str, dict[str, Any]]) -> str:
    """One row a figure, and the machines under it."""
    lines = ["| benchmark | what | figure | goal |", "|---|---|---|---|"]
    for name, figures in found.items():
        lines += [f"| `benchmarks.{name}` | {' | '.join(row)} |" for row in figures["rows"]]
    machines = {f"{m['processor']}, {m['cores']} cores, Python {m['python']}" for m in _machines(found)}
    loads = [m["load"] for m in _machines(found)]
    if loads:
        lines += ["", f"{'; '.join(sorted(machines))}; load {min(loads)} to {max(loads)}."]
    return "\n".join(lines)


def _machines(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [figures["machine"] for figures in found.values()]


def main() -> None:
    """Write the JSON file, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("outputs/benchmarks"))
    folder: Path = parser.parse_args().folder
    found = collect(folder)
    if not found:
        parser.exit(1, f"{folder}: no figures; run make bench, or a benchmark with --out {folder}/<name>.json\n")
    (folder / ALL).write_text(json.dumps(found, indent=2) + "\n")
    print(markdown(found))


if __name__ == "__main__":
    main()
