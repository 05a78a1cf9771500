"""Random changes of training samples, in batch and on the device: drawn per sample, the same for all its moments."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch.nn import functional as F

from realfake.config import PIXELS, Augmentation, StreamInfo
from realfake.streams.stream import StreamSpec, StreamValues

_LUMA = (0.299, 0.587, 0.114)


def augment(
    streams: dict[str, StreamValues], specs: Iterable[StreamSpec], settings: Augmentation
) -> dict[str, StreamValues]:
    """Change each sample at random; a face that is mirrored is so in every stream, other changes are of one kind.

    Random numbers come from torch's global generator of the device.

    Args:
        streams: Of a batch.
        specs: What the network takes of them.
        settings: What may change and how much; inactive settings return the streams as they are.

    Returns:
        New streams, of the same shapes and types.
    """
    if not settings.active:
        return streams
    values = next(iter(streams.values())).values
    flip = torch.empty(len(values), device=values.device).uniform_(0.0, 1.0) < settings.flip
    changed = {}
    for spec in specs:
        stream = streams[spec.name]
        if spec.name == PIXELS.name:
            # Half precision is for the network: eight significant bits are too few to mix 256 values of a colour.
            with torch.autocast(values.device.type, enabled=False):
                new = augment_pixels(stream.values, settings, flip)
        else:
            new = jitter(mirror(stream.values, spec.info, flip), spec.info, settings.jitter)
        changed[spec.name] = stream._replace(values=new)
    return changed


def mirror(values: torch.Tensor, info: StreamInfo, flip: torch.Tensor) -> torch.Tensor:
    """Values (B, T, *shape) of a stream, those of the mirrored face where ``flip`` (B,) says so."""
    if not info.mirrored:
        return values
    places, factors = zip(*info.mirrored, strict=True)
    flat = values.flatten(2)
    mirrored = flat[..., list(places)] * torch.tensor(factors, device=flat.device)
    return torch.where(flip[:, None, None], mirrored, flat).view_as(values)


def jitter(values: torch.Tensor, info: StreamInfo, most: float) -> torch.Tensor:
    """Points of a face (B, T, p, 2 or 3) as if its box were a little wider, higher and elsewhere; other numbers stay.

    Args:
        values: Of a stream.
        info: What it is.
        most: Largest shift and relative change of size, drawn for each sample and axis.
    """
    if not (most and info.points):
        return values
    sides = values.new_empty(2, len(values), 1, 1, values.shape[-1]).uniform_(-most, most)
    return values * (1.0 + sides[0]) + sides[1]


def augment_pixels(windows: torch.Tensor, settings: Augmentation, flip: torch.Tensor) -> torch.Tensor:
    """Change windows uint8 (B, T, H, W, 3) RGB; geometry costs one interpolation however many changes are on.

    Args:
        windows: Pixels of each sample.
        settings: What may change and how much.
        flip: (B,) bool, which samples are mirrored.
    """
    # One plane a colour: interpolation and mixing of colours are several times faster on it.
    x = windows.permute(0, 1, 4, 2, 3).to(torch.float32, memory_format=torch.contiguous_format)
    x = _geometry(x, settings, flip)
    x = _colour(x, settings)
    x = _erase(x, settings).round_().clamp_(0, 255)
    # Moved as floats, since copying single bytes across is slower than the conversion.
    return x.permute(0, 1, 3, 4, 2).contiguous().to(torch.uint8)


def _uniform(x: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """One number a sample, (B,)."""
    return torch.empty(x.shape[0], device=x.device).uniform_(low, high)


def _geometry(x: torch.Tensor, s: Augmentation, flipped: torch.Tensor) -> torch.Tensor:
    flip = torch.where(flipped, -1.0, 1.0)
    if not (s.rotate_deg or s.scale or s.translate):
        return torch.where((flip < 0)[:, None, None, None, None], x.flip(-1), x)
    angle = _uniform(x, -s.rotate_deg, s.rotate_deg) * (math.pi / 180.0)
    zoom = 1.0 / (1.0 + _uniform(x, -s.scale, s.scale))
    # The affine map takes places of the result to places of the source, in units where the picture is 2 wide.
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    across, down = (2.0 * _uniform(x, -s.translate, s.translate) for _ in range(2))
    height, width = x.shape[-2:]
    columns, rows = (
        (2.0 * torch.arange(n, device=x.device) + (1.0 - n)) / n * torch.stack(factors, dim=1)[:, :, None]
        for n, factors in ((width, (flip * cos, sin)), (height, (-flip * sin, cos)))
    )
    columns = columns + torch.stack([across, down], dim=1)[:, :, None]
    grid = (rows[:, :, :, None] + columns[:, :, None, :]).permute(0, 2, 3, 1)
    flat = x.flatten(1, 2)
    return F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False).view_as(x)


def _colour(x: torch.Tensor, s: Augmentation) -> torch.Tensor:
    """Brightness, contrast about the sample's mean, and saturation, as one linear map of each pixel's colour."""
    if not (s.brightness or s.contrast or s.saturation):
        return x
    brightness, contrast, saturation = (
        _uniform(x, 1.0 - strength, 1.0 + strength) for strength in (s.brightness, s.contrast, s.saturation)
    )
    grey = torch.stack([(1.0 - saturation) * part for part in _LUMA], dim=1)[:, None, :]
    colour = grey + saturation[:, None, None] * torch.eye(3, device=x.device)
    shift = (1.0 - contrast) * brightness * x.mean(dim=(1, 2, 3, 4))
    mixed = (brightness * contrast)[:, None, None] * colour
    return torch.matmul(mixed[:, None], x.flatten(3)).view_as(x).add_(shift[:, None, None, None, None])


def _erase(x: torch.Tensor, s: Augmentation) -> torch.Tensor:
    """Blank a rectangle of 10 to 40 % of each side (Zhong et al. 2020, with a fixed grey)."""
    if not s.erase:
        return x
    height, width = x.shape[-2:]
    inside = torch.ones(x.shape[0], 1, 1, device=x.device, dtype=torch.bool)
    for side, shape in ((height, (1, -1, 1)), (width, (1, 1, -1))):
        length = _uniform(x, 0.1, 0.4) * side
        start = _uniform(x, 0.0, 1.0) * (side - length)
        place = torch.arange(side, device=x.device).view(shape)
        inside = inside & (place >= start[:, None, None]) & (place < (start + length)[:, None, None])
    chosen = (_uniform(x, 0.0, 1.0) < s.erase)[:, None, None]
    return torch.where((inside & chosen)[:, None, None], torch.full_like(x[:1, :1, :1, :1, :1], 128.0), x)
