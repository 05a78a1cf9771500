"""What an epoch leaves behind: kept on the device, put together over all processes, no sample counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torchmetrics import Metric

from realfake.data.batch import Batch


class EpochMeans(Metric):
    """Means over samples of several quantities, without waiting for the device in a step.

    Args:
        names: Of the quantities.
    """

    full_state_update = False

    def __init__(self, names: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = tuple(names)
        self.sums: torch.Tensor
        self.counts: torch.Tensor
        self.add_state("sums", torch.zeros(len(names), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(len(names), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, values: Sequence[torch.Tensor], counts: Sequence[torch.Tensor]) -> None:
        """Take in the mean of each quantity over a batch, and over how many samples it was taken.

        Args:
            values: Scalars, or one value a batch (batches,).
            counts: The same shapes.
        """
        number = torch.stack([c.to(torch.float64) for c in counts])
        mean = torch.stack([v.detach().to(torch.float64) for v in values])
        self.sums += torch.where(number > 0, mean * number, 0.0).view(len(self.names), -1).sum(1)
        self.counts += number.view(len(self.names), -1).sum(1)

    def compute(self) -> torch.Tensor:
        """Means, (len(names),); NaN where nothing was seen."""
        return self.sums / self.counts


class SampleRecord(Metric):
    """What an epoch keeps of every sample, one row each."""

    full_state_update = False
    fields: tuple[str, ...] = ("sample",)
    """What is kept; samples that share the first are one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in self.fields:
            self.add_state(name, [], dist_reduce_fx="cat")

    def keep(self, batch: Batch, **values: torch.Tensor) -> None:
        """Take in a batch: fields of the batch, and ``values`` (B, …), which become float32."""
        for name in self.fields:
            kept = values[name].detach().float() if name in values else batch[name]  # type: ignore[literal-required]
            getattr(self, name).append(kept)

    def compute(self) -> dict[str, np.ndarray]:
        """All fields, one row a sample, sorted by sample; the first of equal samples is kept.

        Arrays, since torchmetrics makes a scalar of whatever tensor has one element.
        """
        stacked = {name: _cat(getattr(self, name)).cpu() for name in self.fields}
        sample = stacked["sample"]
        order = torch.argsort(sample, stable=True)
        ordered = sample[order]
        first = torch.ones_like(ordered, dtype=torch.bool)
        first[1:] = ordered[1:] != ordered[:-1]
        return {name: value[order[first]].numpy() for name, value in stacked.items()}


class EpochRecord(SampleRecord):
    """Every sample's labels, probabilities and losses, for metrics that are no sums."""

    fields = ("sample", "clip", "emotion", "authenticity", "probabilities", "losses")

    def update(self, batch: Batch, probabilities: torch.Tensor, losses: torch.Tensor) -> None:
        """Take in a batch.

        Args:
            batch: Its labels and identities.
            probabilities: (B, K) of all tasks side by side.
            losses: (B, tasks and auxiliary terms), NaN where a sample has no label of the task; of terms what they take
                from a sample.
        """
        self.keep(batch, probabilities=probabilities, losses=losses)


class FeatureRecord(SampleRecord):
    """Every training sample's labels and features, for what is fitted on them."""

    fields = ("sample", "clip", "emotion", "authenticity", "pair", "features")

    def update(self, batch: Batch, features: torch.Tensor) -> None:
        """Take in a batch and its features (B, F)."""
        self.keep(batch, features=features)


def _cat(value: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(value) if isinstance(value, list) else value
