"""Published weights by name: which there are, where they lie, and what to do without a network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import torch

from realfake.config import BackboneConfig, SequenceBackbone, TimmBackbone, VideoTransformer
from realfake.errors import UserError
from realfake.models.backbone import Backbone
from realfake.models.pytorchvideo_networks import FEATURES as PYTORCHVIDEO
from realfake.models.torchvision_networks import LAST_LAYER as TORCHVISION
from realfake.models.weight_files import below_prefix, load_published_state, read_state_dict
from realfake.published import obtain

FACENET_URL = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"
FACENET_FILES = {"vggface2": "20180402-114759-vggface2.pt", "casia_webface": "20180408-102900-casia-webface.pt"}
PYTORCHVIDEO_URL = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics"
PYTORCHVIDEO_FILES = {
    "slow_r50": "SLOW_8x8_R50.pyth",
    "x3d_s": "X3D_S.pyth",
    "efficient_x3d_s": "efficient_x3d_s_original_form.pyth",
}
MARLIN_URL = "https://github.com/ControlNet/MARLIN/releases/download/model_v1"
FILE_ENDINGS = (".pt", ".pth", ".pyth", ".ckpt", ".safetensors", ".bin")
TIMEOUT_SEC = 30.0


@dataclass(frozen=True)
class WeightsFile:
    """A published file."""

    name: str
    url: str

    @property
    def filename(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    @property
    def sha256_prefix(self) -> str | None:
        """Start of the file's checksum, where the publisher wrote it into the name (``resnet18-f37072fd.pth``)."""
        match = re.search(r"-([0-9a-f]{8,64})\.", self.filename)
        return match[1] if match else None


def published(backbone: str) -> tuple[WeightsFile, ...]:
    """The published files of a backbone, the default one first; empty if there are none."""
    if backbone in TORCHVISION:
        from torchvision.models import get_model_weights

        enum = get_model_weights(backbone)
        # VGG's feature-only file has no classifier (its linear layers are not a number).
        members = [w for w in enum if not w.name.endswith("_FEATURES")]
        members.sort(key=lambda w: w is not enum.DEFAULT)
        return tuple(WeightsFile(w.name, w.url) for w in members)
    if backbone in PYTORCHVIDEO:
        return (WeightsFile("kinetics400", f"{PYTORCHVIDEO_URL}/{PYTORCHVIDEO_FILES[backbone]}"),)
    if backbone == "inception_resnet_v1":
        return tuple(WeightsFile(name, f"{FACENET_URL}/{file}") for name, file in FACENET_FILES.items())
    if backbone == "marlin":
        names = [f"marlin_vit_{size}_ytf" for size in ("base", "small", "large")]
        return tuple(WeightsFile(name, f"{MARLIN_URL}/{name}.encoder.pt") for name in names)
    return ()


def load_weights(backbone: Backbone, name: str, weights: str) -> None:
    """Fill a backbone with published weights or those of a local file.

    Args:
        backbone: What :func:`realfake.models.build_backbone` made for ``name``.
        name: The backbone's name in the configuration.
        weights: ``none``, ``default``, a published name (in any case), or a path.

    Raises:
        UserError: If there are no such weights, the file cannot be had or is not what was published, or does not fit.
    """
    if weights == "none":
        return
    file = find(name, weights)
    path = Path(weights).expanduser() if file is None else fetch(file)
    state = read_state_dict(path)
    if name == "vit_b_16":
        state = _resize_positions(
            below_prefix(state, backbone.net.state_dict().keys(), str(path)), backbone.pixels.size
        )
    load_published_state(backbone, state, str(path))


def obtain_weights(cfg: BackboneConfig) -> None:
    """Have the weights of a backbone on this machine, published ones downloaded; timm sees to its own.

    Raises:
        UserError: If there are no such weights, or they cannot be had.
    """
    if isinstance(cfg, SequenceBackbone) and "pixels" in cfg.streams:
        obtain_weights(cfg.frame)
    if isinstance(cfg, VideoTransformer):
        from realfake.models.video_transformer_weights import weight_files  # which imports this module

        weight_files(cfg)
    elif cfg.weights != "none" and not isinstance(cfg, TimmBackbone):
        file = find(cfg.name, cfg.weights)
        if file is not None:
            fetch(file)


def fetch(file: WeightsFile) -> Path:
    """Return the path of a published file in torch's cache folder, after downloading it if it is not there.

    Raises:
        UserError: If it cannot be downloaded, with what to do by hand; if its checksum is not the published one.
    """
    return obtain(file.url, file.sha256_prefix, timeout_sec=TIMEOUT_SEC)


def find(backbone: str, weights: str) -> WeightsFile | None:
    """The published file that ``weights`` names; null if it is a path.

    Raises:
        UserError: If there are no such weights.
    """
    files = published(backbone)
    names = [file.name for file in files]
    if weights == "default":
        if not files:
            raise UserError(f"backbone.weights=default: {backbone} has no published weights; use none or a path")
        return files[0]
    for file in files:
        if file.name.lower() == weights.lower():
            return file
    path = Path(weights).expanduser()
    if path.exists():
        return None
    if len(path.parts) > 1 or path.suffix in FILE_ENDINGS:
        raise UserError(f"backbone.weights={weights}: no such file")
    known = ["none", *(["default"] if files else []), *names]
    near = get_close_matches(weights.lower(), [k.lower() for k in known], n=1)
    hint = f"; did you mean {next(k for k in known if k.lower() == near[0])!r}?" if near else ""
    raise UserError(
        f"backbone.weights={weights}: {backbone} has no weights of this name (there are: {', '.join(known)}, or a path)"
        f"{hint}"
    )


def _resize_positions(state: dict[str, torch.Tensor], size: int) -> dict[str, torch.Tensor]:
    """Interpolate ViT-B/16's position embedding for another input size, as torchvision does for fine-tuning."""
    from collections import OrderedDict

    from torchvision.models.vision_transformer import interpolate_embeddings

    if "encoder.pos_embedding" not in state:
        return state
    resized: dict[str, torch.Tensor] = interpolate_embeddings(size, 16, OrderedDict(state))
    return resized
