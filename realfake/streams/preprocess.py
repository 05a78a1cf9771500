"""From stored crops to what a network eats. Training, testing, prediction and export all use these functions.

Two steps, since one belongs to the worker that reads and one to the device that computes:
:func:`realfake.streams.stream.take` gathers streams, :func:`network_input` makes floats of pixels. Numbers are
standardised inside of the network, by what it has learned of the training part.
"""

from __future__ import annotations

from functools import lru_cache

import torch

from realfake.config import PIXELS, InputSpec
from realfake.streams.stream import SampleSpec, StreamValues


def network_input(streams: dict[str, StreamValues], spec: SampleSpec) -> torch.Tensor | dict[str, StreamValues]:
    """The streams of a batch as a backbone takes them, :data:`realfake.models.backbone.Inputs`."""
    if spec.pixels is None:
        return {name: streams[name] for name in spec.names}
    pixels = streams[PIXELS.name]
    x = pixels.values if spec.frames is not None else pixels.values[:, 0]
    x = x if x.is_floating_point() else normalise(x, spec.pixels)  # else a frozen network has seen them before
    if spec.pixels_alone:
        return x
    return {name: pixels._replace(values=x) if name == PIXELS.name else streams[name] for name in spec.names}


def normalise(frames: torch.Tensor, spec: InputSpec, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Scale and normalise frames as a backbone's input spec says.

    Args:
        frames: uint8 (B, H, W, 3) or (B, T, H, W, 3), RGB.
        spec: Mean and standard deviation (of values scaled to 0-1) and order of the channels.
        dtype: Of the result.

    Returns:
        (B, 3, H, W), or (B, 3, T, H, W): a view whose memory is channels-last, which convolutions prefer.

    Raises:
        ValueError: If the frames have another shape or type.
    """
    if frames.dtype != torch.uint8 or frames.ndim not in (4, 5) or frames.shape[-1] != 3:
        raise ValueError(f"frames {frames.dtype} {tuple(frames.shape)}: expected uint8 (B, H, W, 3) or (B, T, H, W, 3)")
    if spec.channel_order == "bgr":
        frames = frames.flip(-1)
    # While a graph is traced, a tensor that outlives the trace would hold on to it.
    constants = _constants.__wrapped__ if torch.compiler.is_compiling() else _constants
    mean, scale = constants(tuple(spec.mean), tuple(spec.std), frames.shape[-2], frames.device, dtype)
    # Whole lines of pixels: an innermost dimension of three channels is ten times slower on a CPU.
    lines = frames.flatten(-2).to(dtype)
    return channels_first(lines.sub_(mean).mul_(scale).view(frames.shape))


@lru_cache(maxsize=16)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], width: int, device: torch.device, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """What to subtract from a line of pixels and to multiply it with, (3 × width,); copied to the device only once."""
    with torch.inference_mode(False):
        lines = torch.tensor([[255.0 * m for m in mean], [1.0 / (255.0 * s) for s in std]], device=device, dtype=dtype)
        subtract, multiply = lines.repeat(1, width)
    return subtract, multiply


def channels_first(frames: torch.Tensor) -> torch.Tensor:
    """(B, H, W, C) → (B, C, H, W), or (B, T, H, W, C) → (B, C, T, H, W); a view."""
    return frames.permute(0, frames.ndim - 1, *range(1, frames.ndim - 1))
