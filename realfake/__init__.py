"""realfake: experiments on telling genuinely felt from posed emotions in faces."""

from __future__ import annotations

__version__ = "0.1.0"
