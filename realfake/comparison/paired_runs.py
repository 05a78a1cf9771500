"""The runs of two systems brought together: by fold and seed, and in each of these clip by clip."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from realfake.comparison.pairing import common_rows, comparable
from realfake.comparison.power import Shares, pseudo_values
from realfake.comparison.systems import FOLD_AND_SEED, Part, System, by_fold, described, split_alone
from realfake.errors import UserError
from realfake.reports.finished import FinishedRun
from realfake.reports.pooling import RunClips, load_clips
from realfake.scoring.metrics import SubjectSums
from realfake.scoring.predictions import Predictions


class ReadClips:
    """Test clips of runs, each read once."""

    def __init__(self) -> None:
        self._read: dict[FinishedRun, RunClips] = {}

    def of(self, system: System, part: Part) -> RunClips:
        """Those of one run.

        Raises:
            UserError: If they cannot be read, or a clip is there twice.
        """
        run = system.runs[part]
        if run not in self._read:
            try:
                if run.predictions is None or not run.predictions.is_file():
                    raise UserError("predictions.csv is missing; train it again")
                found = load_clips(run.predictions)
                if len(set(found.clip)) < len(found.clip):
                    raise UserError("predictions.csv holds a clip twice; expected a row a clip")
            except UserError as error:
                raise UserError(f"{system.name}: {run.name}: {error}") from None
            self._read[run] = found
        return self._read[run]

    def people(self) -> list[str]:
        """What has to be said of unknown people."""
        return list(dict.fromkeys(found.people for found in self._read.values() if found.people))


@dataclass(frozen=True, eq=False)
class PairedRuns:
    """Two systems on N rows, each a clip in a pair of runs."""

    a: System
    b: System
    of_a: Predictions
    of_b: Predictions
    subject: np.ndarray
    """Number of each row's person (N,), from 0."""
    pair: np.ndarray
    """Number of each row's pair (N,) within its run, -1 = none."""
    run: np.ndarray
    """Number of the pair of runs of each row (N,)."""
    parts: tuple[Part, ...]
    """Of each pair of runs."""
    clips: int
    """Different test clips."""
    names: tuple[str, ...]
    """Metrics that both are measured by."""

    @classmethod
    def of(cls, a: System, b: System, clips: ReadClips, same_data: bool) -> PairedRuns:
        """Bring the runs of the same fold and seed together.

        Args:
            a: One system.
            b: The other.
            clips: Where test clips are read.
            same_data: Refuse runs that read other prepared data.

        Raises:
            UserError: If there is no such pair of runs, or one that does not match.
        """
        parts = tuple(part for part in a.runs if part in b.runs)
        if not parts:
            one, other = (described(next(iter(s.runs)), [*a.runs, *b.runs]) for s in (a, b))
            raise UserError(
                f"{a.name} and {b.name}: no two runs have one split and seed, e.g. {one} and {other}; train both for "
                "the same folds and seeds"
            )
        mine = [clips.of(a, part) for part in parts]
        matched = [_matched(a, b, part, clips, same_data) for part in parts]
        if len({(p.space, p.tasks) for p, _, _ in matched}) > 1:
            raise UserError(f"{a.name} and {b.name}: their runs do not all tell the same labels; compare those that do")
        people = np.concatenate([c.subject for c in mine])
        return cls(
            a=a,
            b=b,
            of_a=Predictions.concatenated([own for own, _, _ in matched]),
            of_b=Predictions.concatenated([other for _, other, _ in matched]),
            subject=np.unique(people, return_inverse=True)[1],
            pair=np.concatenate([c.pair for c in mine]),
            run=np.repeat(np.arange(len(parts)), [len(c.clip) for c in mine]),
            parts=parts,
            clips=len({name for c in mine for name in c.clip}),
            names=matched[0][2],
        )

    @property
    def people(self) -> int:
        """Different test people."""
        return int(self.subject.max()) + 1

    @property
    def own(self) -> bool:
        """Whether all runs stand against themselves."""
        return all(self.a.runs[part].folder.resolve() == self.b.runs[part].folder.resolve() for part in self.parts)

    @property
    def described(self) -> tuple[str, ...]:
        """Fold and seed of each pair of runs, in their order."""
        return tuple(described(part, self.parts) for part in sorted(self.parts, key=by_fold))

    @property
    def notes(self) -> list[str]:
        """Runs of one system without a counterpart in the other; other protocols; one person, who has no interval."""
        among = [*self.a.runs, *self.b.runs]
        found = []
        for has, lacks in ((self.a, self.b), (self.b, self.a)):
            lost = [described(part, among) for part in has.runs if part not in lacks.runs]
            if lost:
                found.append(
                    f"{lacks.name} has no finished run of {'; '.join(lost)}: left out of {self.a.name} against "
                    f"{self.b.name}, on both sides."
                )
        found += self._covered()
        protocols = [system.runs[self.parts[0]].protocol for system in (self.a, self.b)]
        if protocols[0] != protocols[1]:
            found.append(
                f"{self.a.name} decides real or fake by {protocols[0]}, {self.b.name} by {protocols[1]}: accuracies "
                "and F1 differ by the question, too; AUROC, pairs, Brier score and calibration compare."
            )
        if self.people == 1:
            found.append(
                f"{self.a.name} against {self.b.name}: one test person, who does not show how people differ: no "
                "interval, and no power."
            )
        return found

    def _covered(self) -> list[str]:
        """Folds, and seeds of folds, that are missing on both sides."""
        parts = sorted({*self.a.runs, *self.b.runs}, key=by_fold)
        found = []
        for split in dict.fromkeys(map(split_alone, parts)):
            there = [dict(part) for part in parts if split_alone(part) == split]
            seen = {key: dict.fromkeys(part[key] for part in there if key in part) for key in FOLD_AND_SEED}
            keys = [key for key in seen if seen[key]]
            grid = [
                there[0] | dict(zip(keys, values, strict=True))
                for values in itertools.product(*(seen[key] for key in keys))
            ]
            if lost := [described(part, parts) for part in (tuple(p.items()) for p in grid) if part not in parts]:
                found.append(f"Neither {self.a.name} nor {self.b.name} has a finished run of {'; '.join(lost)}.")
            paired = {dict(part).get("split.fold") for part in self.parts if split_alone(part) == split}
            every = [str(fold) for fold in range(int(dict(split).get("split.folds", 0)))]
            if without := [fold for fold in every if fold not in paired]:
                found.append(
                    f"{self.a.name} against {self.b.name} covers {len(paired)} of {len(every)} folds, without "
                    f"{', '.join(without)}."
                )
        return found

    def differences(self, name: str) -> dict[FinishedRun, float]:
        """Difference of a metric in each pair of runs, by the run of the first system."""
        found = {}
        for number, part in enumerate(self.parts):
            of_a, of_b = (
                SubjectSums(p, np.zeros(len(p), dtype=np.int64), pair).metrics(np.ones((1, 1)), [name])[name]
                for p, _, pair in self._of_run(number)
            )
            found[self.a.runs[part]] = float(of_a[0] - of_b[0])
        return found

    def shares(self, name: str) -> Shares:
        """What each person adds to the difference of a metric, in each pair of runs."""
        folds = [tuple(word for word in part if word[0] != "seed") for part in self.parts]
        found = []
        for number, fold in enumerate(folds):
            rows = self.run == number
            who, subject = np.unique(self.subject[rows], return_inverse=True)
            of_a, of_b = (pseudo_values(p, subject, pair, [name])[name] for p, _, pair in self._of_run(number))
            found.append((who, np.full(len(who), folds.index(fold)), np.full(len(who), number), of_a - of_b))
        return Shares(*(np.concatenate(column) for column in zip(*found, strict=True)))

    def _of_run(self, number: int) -> Iterator[tuple[Predictions, np.ndarray, np.ndarray]]:
        """Predictions, people and pairs of both systems in one pair of runs."""
        rows = self.run == number
        for p in (self.of_a, self.of_b):
            yield p.select(rows), self.subject[rows], self.pair[rows]


