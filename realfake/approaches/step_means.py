"""What training steps come to in an epoch: losses, weights and accuracies, counted many steps at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from realfake.approaches.record import EpochMeans
from realfake.data.batch import Batch, target_of
from realfake.labels import ABSENT, LabelSpace, told_by

STEPS_AT_ONCE = 32
"""Training steps whose figures are counted together."""


class TrainStep(NamedTuple):
    """What a training step leaves to be counted, on the device and without a graph."""

    emotion: torch.Tensor
    """(B,) int64, as in the batch."""
    authenticity: torch.Tensor
    """(B,) int64, as in the batch."""
    logits: dict[str, torch.Tensor]
    """Task → (B, K)."""
    losses: dict[str, torch.Tensor]
    """Term → scalar; tasks and auxiliary terms."""
    weights: dict[str, torch.Tensor]
    """Term → scalar."""
    counts: dict[str, torch.Tensor]
    """Auxiliary term → over how many its loss is the mean, a scalar."""
    total: torch.Tensor
    """The loss that was minimised, a scalar."""


def guesses(space: LabelSpace, logits: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The decision on each sample, in the tasks that are told, each (B,) int64, of logits (B, classes)."""
    return space.decide({task: values.float().softmax(dim=1) for task, values in logits.items()})


class StepMeans(EpochMeans):
    """Means over the samples of an epoch's training steps.

    Args:
        tasks: That have a head.
        taught: Those of them whose loss is minimised.
        auxiliary: Names of the auxiliary terms.
        space: The classes.
    """

    def __init__(
        self, tasks: Sequence[str], taught: Sequence[str], auxiliary: Sequence[str], space: LabelSpace, **kwargs: Any
    ) -> None:
        self.tasks, self.terms, self.space = tuple(tasks), (*taught, *auxiliary), space
        self.taught, self.told = tuple(taught), told_by(tasks)
        each = [f"{name}_{term}" for term in self.terms for name in ("loss", "weight")]
        super().__init__(["loss", *each, *(f"{task}_accuracy" for task in self.told)], **kwargs)
        self._steps: list[TrainStep] = []

    def keep(self, step: TrainStep) -> None:
        """Remember a training step; many are counted at once, so that a step costs next to nothing."""
        if self._steps and len(step.emotion) != len(self._steps[0].emotion):
            self.count()
        self._steps.append(step)
        if len(self._steps) == STEPS_AT_ONCE:
            self.count()

    @torch.no_grad()
    def count(self) -> None:
        """Add the remembered steps to the means of the epoch."""
        steps, self._steps = self._steps, []
        if not steps:
            return
        labels = Batch(
            emotion=torch.cat([s.emotion for s in steps]), authenticity=torch.cat([s.authenticity for s in steps])
        )

        def of_steps(flags: torch.Tensor) -> torch.Tensor:
            return flags.view(len(steps), -1).sum(dim=1)

        size = of_steps(torch.ones_like(labels["emotion"]))
        values, counts = [torch.stack([s.total for s in steps])], [size]
        for term in self.terms:
            values += [torch.stack([getattr(s, name)[term] for s in steps]) for name in ("losses", "weights")]
            known = (
                of_steps(target_of(labels, term, self.space) != ABSENT)
                if term in self.taught
                else torch.stack([s.counts[term] for s in steps])
            )
            counts += [known, size]
        given = guesses(self.space, {task: torch.cat([s.logits[task] for s in steps]) for task in self.tasks})
        for task in self.told:
            target = target_of(labels, task, self.space)
            has = target != ABSENT
            counts.append(of_steps(has))
            values.append(of_steps((given[task] == target) & has) / counts[-1].clamp(min=1))
        self.update(values, counts)
