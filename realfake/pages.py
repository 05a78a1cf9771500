"""HTML pages that need nothing else: one base and one style, everything escaped, scripts and pictures inside.

``templates/base.html`` is the page, ``page.css`` its style, ``parts.html`` what pages have in common.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import re
import shlex
from pathlib import Path
from typing import Any

SYNTHETIC = "Synthetic faces: these figures say nothing about people."
"""Stands once on each page that shows figures on generated faces."""
TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: Any) -> str:
    """The HTML of a page; every text that came from a file, an override or a user is escaped.

    Args:
        template: File of ``templates/``.
        values: What it shows; a name that it uses and that is not here is an error.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False}
    environment.filters |= {"duration": duration, "picture": _picture}
    environment.globals |= {"source": _source, "digest": _digest, "asked": command_line}
    return environment.get_template(template).render(**values)


def command_line(name: str) -> str | None:
    """What was typed if this is the command ``realfake <name>``, quoted for a shell; ``None`` = it is not."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized() or HydraConfig.get().job.config_name != name:
        return None
    # Hydra's grammar wants some values in quotes, which the command adds where they are left out.
    words = [re.sub(r"'([\w./@+~=-]+)'", r"\1", word) for word in HydraConfig.get().overrides.task]
    return shlex.join(["realfake", name, *words])


def duration(seconds: float) -> str:
    """A time for a reader, e.g. ``2 h 05 min``."""
    if not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def counted(number: int, what: str) -> str:
    """A number of things in words, e.g. ``1 subject``, ``2,000 subjects``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def is_photograph(file: Path) -> bool:
    """Whether a picture shows crops rather than a plot."""
    return file.name.startswith("contact_")


def _source(*names: str) -> Any:
    """A style or a script as it stands; several as one."""
    from markupsafe import Markup

    return Markup("\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names))


def _digest(*names: str) -> str:
    """By which the browser knows a script: it runs this very one and no other, whatever a text on the page says."""
    return "sha256-" + base64.b64encode(hashlib.sha256(_source(*names).encode()).digest()).decode()


def _picture(file: Path) -> str:
    """A PNG file inside the page; photographs as JPEG, or the page would grow to many megabytes."""
    if not is_photograph(file):
        return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
    from PIL import Image

    out = io.BytesIO()
    Image.open(file).save(out, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
