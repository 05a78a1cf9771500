"""Who trains, validates and tests: the group ``split``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from realfake.config.base import NonNegative, Strict


class HoldoutSplit(Strict):
    """Random subjects into three parts; ``official: true`` obeys the dataset's own parts where it has them."""

    name: Literal["holdout"]
    test: Annotated[float, Field(gt=0.0, lt=1.0)]
    val: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Part of the subjects that are left after the test part."""
    seed: NonNegative
    official: bool


class ThesisSplit(Strict):
    """40 training and 10 test subjects (80/20 for other sizes); validation carved from the training subjects."""

    name: Literal["thesis"]
    val: Annotated[float, Field(gt=0.0, lt=1.0)]
    seed: NonNegative


class KFoldSplit(Strict):
    """``folds`` groups of subjects with balanced classes; one is the test part."""

    name: Literal["kfold"]
    folds: Annotated[int, Field(ge=2)]
    fold: NonNegative
    val: Annotated[float, Field(gt=0.0, lt=1.0)]
    seed: NonNegative
    by: Literal["balance", "subject_number"]
    """What puts a subject into its fold: equally many clips of each class, or the remainder of its number by ``folds``
    (Saxen, Werner, Al-Hamadi, ICCVW 2017); the latter leaves the dataset's own folds alone."""
    official: bool
    """Use the dataset's own folds where it has them (UvA-NEMO)."""

    @model_validator(mode="after")
    def _check(self) -> KFoldSplit:
        if self.fold >= self.folds:
            raise ValueError(f"split.fold={self.fold}: expected 0 to {self.folds - 1}, since split.folds={self.folds}")
        return self


class LosoSplit(Strict):
    """Leave one subject out: subject number ``fold`` (sorted by name) is the test part."""

    name: Literal["loso"]
    fold: NonNegative
    val: Annotated[float, Field(gt=0.0, lt=1.0)]
    seed: NonNegative


class OfficialSplit(Strict):
    """The parts, or with ``fold`` one of the folds, that the dataset itself declares, and nothing in their place."""

    name: Literal["official"]
    fold: NonNegative | None
    val: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Part of the training subjects, where no validation part with labels is declared."""
    seed: NonNegative


SplitConfig = Annotated[
    HoldoutSplit | ThesisSplit | KFoldSplit | LosoSplit | OfficialSplit, Field(discriminator="name")
]


DECLARES_NONE = "declares neither parts nor folds; expected split=holdout, kfold, loso or thesis"


def check_enough(split: SplitConfig, count: int) -> None:
    """Raise ``ValueError`` unless ``count`` subjects make three parts."""
    if count < 3:
        raise ValueError(
            f"split={split.name}: {count} {'subject' if count == 1 else 'subjects'}; at least 3 are needed, one each "
            "to train, validate and test"
        )


def check_groups(split: SplitConfig, count: int) -> None:
    """Raise ``ValueError`` unless ``count`` subjects can be split so."""
    check_enough(split, count)
    if isinstance(split, KFoldSplit) and split.folds > count:
        raise ValueError(f"split.folds={split.folds}: there are only {count} subjects; use fewer folds")
    if isinstance(split, LosoSplit) and split.fold >= count:
        raise ValueError(f"split.fold={split.fold}: expected 0 to {count - 1}, one for each subject")
