"""What ``--help`` says: the config groups of a command and what it comes to, in the words of ``conf/``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
from omegaconf import OmegaConf

from realfake.composing.catalogue import conf_dir, groups, options, package_of, text_of
from realfake.composing.composition import parsed


def help_text(config_name: str, argv: list[str]) -> str:
    """What ``--help`` says below the command's own line: its groups with their options, and what the line comes to.

    All words are the comments of ``conf/``. Hydra would ask five times for the options of every group.

    Args:
        config_name: File of ``conf/`` without its ending.
        argv: The words after the command.
    """
    words, flags = parsed(argv)
    config_name = flags.get("--config-name", config_name)
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = hydra.compose(config_name, words, return_hydra_config=True)
        choices = {g: option for g, option in cfg.hydra.runtime.choices.items() if not g.startswith("hydra/")}
        OmegaConf.set_struct(cfg, False)
        del cfg["hydra"]
    folders = [conf_dir(), *([Path(flags["--config-dir"])] if "--config-dir" in flags else [])]
    said = group_words(config_name)
    there: dict[str, set[str]] = {}
    for folder in folders:
        for group in groups(folder):
            if any(f"{group}/".startswith(f"{name}/") for name in (*choices, *said)) and "/_" not in group:
                there.setdefault(group, set()).update(options(group, folder))
    lines = [
        f"{g}: {', '.join(sorted(o))}{f'  # {said[g]}' if g in said else ''}\n" for g, o in sorted(there.items()) if o
    ]
    values = _commented(OmegaConf.to_yaml(cfg, resolve="--resolve" in flags), _comments(config_name, choices, folders))
    return (
        "== Configuration groups ==\nCompose your configuration from those groups (group=option)\n\n"
        f"{''.join(lines)}\n\n== Config ==\nOverride anything in the config (foo.bar=value)\n\n"
        f"{values}\n\n"
        f"realfake {config_name} --cfg job … shows what a command line comes to; --hydra-help, Hydra's own options.\n"
    )


def group_words(config_name: str) -> dict[str, str]:
    """What each config group of a command is, as the defaults of its file say it."""
    text = (conf_dir() / f"{config_name}.yaml").read_text(encoding="utf-8")
    return dict(re.findall(r"^  - ([\w/]+): .*?\s# (.+)$", text, re.MULTILINE))


def _comments(config_name: str, choices: dict[str, Any], folders: list[Path]) -> dict[str, str]:
    """Dotted key → the comment behind it in the command's file, in the chosen options, and in what these inherit."""
    found: dict[str, str] = {}
    for folder in folders:
        texts = [("", text_of("", config_name, folder) or "")]
        for group, option in choices.items():
            inherited = sorted(path.stem for path in (folder / group).glob("_*.yaml"))
            for name in (*inherited, *(option if isinstance(option, list) else [option])):
                text = text_of(group, name, folder) or ""
                package = package_of(group, text)
                texts.append(("" if package == "_global_" else f"{package}.", text))
        for place, text in texts:
            found |= {place + key: words for key, _, words in _keys(text) if words}
    return found


def _keys(text: str) -> Iterator[tuple[str, str, str]]:
    """Each line of a YAML text: its dotted key, the line without its comment, the comment; both may be empty."""
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = re.fullmatch(r"(\s*)([\w.]+):(?:\s.*?)?(?:\s+#\s+(.*))?", line)
        if match is None:
            yield "", line, ""
            continue
        above = [*((indent, key) for indent, key in above if indent < len(match[1])), (len(match[1]), match[2])]
        yield ".".join(key for _, key in above), line, match[3] or ""


def _commented(text: str, comments: dict[str, str]) -> str:
    """A YAML text with comments behind the keys that have one."""
    return "\n".join(f"{line:<32}  # {comments[key]}" if key in comments else line for key, line, _ in _keys(text))
