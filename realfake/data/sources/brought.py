"""A dataset of a layout that a plugin reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from realfake.config import Dataset
from realfake.data.clips import Listing
from realfake.data.sources.listing import finish, join_respelt, require_root, respelt_subjects
from realfake.errors import UserError


class Brought:
    """Checks and completes what a plugin lists.

    Args:
        data: The dataset's options, which list it.
    """

    def __init__(self, data: Dataset) -> None:
        self.data, self.name = data, data.name
        self._layout = (type(data).__doc__ or "what its plugin reads").strip().partition("\n")[0]
        self.root = str(require_root(data.root, self._layout))

    def listing(self) -> Listing:
        """Its clips, sorted by name, one name for all spellings of a person.

        Raises:
            UserError: If there is none, or one has a label that does not exist.
        """
        found = self.data.listing()
        if not isinstance(found, Listing):
            raise UserError(f"data={self.name}: its listing gives a {type(found).__name__}; expected a Listing")
        for clip in found.clips:
            if not -1 <= clip.emotion < len(found.emotions) or clip.authenticity not in (-1, 0, 1):
                raise UserError(
                    f"data={self.name}: {clip.path} has emotion {clip.emotion}, authenticity {clip.authenticity}; "
                    f"expected an emotion from 0 to {len(found.emotions) - 1}, 0 = fake, 1 = real, -1 = not known"
                )
        people = respelt_subjects({clip.subject for clip in found.clips}, "spellings")
        complete = finish(join_respelt(found.clips), [*found.problems, *people], Path(self.root), self._layout)
        return replace(complete, columns=found.columns, emotions=found.emotions)
