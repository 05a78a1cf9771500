"""Frames that count, among others that only fill samples up."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def of_kept(net: Callable[[Tensor], Tensor], frames: Tensor, kept: Tensor, *, training: bool) -> Tensor:
    """What a network makes of frames (n, …), of which some are kept, bool (n,); what it makes of others means nothing.

    In training it sees none but these, so that no statistics of batch norm are taken of others.
    """
    if not training or kept.all() or not kept.any():
        return net(frames)
    found = net(frames[kept])
    return found.new_zeros(len(frames), *found.shape[1:]).index_put((kept.nonzero()[:, 0],), found)
