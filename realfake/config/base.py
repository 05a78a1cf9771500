"""What all configurations share: strictness, numbers within bounds, and checks that several of them make."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]

PositiveFraction = Annotated[float, Field(gt=0.0, le=1.0)]

Positive = Annotated[float, Field(gt=0.0)]

BelowOne = Annotated[float, Field(ge=0.0, lt=1.0)]

Count = Annotated[int, Field(ge=1)]

NonNegative = Annotated[int, Field(ge=0)]

Parallel = Annotated[int, Field(ge=1, le=1024)]
"""Threads or processes of one machine, which many more would bring down."""

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""NumPy and Lightning take no larger one."""


class Strict(BaseModel):
    """Base of all: no unknown key, no silent conversion, no infinity, no blank text, no change after validation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)

    @field_validator("*")
    @classmethod
    def _not_blank(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise PydanticCustomError("blank", "text that is not blank, or null")
        return value


def is_new(info: ValidationInfo) -> bool:
    """Whether a configuration was just composed, which may be refused for more than one that a run has saved."""
    return info.context is not None and not info.context.get("trained")


def check_three(values: list[float] | None, key: str) -> None:
    """Raise ``ValueError`` unless there is one value for each colour channel."""
    if values is not None and len(values) != 3:
        raise ValueError(f"{key}={values}: expected three values, one a channel")


def check_window(window: list[float], key: str) -> None:
    """Raise ``ValueError`` unless ``window`` is ``[start, end]`` with ``0 <= start < end <= 1``."""
    if len(window) != 2 or not 0.0 <= window[0] < window[1] <= 1.0:
        raise ValueError(f"{key}={window}: expected [start, end] with 0 <= start < end <= 1, parts of the clip")


def as_plain(config: Strict) -> dict[str, Any]:
    """The configuration as plain dicts, lists and scalars."""
    return config.model_dump(mode="json")
