"""What a user names as input: files by path, folder or pattern, each an image or a video."""

from __future__ import annotations

import glob
import logging
from pathlib import Path

from realfake.data.sources import listing as files
from realfake.errors import UserError

log = logging.getLogger(__name__)

MEDIA = (*files.IMAGE_ENDINGS, *files.VIDEO_ENDINGS)


def find_all(given: str | list[str]) -> list[Path]:
    """Files that a user names, as :func:`find_inputs` finds them, each once."""
    texts = [given] if isinstance(given, str) else given
    return list(dict.fromkeys(path for text in texts for path in find_inputs(text)))


def find_inputs(text: str) -> list[Path]:
    """Files that a user names.

    Args:
        text: Path of a file, of a folder (searched with all folders below it), or a pattern with ``*``, ``?``, ``**``.

    Returns:
        Sorted, at least one. Of folders and patterns only images and videos by their ending; a file that is named
        itself is taken as it is.

    Raises:
        UserError: If there is none.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        names, problems = files.list_files(path)
        found = [path / name for name in names if is_media(Path(name))]
        left_out = files.unread(names)
        if not found and any(problem.path == "." for problem in problems):
            raise UserError(f"input={text}: {problems[0].reason}; expected a folder that you may read")
        for problem in problems:
            log.warning("input=%s: %s: %s", text, problem.path, problem.reason)
        if not found:
            more = f" ({left_out} are not read)" if left_out else ""
            raise UserError(f"input={text}: no image or video in this folder{more}; known endings: {', '.join(MEDIA)}")
        if left_out:
            log.warning("input=%s: %s are not read; known endings: %s", text, left_out, ", ".join(MEDIA))
        return found
    if path.exists():
        return [path]
    if glob.has_magic(text):
        matches = sorted(Path(p) for p in glob.glob(str(path), recursive=True))  # noqa: PTH207 - of any folder
        found = [p for p in matches if p.is_file() and is_media(p)]
        if not found:
            raise UserError(f"input={text}: no image or video fits this pattern ({len(matches)} other files do)")
        return found
    raise UserError(f"input={text}: no such file or folder{files.did_you_mean_path(path)}")


def ending(path: Path) -> str:
    """Ending of a file in lower case, ``.jpg``."""
    return files.split_ending(path.name)[1]


def is_media(path: Path) -> bool:
    """Whether a file is an image or a video by its ending."""
    return ending(path) in MEDIA


def is_image(path: Path) -> bool:
    """Whether a file is an image by its ending; everything else is tried as a video."""
    return ending(path) in files.IMAGE_ENDINGS
