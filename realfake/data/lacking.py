"""Clips without any value of a stream that a network looks at: how many of which part."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from realfake.data.samples import ClipSamples
from realfake.errors import UserError
from realfake.pages import counted
from realfake.streams.stream import StreamRows


def lacking(sets: Mapping[str, ClipSamples]) -> list[str]:
    """What has to be said of clips without a stream, a sentence each.

    Args:
        sets: Part → its samples.

    Raises:
        UserError: If no clip of a part has one.
    """
    found: dict[str, list[str]] = {}
    for part, samples in sets.items():
        for name in (info.name for info in samples.spec.numbers):
            number, every = int((~_known(samples.streams[name], samples.rows)).sum()), len(samples.rows)
            if number and number == every:
                raise UserError(
                    f"{name}: none of the {counted(every, f'{part} clip')} has it; expected it of some clips of each "
                    "part: look at the tables of these clips, or choose another split"
                )
            if number:
                found.setdefault(name, []).append(f"{number} of {counted(every, f'{part} clip')}")
    return [
        f"Without {name}: {', '.join(numbers)}. Of these nothing is seen there; what is said of them is a guess."
        for name, numbers in found.items()
    ]


def _known(stream: StreamRows, clips: np.ndarray) -> np.ndarray:
    """Whether clips have any value that is no gap (B,)."""
    spans = [slice(first, first + stream.stored[clip]) for clip, first in zip(clips, stream.first[clips], strict=True)]
    sound = np.ones(len(stream.times_sec), bool) if stream.quality is None else stream.quality > 0
    return np.array([sound[span].any() for span in spans], dtype=bool)
