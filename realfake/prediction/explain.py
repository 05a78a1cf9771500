"""What a network looked at: Grad-CAM over frames, what each frame of a clip adds, and what each number does.

Captum computes both; it is the extra ``explain``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realfake.approaches.module import ApproachModule
from realfake.config import PIXELS, SequenceBackbone
from realfake.errors import UserError, install
from realfake.models.backbone import Inputs
from realfake.prediction.stream_shares import StreamShare, of_task, shares_of, some
from realfake.runs.network import on_device
from realfake.streams.preprocess import network_input
from realfake.streams.stream import StreamValues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from realfake.runs.network import Network

EXPLAINED = ("authenticity", "emotion")
"""Tasks that are explained, as far as they are told: the decision's two parts."""


Logits = Callable[[Tensor], dict[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a sample got its labels."""

    frames: np.ndarray | None
    """uint8 (T, S, S, 3) RGB: the sample; T is 1 for a single frame; ``None`` if the network looks at numbers alone."""
    classes: dict[str, str]
    """Task → decided class, which is explained."""
    probability: dict[str, float]
    """Task → its probability."""
    maps: dict[str, np.ndarray]
    """Task → float32 (T, S, S), 0 to 1 over the sample: where evidence for the class lies (Grad-CAM)."""
    time: dict[str, np.ndarray]
    """Task → float64 (T,): by how much the class's probability falls if the frame is replaced by the clip's mean frame,
    which takes its movement away; empty for single frames."""
    streams: dict[str, StreamShare] = field(default_factory=dict)
    """What each stream adds, where the network looks at others than pixels."""


def require_captum() -> None:
    """Raise :class:`UserError` if captum is not installed."""
    if find_spec("captum") is None:
        raise UserError(f"explain=true needs captum: {install('explain')}")


def require_explainable(network: Network) -> None:
    """Raise :class:`UserError` unless captum is installed and the network has a layer that Grad-CAM is defined at."""
    of_moment = not network.sees_clips and not all(info.of_clip for info in network.spec.numbers)
    if network.spec.pixels is None and of_moment:
        raise UserError(
            f"explain=true: backbone={network.cfg.backbone.name} looks at the numbers of a single moment, in which "
            "nothing moves that could be taken away; use a run that looks at pixels, or at sequences"
        )
    if network.spec.pixels is not None:
        require_captum()
        last_map(network.module, network.module.backbone.blank(1, network.device))


def explain(module: ApproachModule, streams: dict[str, StreamValues], *, perturbations: int = 16) -> list[Explanation]:
    """Explain the labels of some samples.

    Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2) on the log-probability of the class, at the last layer that has
    places left; over the frame encoder for recurrent networks. Time by ablation, see :class:`Explanation`.

    Args:
        module: In evaluation mode.
        streams: N samples, as a batch has them.
        perturbations: Changed clips that are computed at once.

    Raises:
        UserError: If captum is missing, or the network has no layer with places (vision transformers).
    """
    device = next(module.parameters()).device
    x = network_input(on_device(streams, device), module.spec)
    pixels = x if isinstance(x, Tensor) else x[PIXELS.name].values if PIXELS.name in x else None
    clips = None if pixels is None else streams[PIXELS.name].values.cpu().numpy()
    maps: dict[str, np.ndarray] = {}
    time: dict[str, np.ndarray] = {}
    classes, values = {}, {}
    sees_clips = module.spec.frames is not None
    if pixels is not None:
        require_captum()
        layer = last_map(module, x if isinstance(x, Tensor) else some(x, slice(0, 1)))
    # cuDNN's recurrent layers have no backward pass in evaluation mode.
    with torch.backends.cudnn.flags(enabled=device.type != "cuda" or not sees_clips):
        with torch.no_grad():
            logits = module.logits(x)
        decided = module.guesses(logits)
        for task in (t for t in EXPLAINED if t in decided):
            p, best = of_task(module, logits, task), decided[task]
            classes[task], values[task] = best.tolist(), p.gather(1, best[:, None])[:, 0].tolist()
            if pixels is not None and clips is not None:
                of_pixels = partial(_with_pixels, module, x)
                maps[task] = _grad_cam(module, of_pixels, layer, pixels, task, best, clips.shape[:2])
                if sees_clips:
                    time[task] = _ablate_frames(module, of_pixels, pixels, task, best, perturbations)
        shares = (
            {}
            if isinstance(x, Tensor)
            else shares_of(module, x, {task: decided[task] for task in classes}, perturbations)
        )
    return [
        Explanation(
            frames=None if clips is None else clips[i],
            classes={t: module.space.names(t)[classes[t][i]] for t in classes},
            probability={t: values[t][i] for t in classes},
            maps={t: maps[t][i] for t in maps},
            time={t: time[t][i] for t in time},
            streams={name: every[i] for name, every in shares.items()},
        )
        for i in range(len(next(iter(streams.values())).values))
    ]


def _with_pixels(module: ApproachModule, x: Inputs, pixels: Tensor) -> dict[str, Tensor]:
    """Logits with other pixels; the other streams are repeated for several changed copies of all samples."""
    if isinstance(x, Tensor):
        return module.logits(pixels)
    copies = len(pixels) // len(x[PIXELS.name].values)
    others = {name: StreamValues(*(torch.cat([t] * copies) for t in stream)) for name, stream in x.items()}
    return module.logits({**others, PIXELS.name: others[PIXELS.name]._replace(values=pixels)})


def last_map(module: ApproachModule, x: Inputs) -> nn.Module:
    """The last layer of the backbone whose output still has places: (B, C, h, w) or (B, C, t, h, w), more than one.

    Args:
        module: Whose backbone is meant.
        x: Normalised input (1, …), to see the layers at work.

    Raises:
        UserError: If there is none, as in vision transformers, where Grad-CAM is not defined.
    """
    name = module.cfg.backbone.name
    found: list[nn.Module] = []
    calls: dict[nn.Module, int] = {}
    wanted = 4 if module.spec.frames is None or isinstance(module.cfg.backbone, SequenceBackbone) else 5

    def note(layer: nn.Module, _: Any, output: Any) -> None:
        calls[layer] = calls.get(layer, 0) + 1
        if isinstance(output, Tensor) and output.ndim == wanted and min(output.shape[-2:]) > 1:
            found.append(layer)

    layers = list(module.backbone.modules())
    if not any("Attention" in type(layer).__name__ for layer in layers):
        hooks = [layer.register_forward_hook(note) for layer in layers]
        try:
            with torch.no_grad():
                module.backbone(x)
        finally:
            for hook in hooks:
                hook.remove()
    found = [layer for layer in found if calls[layer] == 1]
    if not found:
        raise UserError(
            f"explain=true: {name} has no last layer with places in the picture (a transformer mixes them), so "
            "Grad-CAM is not defined for it; use a run with a convolutional backbone"
        )
    return found[-1]


def _grad_cam(
    module: ApproachModule, logits: Logits, layer: nn.Module, x: Tensor, task: str, target: Tensor, shape: Sequence[int]
) -> np.ndarray:
    """Maps (N, T, S, S) float32, 0 to 1."""
    from captum.attr import LayerGradCam

    def log_probability(inputs: Tensor) -> Tensor:
        return of_task(module, logits(inputs), task).gather(1, target[:, None])[:, 0].log()

    cam: Tensor = LayerGradCam(log_probability, layer).attribute(x, relu_attributions=True).detach()
    side = x.shape[-1]
    if cam.ndim == 5:
        cam = F.interpolate(cam, (shape[1], side, side), mode="trilinear", align_corners=False)[:, 0]
    else:
        cam = F.interpolate(cam, (side, side), mode="bilinear", align_corners=False)[:, 0].unflatten(0, tuple(shape))
    highest = cam.amax(dim=(1, 2, 3), keepdim=True)
    scaled: np.ndarray = (cam / highest.clamp(min=1e-12)).cpu().numpy()
    return scaled


def _ablate_frames(
    module: ApproachModule, logits: Logits, x: Tensor, task: str, target: Tensor, perturbations: int
) -> np.ndarray:
    """Falls of the probability (N, T) float64."""
    from captum.attr import FeatureAblation

    def probability(inputs: Tensor) -> Tensor:
        p = of_task(module, logits(inputs), task)
        return p.gather(1, target.repeat(len(inputs) // len(target))[:, None])[:, 0]

    frames = x.shape[2]
    # Batch norm and recurrent layers see each clip alone, so that changed copies may share a batch.
    number = torch.arange(frames, device=x.device).view(1, 1, frames, 1, 1).expand(1, *x.shape[1:])
    baseline = x.mean(dim=2, keepdim=True).expand_as(x)
    ablation = FeatureAblation(probability)
    with torch.no_grad():
        fall: Tensor = ablation.attribute(
            x, baselines=baseline, feature_mask=number, perturbations_per_eval=max(1, perturbations // len(x))
        )
    return fall[:, 0, :, 0, 0].double().cpu().numpy()
