"""Writes a converted network as the folder of a run, so that every command takes it like a trained one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from realfake.composing.composition import compose
from realfake.config import ConvertConfig, ConvertInput, TrainConfig, as_plain
from realfake.data.learned import Learned
from realfake.data.sources.seed import MULTI_TASK_EMOTIONS
from realfake.errors import UserError
from realfake.files import write_whole
from realfake.runs.folder import RunFolder

SASE_FE: dict[str, object] = {
    "mean": [0.427, 0.3508, 0.2971],
    "std": [0.1844, 0.1809, 0.1545],
    "channel_order": "rgb",
}
"""What the thesis's scripts normalise frames by; those for clips only scale them to 0-1, as OpenCV reads them."""


def convert_model(cfg: ConvertConfig) -> RunFolder:
    """Read the file, recognise the network, write the run.

    Raises:
        UserError: If the file cannot be used, or the folder holds a run already.
    """
    from rich.console import Console

    from realfake.approaches.module import ApproachModule
    from realfake.config import CLIP_BACKBONES
    from realfake.models.conversion import convert
    from realfake.models.weight_files import read_state_dict
    from realfake.runs.checkpoints import write_checkpoint

    model = Path(cfg.model or "").expanduser()
    found = convert(read_state_dict(model, foreign=True), cfg.input, MULTI_TASK_EMOTIONS, str(model))
    run = RunFolder(Path(cfg.out).expanduser() if cfg.out else Path("outputs") / "converted" / _plain(model))
    if run.config.exists():
        raise UserError(f"{run.path}: holds a run already; choose another folder with out=…")

    clips = found.backbone in CLIP_BACKBONES
    approach = ("temporal" if clips else "single_task") if "joint" in found.heads else "multi_task"
    if clips and approach == "multi_task":
        approach = "temporal_multi_task"
    overrides = [
        f"approach={approach}",
        f"backbone={found.backbone}",
        *(f"backbone.input.{key}={'null' if value is None else value}" for key, value in _input(cfg.input, clips)),
        *(["backbone.normalize=true"] if found.normalize else []),
        *([f"data.rate_fps={_rate(cfg.input.stride_sec)}"] if clips else []),
        *(["head=mlp", f"head.hidden={found.hidden}"] if found.hidden else ["head=linear"]),
    ]
    train_cfg = compose("train", overrides, TrainConfig).resolved()
    module = ApproachModule(train_cfg)
    module.backbone.load_state_dict(found.backbone_state, strict=False)  # old files lack the batch counters
    for task, state in found.heads.items():
        module.heads[task].load_state_dict(state)

    module.learned = Learned(unknown=(f"{model.name}, which another program trained",)).as_plain()
    checkpoint = {"state_dict": module.state_dict(), "epoch": 0, "global_step": 0}
    module.on_save_checkpoint(checkpoint)
    run.checkpoints.mkdir(parents=True)
    write_checkpoint(run.best, checkpoint)
    run.overrides_file.parent.mkdir()
    write_whole(run.overrides_file, _yaml(overrides))
    write_whole(run.config, _yaml(as_plain(train_cfg)))
    run.save_config(train_cfg, None)

    say = partial(Console().print, highlight=False, soft_wrap=True, markup=False)
    heads = ", ".join(f"{task} ({'-'.join(map(str, found.hidden)) or 'linear'})" for task in found.heads)
    say(f"{model.name}: {found.backbone} with {len(found.heads)} heads: {heads}")
    spec = module.backbone.pixels
    length = "" if spec.frames is None else f"{spec.frames} frames, "
    say(
        f"  input: {length}{spec.size} × {spec.size} pixels, {spec.channel_order}, mean {spec.mean}, deviation "
        f"{spec.std} of values 0-1; others are given with input.…"
    )
    for note in found.notes:
        say(f"  note: {note}")
    say(f"written to {run.path}; go on with run={run.path} or init_from={run.path}")
    return run


def _input(given: ConvertInput, clips: bool) -> Iterator[tuple[str, object]]:
    """The input of a network of the thesis: as given, else as its scripts prepare frames and clips."""
    scripts = {"mean": [0.0] * 3, "std": [1.0] * 3, "channel_order": "bgr"} if clips else SASE_FE
    for key, value in given.model_dump().items():
        if clips or key not in ("frames", "stride_sec"):
            yield key, scripts.get(key) if value is None else value


def _rate(stride_sec: float | None) -> int:
    """Crops a second that a clip network of the thesis needs: twice the usual ones, for 20 frames of a short clip."""
    return max(20, math.ceil(1.0 / stride_sec)) if stride_sec else 20


def _plain(model: Path) -> str:
    # Hydra reads brackets and equals signs of an override as syntax.
    return re.sub(r"[^\w.-]+", "_", model.stem)


def _yaml(content: object) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(content))  # type: ignore[call-overload]