def _matched(
    a: System, b: System, part: Part, clips: ReadClips, same_data: bool
) -> tuple[Predictions, Predictions, tuple[str, ...]]:
    """Predictions of one pair of runs on the same clips, and the metrics that both are measured by."""
    where = f"{a.name} and {b.name}, {described(part)}"
    read = [system.runs[part].results.get("data_fingerprint") for system in (a, b)]
    if same_data and read[0] != read[1]:
        raise UserError(
            f"{where}: trained on other prepared data ({read[0]}, {read[1]}); compare runs of the same data, or with "
            "same_data=false the same clips prepared in different ways"
        )
    mine, theirs = clips.of(a, part), clips.of(b, part)
    own, other = common_rows(mine.clip, theirs.clip)
    if lost := [*np.delete(mine.clip, own), *np.delete(theirs.clip, other)]:
        many = f"{len(lost)} clips were" if len(lost) > 1 else "1 clip was"
        raise UserError(
            f"{where}: {many} tested by one of them alone, e.g. {lost[0].rpartition(chr(0))[2]}; compare runs of the "
            "same data and split"
        )
    if (torn := np.flatnonzero(mine.subject != theirs.subject[other])).size:
        name = mine.clip[torn[0]].rpartition(chr(0))[2]
        raise UserError(f"{where}: clip {name} is of another person there; compare runs of the same data")
    second, first, names = comparable(theirs.predictions.select(other), mine.predictions, mine.clip, where)
    return first, second, names
