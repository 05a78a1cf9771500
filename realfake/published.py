"""Files that others publish, such as weights: where they lie on this machine, downloaded once, checksums compared."""

from __future__ import annotations

import hashlib
import os
import socket
import urllib.error
from pathlib import Path

from realfake.errors import UserError


def published_folder() -> Path:
    """The folder of published files, which is that of torch: ``$TORCH_HOME/hub/checkpoints``."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "torch"
    return Path(os.environ.get("TORCH_HOME", cache)).expanduser() / "hub" / "checkpoints"


def file_digest(path: Path) -> str:
    """The sha256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def obtain(url: str, sha256: str | None, *, timeout_sec: float, source: str | None = None) -> Path:
    """Return the path of a published file in :func:`published_folder`, after downloading it if it is not there.

    Args:
        url: Of the file.
        sha256: Its checksum, or the first digits of it; ``None`` = none was published.
        timeout_sec: How long the network may be silent.
        source: Where a person gets it; ``None`` = the ``url``.

    Raises:
        UserError: If it cannot be downloaded, with what to do by hand; if its checksum is not the published one.
    """
    folder = published_folder()
    path = folder / url.rsplit("/", 1)[-1]
    if path.is_file():
        if sha256 and not file_digest(path).startswith(sha256):
            raise UserError(f"{path}: its sha256 does not begin with {sha256}; delete it and try again")
        return path
    # Here, since it takes seconds that only a download is worth.
    from torch.hub import download_url_to_file

    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout_sec)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(path), hash_prefix=sha256)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"{path.name} cannot be downloaded ({reason}); get it from {source or url} on a machine with a network and "
            f"put it into {folder}"
        ) from None
    except RuntimeError:
        raise UserError(f"{url}: what came is not the published file (sha256 {sha256}…); try again") from None
    finally:
        socket.setdefaulttimeout(timeout)
    return path
