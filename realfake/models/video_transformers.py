"""VideoMAE, MARLIN and V-JEPA 2, as the library ``transformers`` has them; features are a mean of their tokens."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from torch import Tensor, nn

from realfake.config import PATCH, TUBELET, VARIANTS, InputSpec, VideoTransformer
from realfake.errors import UserError, install
from realfake.models.backbone import Backbone

LAYER_NORM_EPS = {"videomae": 1e-12, "vjepa2": 1e-6, "marlin": 1e-5}
"""As published: VideoMAE's by its files on the hub, V-JEPA 2's and MARLIN's by their code."""

DROPPED = {
    "videomae": ("classifier.", "decoder.", "encoder_to_decoder.", "mask_token", "position_embeddings"),
    "vjepa2": ("predictor.", "pooler.", "classifier."),
    "marlin": (),
}
"""Beginnings of keys of published files that belong to what the features are not made by."""


class VideoMae(nn.Module):
    """VideoMAE (Tong et al. 2022, <https://arxiv.org/abs/2203.12602>): the normalised mean of all tokens.

    That is what its publication puts the classifier on when it is fine-tuned, and what MARLIN (Cai et al. 2023,
    <https://arxiv.org/abs/2211.06627>), whose encoder is the same, calls the features of a clip.
    """

    def __init__(self, cfg: VideoTransformer, spec: InputSpec) -> None:
        super().__init__()
        library, size = _library(cfg.name), VARIANTS[cfg.variant]
        options = library.VideoMAEConfig(
            **_common(cfg),
            intermediate_size=size.hidden,
            image_size=spec.size,
            num_frames=spec.frames,
            patch_size=PATCH,
            tubelet_size=TUBELET,
            use_mean_pooling=True,
        )
        self.videomae = library.VideoMAEModel(options)
        self.fc_norm = nn.LayerNorm(size.width, eps=LAYER_NORM_EPS[cfg.name])

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, width)."""
        tokens: Tensor = self.videomae(x.transpose(1, 2)).last_hidden_state
        normalised: Tensor = self.fc_norm(tokens.mean(dim=1))
        return normalised


class VJepa2(nn.Module):
    """V-JEPA 2 (Assran et al. 2025, <https://arxiv.org/abs/2506.09985>): the mean of the encoder's normalised tokens.

    Its publication trains an attentive probe of four blocks on all tokens instead.
    """

    def __init__(self, cfg: VideoTransformer, spec: InputSpec) -> None:
        super().__init__()
        library, size = _library(cfg.name), VARIANTS[cfg.variant]
        options = library.VJEPA2Config(
            **_common(cfg),
            mlp_ratio=size.hidden / size.width,
            crop_size=spec.size,
            frames_per_clip=spec.frames,
            patch_size=PATCH,
            tubelet_size=TUBELET,
            pred_num_hidden_layers=0,  # the predictor serves pre-training alone
        )
        self.encoder = library.VJEPA2Model(options).encoder

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, width)."""
        tokens: Tensor = self.encoder(pixel_values_videos=x.transpose(1, 2)).last_hidden_state
        return tokens.mean(dim=1)


def build_video_transformer(cfg: VideoTransformer, spec: InputSpec) -> Backbone:
    """Make one of these networks without weights.

    Raises:
        UserError: If the package transformers is missing.
    """
    net = VJepa2(cfg, spec) if cfg.name == "vjepa2" else VideoMae(cfg, spec)
    return Backbone(cfg.name, net, spec, VARIANTS[cfg.variant].width, classifier=DROPPED[cfg.name])


def _common(cfg: VideoTransformer) -> dict[str, Any]:
    size = VARIANTS[cfg.variant]
    return {
        "hidden_size": size.width,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "layer_norm_eps": LAYER_NORM_EPS[cfg.name],
        "attn_implementation": "sdpa",
    }


def _library(name: str) -> ModuleType:
    try:
        import transformers
    except ImportError:
        raise UserError(f"backbone={name} needs the package transformers: {install('transformers')}") from None
    module: ModuleType = transformers
    return module
