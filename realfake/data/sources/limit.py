"""A small, even part of a dataset for a quick look."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence

from realfake.data.clips import Clip


def limit_clips(clips: Sequence[Clip], count: int | None) -> tuple[Clip, ...]:
    """Choose ``count`` clips evenly over official parts and classes, then over subjects, in the given order.

    Turn by turn each class gives one clip, of the subject that has given the fewest so far. The same clips always
    give the same choice; ``None``, or at least as many as there are, keeps all.
    """
    if count is None or count >= len(clips):
        return tuple(clips)
    waiting: dict[tuple[str, int, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, clip in enumerate(clips):
        waiting[clip.part, clip.authenticity, clip.emotion][clip.subject or f"\0{clip.clip}"].append(i)
    taken: dict[str, int] = defaultdict(int)
    # A subject's count in a heap is out of date once another class took from it; it is put back when it comes up.
    heaps = {label: [(0, s) for s in sorted(subjects)] for label, subjects in sorted(waiting.items())}
    chosen: list[int] = []
    while len(chosen) < count:
        for label, heap in heaps.items():
            while heap and heap[0][0] != taken[heap[0][1]]:
                subject = heap[0][1]
                heapq.heapreplace(heap, (taken[subject], subject))
            if not heap or len(chosen) == count:
                continue
            subject = heapq.heappop(heap)[1]
            rest = waiting[label][subject]
            chosen.append(rest.pop(0))
            taken[subject] += 1
            if rest:
                heapq.heappush(heap, (taken[subject], subject))
    return tuple(clips[i] for i in sorted(chosen))
