"""What is done to the words of a command line before Hydra reads them, and the check of a whole sweep."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realfake.composing.catalogue import no_such_option, options
from realfake.errors import UserError, install, nearest

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

LARGEST_CHECK = 256
"""Combinations of group options that are composed before a sweep starts; in a larger sweep, a bad run fails alone."""

ALIASES = {"launcher.": "hydra.launcher.", "search.": "hydra.sweeper."}
"""Keys of the presets, and the nodes of Hydra's own configuration that they fill."""
KEYLESS = ("launcher", "search", "experiment", "debug")
"""Groups that leave no key of their own in a configuration."""
SEVERAL = ("logger", "signals", "auxiliary")
"""Groups of which several options may be chosen at once."""
_OPTIONS: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(
        ("--help", "--hydra-help", "--version", "--resolve", "--run", "--multirun", "--shell-completion"), ()
    ),
    "--cfg": ("job", "hydra", "all"),
    "--info": ("", "all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    **dict.fromkeys(("--package", "--config-path", "--config-name", "--config-dir", "--experimental-rerun"), None),
}
"""Options of Hydra's command line (https://hydra.cc/docs/1.3/advanced/hydra-command-line-flags/) → their values: none,
one of these (``""``: or none), or any."""
_SHORT = {
    "-h": "--help", "-r": "--run", "-m": "--multirun", "-sc": "--shell-completion", "-c": "--cfg", "-i": "--info",
    "-p": "--package", "-cp": "--config-path", "-cn": "--config-name", "-cd": "--config-dir",
}  # fmt: skip
_ROWS = ("a", "b", "systems")
"""Keys of ``realfake compare`` whose values may be overrides themselves, which Hydra's grammar wants quoted."""
_NO_IDENTITY = ("-", "sweep.", "hydra.", "launcher=", "launcher.", "search.", "plugins=")
"""What words begin with that say nothing of what a sweep computes; the content of plugins does, not their place."""
_EXCLUSIVE = {"--run", "--multirun", "--cfg", "--info", "--shell-completion"}
_EXTRAS = {
    "hydra_joblib_launcher": "joblib",
    "hydra_submitit_launcher": "slurm",
    "hydra_ray_launcher": "ray",
    "hydra_optuna_sweeper": "search",
}


def is_sweep(argv: list[str]) -> bool:
    """Whether the command line, as :func:`ordered` gives it, asks for several runs."""
    return "--multirun" in argv


def ordered(argv: list[str]) -> list[str]:
    """Put a command line's overrides first and its options last, as Hydra's parser wants them to be in one piece.

    Args:
        argv: Words in any order; options may be shortened as far as they stay clear.

    Returns:
        The overrides, then each option in one word and in full, e.g. ``--cfg=job``.

    Raises:
        UserError: On an option that is not known, lacks its value, or excludes another one.
    """
    overrides: list[str] = []
    options: list[str] = []
    chosen: dict[str, str] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        name, given, value = word.partition("=")
        name = _SHORT.get(name, name)
        matches = [name] if name in _OPTIONS else [o for o in _OPTIONS if name.startswith("--") and o.startswith(name)]
        if len(matches) != 1:
            hint = f"; did you mean {name.lstrip('-')}={value}?" if given else nearest(name, list(_OPTIONS))
            raise UserError(f"{word}: no such option{hint} (there are: {', '.join(_OPTIONS)})")
        option, allowed = matches[0], _OPTIONS[matches[0]]
        chosen[option] = word
        if allowed == () and given:
            raise UserError(f"{word}: expected {option} alone")
        if not given and allowed != () and words and (allowed is None or words[0] in allowed):
            given, value = "=", words.pop(0)
        if allowed != () and not (value if allowed is None else value in allowed):
            said = [word] if given or not words else [word, words[0]]
            wanted = "a value after it" if allowed is None else f"one of {', '.join(filter(None, allowed))}"
            raise UserError(f"{' '.join(said)}: expected {wanted}")
        options.append(option + given + value)
    if len(several := [word for option, word in chosen.items() if option in _EXCLUSIVE]) > 1:
        raise UserError(f"{' '.join(several)}: only one of these can be given")
    return [*overrides, *options]


def name_sweep(argv: list[str]) -> list[str]:
    """Give a sweep without a name one: a digest of its overrides, so that repeating the command finds it.

    The name travels as an override, since the jobs of a launcher do not share this process's command line. Where the
    runs are executed is no part of it: a sweep begun on one launcher goes on with another.

    Raises:
        UserError: If the name is given and leads out of ``multirun/``.
    """
    argv = [word for word in argv if word != "sweep.name=null"]
    if not is_sweep(argv):
        return argv
    for name in [word.partition("=")[2].strip("'\"") for word in argv if word.startswith("sweep.name=")]:
        if not name or name.startswith("/") or not {".", ".."}.isdisjoint(name.split("/")):
            raise UserError(f"sweep.name={name}: expected the name of a folder below multirun/")
        return argv
    words = sorted(a for a in argv if not a.startswith(_NO_IDENTITY))
    return ["sweep.name=sweep_" + hashlib.sha256("\n".join(words).encode()).hexdigest()[:12], *argv]


