"""Records what the code of MARLIN and VideoMAE gives for reproducible weights and input, at a size of no publication.

Neither is a package that installs here, so they are no dependencies; run this where both repositories lie::

    git clone https://github.com/ControlNet/MARLIN && git clone https://github.com/MCG-NJU/VideoMAE
    pip install --target einops einops
    mkdir -p marlin/model && cp MARLIN/src/marlin_pytorch/model/{encoder,modules,positional_embedding}.py marlin/model
    PYTHONPATH=marlin:VideoMAE:einops python tests/models/record_video_transformers.py
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import modeling_finetune
import numpy as np
import torch
from model.encoder import MarlinEncoder
from model_cases import numbers, random_state
from torch import nn

SIZES = {"img_size": 32, "embed_dim": 64, "depth": 2, "num_heads": 4, "mlp_ratio": 4.0, "qkv_bias": True}


class Marlin(nn.Module):
    """As its files of weights name it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MarlinEncoder(n_frames=4, **SIZES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of a clip, as its extractor gives them."""
        return self.encoder.extract_features(x, seq_mean_pool=True)


def videomae() -> nn.Module:
    """As it is fine-tuned, with a classifier of three classes."""
    norm = partial(nn.LayerNorm, eps=1e-12)
    return modeling_finetune.VisionTransformer(all_frames=4, num_classes=3, norm_layer=norm, **SIZES)


def main() -> None:
    torch.set_num_threads(1)
    found = {}
    for name, net in (("marlin", Marlin()), ("videomae", videomae())):
        random = random_state({key: value for key, value in net.state_dict().items() if "pos_emb" not in key})
        net.load_state_dict({**net.state_dict(), **random})
        if name == "videomae":
            net.head = nn.Identity()
        with torch.no_grad():
            found[f"{name}_features"] = net.eval()(numbers("clips", (2, 3, 4, 32, 32), 0.5)).numpy()
        state = {**net.state_dict(), **random}
        found[f"{name}_keys"] = np.array(list(state))
        found[f"{name}_shapes"] = np.array([" ".join(map(str, v.shape)) for v in state.values()])
    np.savez_compressed(Path(__file__).with_name("video_transformers_reference.npz"), **found)


if __name__ == "__main__":
    main()
