"""What a user of an exported network has to know, as ``model.json`` says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realfake import __version__
from realfake.config import PIXELS, TrainConfig, YunetFace, as_plain, signals_of
from realfake.config.derivations import NEUTRAL_SEC, RULES
from realfake.data.face_choice import face_identity
from realfake.exporting.served import DECISION, FRAMES
from realfake.labels import told_by
from realfake.models import sample_spec
from realfake.streams.stream import SampleSpec


def describe(cfg: TrainConfig, kind: str, used: Sequence[str], difference: float, compared: str) -> dict[str, Any]:
    """What a user of the exported network has to know: labels, inputs, and how a face is cropped.

    Args:
        cfg: The run's configuration.
        kind: Of the file.
        used: Names of its inputs.
        difference: What the comparison with the original came to.
        compared: On what.
    """
    spec = sample_spec(cfg.backbone, cfg.streams)
    told, level = told_by(cfg.tasks), isinstance(cfg.face, YunetFace) and cfg.face.align
    parts = ", whose two parts are the decided emotion and authenticity" if "joint" in told else ""
    return {
        "format": kind,
        "realfake": __version__,
        "approach": cfg.approach.name,
        "backbone": cfg.backbone.name,
        "labels": {task: list(cfg.space.names(task)) for task in told},
        **_inputs(spec, used, cfg),
        "outputs": {
            **{task: {"dtype": "float32", "shape": ["batch", cfg.space.size(task)]} for task in told},
            DECISION: {
                "dtype": "int64",
                "shape": ["batch"],
                "meaning": f"index into labels.{told[0]}{parts}",
            },
        },
        "crop": {
            "face": face_identity(cfg.face),
            "shape": "square around the box, its longer side plus the margin on each side; beyond the edge the border "
            "is repeated" + ("; turned about its middle so that the eyes are level" if level else ""),
            "stored_size": cfg.data.size,
            "jpeg_quality": cfg.data.jpeg_quality,
            "resize": "area",
        },
        "sampling": {**cfg.sampling.model_dump(mode="json"), "rate_fps": cfg.data.rate_fps},
        "check": {"largest_difference": difference, "compared": compared},
    }


def _inputs(spec: SampleSpec, used: Sequence[str], cfg: TrainConfig) -> dict[str, Any]:
    """``input`` of a network that looks at pixels alone, ``inputs`` by their streams of others, with the moments."""
    moments = {"frames": spec.frames, "stride_sec": spec.stride_sec, "repeat_crops": spec.repeat_crops}
    if spec.neutral:
        moments |= {"neutral_frames": spec.neutral, "neutral_sec": NEUTRAL_SEC}
    time = [] if spec.frames is None and spec.pixels_alone else [spec.moments]
    found: dict[str, Any] = {}
    if spec.pixels is not None:
        found[PIXELS.name] = {
            "dtype": "uint8",
            "shape": ["batch", *time, spec.pixels.size, spec.pixels.size, 3],
            "colour": "RGB, 0 to 255; scaled and normalised inside",
            "size": spec.pixels.size,
        }
    if spec.pixels_alone:
        return {"input": {"name": FRAMES, **found[PIXELS.name], **moments}}
    for info in spec.numbers:
        found[info.name] = {
            "dtype": "float32",
            "shape": ["batch", *time, *info.shape],
            "computed": info.words,
            "unit": info.unit,
            "components": list(info.names()),
            "standardised": "inside, by the training part",
        }
        if info.base is not None:
            steps = [{"rule": rule, "meaning": RULES[rule].words} for rule in info.rules]
            found[info.name]["derived"] = {"from": info.base.name, "unit": info.base.unit, "steps": steps}
    for name in spec.names:
        extra = {"valid": "bool, whether there is a value", "times_sec": "float32, moments in seconds"}
        found[name] |= {
            "computed_by": next(
                (as_plain(o) for o in signals_of(cfg.signals, [i for i in spec.numbers if i.name == name]).values()),
                None,
            ),
            "beside": {f"{name}_{field}": words for field, words in extra.items() if f"{name}_{field}" in used},
        }
    return {"inputs": {name: found[name] for name in spec.names}, "moments": moments}