def rewrite(words: list[str], conf: Path, *, sweep: bool) -> list[str]:
    """Translate what Hydra would not understand, word by word.

    - ``experiment=thesis/*`` becomes the list of the experiments that it matches (Hydra's glob enters no folders);
    - ``precision=16`` names an option, although it looks like a number;
    - ``debug=null`` takes the group's option away, ``logger=null`` all of them (of :data:`SEVERAL`);
    - ``logger=[csv,csv]`` is refused, which Hydra takes for one;
    - ``launcher.x`` and ``search.x`` are keys of the presets, which lie in Hydra's own configuration;
    - ``a=approach=temporal`` names rows of a sweep by an override, which is a text in quotes.

    Args:
        words: The command line; options such as ``-m`` are left alone.
        conf: Folder of the config groups.
        sweep: Whether several experiments may come of a pattern.

    Raises:
        UserError: If a pattern matches nothing, or several experiments without ``-m``; if one of several options is
            named twice; or on ``hydra/launcher=``.
    """
    return [_rewrite(w, conf, sweep) if "=" in w and not w.startswith("-") else w for w in words]


def _rewrite(word: str, conf: Path, sweep: bool) -> str:
    key, _, value = word.partition("=")
    for short, full in ALIASES.items():
        if key.startswith(short):
            return full + word.removeprefix(short)
    for full, short in (("hydra/launcher", "launcher"), ("hydra/sweeper", "search")):
        if key == full:
            there = ", ".join(options(short, conf))
            raise UserError(f"{word}: chosen with {short}=… here (there are: {there})")
    if key in _ROWS:
        return f"{key}=" + re.sub(r"(?<![^\[,:{ ])[\w./@+~-]+=[^\s,\[\]{}'\"]+", r"'\g<0>'", value)
    group = key.partition("@")[0]
    if group == "experiment" and re.search(r"[*?]", value):
        return f"{key}={','.join(_experiments(value, conf / group, sweep))}"
    if group in SEVERAL and value == "null":
        return f"{key}=[]"  # several of its options may be chosen, or none
    if (conf / group).is_dir() and value == "null":
        return f"~{key}"
    if (
        value[:1] == "["
        and (conf / group.lstrip("+")).is_dir()
        and "null" in (v.strip() for v in value[1:-1].split(","))
    ):
        raise UserError(f"{word}: null is no option; {group}=null takes all away")
    if group.lstrip("+") in SEVERAL:
        for chosen in re.findall(r"\[([^\[\]]*)\]", value):
            names = [name.strip(" '\"") for name in chosen.split(",")]
            if twice := [name for name in names if names.count(name) > 1]:
                raise UserError(f"{word}: {twice[0]} twice; expected each once")
    if (conf / group).is_dir() and re.fullmatch(r"[\w.,+-]+", value):
        for name in value.split(","):
            if name.startswith("_"):
                raise UserError(no_such_option(group, name, conf))
        return f"{key}={','.join(_quoted_if_number(v) for v in value.split(','))}"
    return word


def _experiments(value: str, folder: Path, sweep: bool) -> list[str]:
    names: dict[str, None] = {}
    for pattern in value.split(","):
        found = [str(p.relative_to(folder).with_suffix("")) for p in sorted(folder.glob(f"{pattern}.yaml"))]
        if not found:
            raise UserError(f"experiment={pattern}: no experiment matches; realfake train --help lists them")
        names.update(dict.fromkeys(found))
    if len(names) > 1 and not sweep:
        raise UserError(f"experiment={value}: {len(names)} experiments are a sweep, which needs -m")
    return list(names)


def _quoted_if_number(value: str) -> str:
    return f"'{value}'" if re.fullmatch(r"[+-]?\d+(\.\d+)?|true|false", value, flags=re.IGNORECASE) else value


def combinations(overrides: list[Override], conf: Path) -> Iterator[list[str]]:
    """The runs of a sweep that are worth checking, as lists of overrides.

    All combinations of options of groups, since whether they go together is the question; and each further value
    (``seed=1,2,3``) once, beside the first of the others.
    """
    axes = {o.get_key_element(): _values(o) for o in overrides}
    groups = [key for key in axes if (conf / key.lstrip("+~").partition("@")[0]).is_dir()]
    first = {key: values[0] for key, values in axes.items()}
    for chosen in itertools.islice(itertools.product(*(axes[g] for g in groups)), LARGEST_CHECK):
        yield list((first | dict(zip(groups, chosen, strict=True))).values())
    for key in axes.keys() - set(groups):
        for value in axes[key][1:]:
            yield list((first | {key: value}).values())


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    key = override.get_key_element()
    if override.is_discrete_sweep():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    interval: Any = override.value()
    return [f"{key}={interval.start}", f"{key}={interval.end}"]


def check_plugin(choice: str, target: str) -> None:
    """Make sure that a launcher or sweeper can be imported.

    Args:
        choice: What was asked for, e.g. ``launcher=ray``.
        target: Its class.

    Raises:
        UserError: With the command that installs its package.
    """
    parts = target.split(".")
    if parts[0] != "hydra_plugins" or _installed(".".join(parts[:2])):
        return
    extra = _EXTRAS.get(parts[1])
    remedy = install(extra) if extra else f"pip install {parts[1].replace('_', '-')}"
    raise UserError(f"{choice}: {parts[1]} is not installed: {remedy}")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
