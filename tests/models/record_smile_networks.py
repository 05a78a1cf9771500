"""Records what public code of smile networks gives for reproducible weights and inputs: smile_reference.npz.

They are research code without a package; run this with checkouts of their repositories, with einops installed::

    python tests/models/record_smile_networks.py \
        Deep-learning-for-genuine-and-posed-smile-classification MeshSmileNet smile-recognition-fusion

In double precision, in which no neighbour of a point depends on rounding.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from model_cases import numbers, random_state
from torch import Tensor, nn

NOTEBOOK = "Code/UvA-NEMO/Hadamard-multip.ipynb"


class OnCpu(ModuleType):
    """torch for code that names a GPU outright."""

    def __getattr__(self, name: str) -> Any:
        return (lambda *_: "cpu") if name == "device" else getattr(torch, name)


def recorded(name: str, net: nn.Module, *inputs: Tensor) -> dict[str, np.ndarray]:
    """What the layer before the last linear one gives, and keys and shapes of the weights."""
    net.eval()
    state = {key: value for key, value in net.state_dict().items() if not key.endswith(".pe")}
    net.load_state_dict({key: v.double() for key, v in random_state(state).items()}, strict=False)
    last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    seen: list[Tensor] = []
    last.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.no_grad():
        net(*inputs)
    own = next(key for key, module in net.named_modules() if module is last)
    kept = {key: value for key, value in state.items() if not key.startswith(f"{own}.")}
    return {
        f"{name}_features": seen[0].numpy(),
        f"{name}_keys": np.array(list(kept)),
        f"{name}_shapes": np.array([" ".join(map(str, v.shape)) for v in kept.values()]),
        f"{name}_parameters": np.array(sum(p.numel() for p in net.parameters())),
    }


def main(real: Path, mesh: Path, hada: Path) -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for name in ("vidaug", "torchsummary", "colorama"):
        sys.modules[name] = MagicMock()
    sys.path[:0] = [str(real), str(mesh)]
    import core.models.curvenet_util as points
    import core.models.walk as walks
    from model import DeepSmileNet
    from smile_point import TemporalModel

    points.torch = walks.torch = OnCpu("torch")  # type: ignore[attr-defined]
    pixels = numbers("pixels", (2, 5, 3, 48, 48), 0.2, 0.5).double()
    found = recorded("real", DeepSmileNet(), pixels, torch.zeros(2, dtype=torch.int64))
    cloud = numbers("cloud", (2, 2, 478, 3), 0.2, 0.5).double()
    found |= recorded("mesh", TemporalModel(), cloud)

    cells = json.loads((hada / NOTEBOOK).read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    space: dict[str, Any] = {}
    for cell in code[: next(i for i, text in enumerate(code) if "class TemporalModel" in text) + 1]:
        exec(cell, space)
    found |= recorded("hada", space["TemporalModel"](), cloud, numbers("markers", (2, 225)).double())
    np.savez_compressed(Path(__file__).with_name("smile_reference.npz"), **found)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
