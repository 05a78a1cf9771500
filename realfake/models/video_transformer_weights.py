"""Weights of transformers for video: where they lie, and the names that their publishers gave them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from realfake.config import VideoTransformer
from realfake.errors import UserError
from realfake.models.backbone import Backbone
from realfake.models.timm_networks import offline_if_unreachable
from realfake.models.weight_files import load_published_state, read_state_dict
from realfake.models.weights import fetch, find

HUB = "https://huggingface.co"
DEFAULTS = {
    ("videomae", "small"): "MCG-NJU/videomae-small-finetuned-kinetics",
    ("videomae", "base"): "MCG-NJU/videomae-base",
    ("videomae", "large"): "MCG-NJU/videomae-large",
    ("videomae", "huge"): "MCG-NJU/videomae-huge-finetuned-kinetics",
    ("vjepa2", "large"): "facebook/vjepa2-vitl-fpc64-256",
    ("vjepa2", "huge"): "facebook/vjepa2-vith-fpc64-256",
    ("vjepa2", "giant"): "facebook/vjepa2-vitg-fpc64-256",
    ("marlin", "small"): "marlin_vit_small_ytf",
    ("marlin", "base"): "marlin_vit_base_ytf",
    ("marlin", "large"): "marlin_vit_large_ytf",
}
"""Network and variant → what ``default`` means."""

FILES = ("*.safetensors", "*.bin")
"""What a folder of ``save_pretrained`` keeps its tensors in; the first kind that there is."""


def load_video_transformer(backbone: Backbone, cfg: VideoTransformer) -> None:
    """Fill a network with the weights that its configuration names.

    Raises:
        UserError: If there are no such weights, they cannot be had, or do not fit.
    """
    files = weight_files(cfg)
    if not files:
        return
    state: dict[str, Tensor] = {}
    for file in files:
        state |= read_state_dict(file)
    source = str(files[0] if len(files) == 1 else files[0].parent)
    if cfg.name != "vjepa2":
        state = _completed(_named_alike(state, marlin=cfg.name == "marlin"), backbone)
    load_published_state(backbone, state, source)


def weight_files(cfg: VideoTransformer) -> list[Path]:
    """The files of a configuration's weights on this machine, published ones downloaded; none of ``none``.

    Raises:
        UserError: If there are no such weights, or they cannot be had.
    """
    weights = cfg.weights
    if weights == "none":
        return []
    if weights == "default":
        if (cfg.name, cfg.variant) not in DEFAULTS:
            raise UserError(
                f"backbone.weights=default: {cfg.name} has no published weights of variant={cfg.variant}; use none or "
                "a path"
            )
        weights = DEFAULTS[cfg.name, cfg.variant]
    path = Path(weights).expanduser()
    if path.is_dir():
        return _inside(path, f"backbone.weights={weights}")
    if cfg.name == "marlin" or path.is_file():
        file = find(cfg.name, weights)
        return [path if file is None else fetch(file)]
    return _of_hub(cfg, weights)


def _inside(folder: Path, said: str) -> list[Path]:
    for kind in FILES:
        if found := sorted(folder.glob(kind)):
            return found
    raise UserError(f"{said}: no {' or '.join(FILES)} in this folder; expected one of save_pretrained")


def _of_hub(cfg: VideoTransformer, name: str) -> list[Path]:
    said = f"backbone.weights={name}"
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII) or Path(name).suffix in (".safetensors", ".bin"):
        known = ", ".join(known for (network, _), known in DEFAULTS.items() if network == cfg.name)
        raise UserError(f"{said}: no such file or folder; expected a path, or a name of the hub such as {known}")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        from realfake.errors import install

        raise UserError(f"{said} needs the package transformers: {install('transformers')}") from None
    try:
        with offline_if_unreachable(True):
            return _inside(Path(snapshot_download(name, allow_patterns=list(FILES[:1]))), said)
    except UserError:
        raise
    except Exception as error:
        # The hub client's own exceptions vary with its version; all of them mean that the files could not be had.
        raise UserError(
            f"weights {name} cannot be downloaded ({type(error).__name__}); get them on a machine with a network from "
            f"{HUB}/{name} and give the folder as backbone.weights=<path>"
        ) from None


# --- names -----------------------------------------------------------------------------------------------------------

BODY = "videomae."
EMBEDDING = "embeddings.patch_embeddings.projection"
ALIKE = (
    (r"^(?:patch_embed\.proj|patch_embedding\.projection)\.", f"{EMBEDDING}."),
    (r"^blocks\.(\d+)\.norm1\.", r"encoder.layer.\1.layernorm_before."),
    (r"^blocks\.(\d+)\.norm2\.", r"encoder.layer.\1.layernorm_after."),
    (r"^blocks\.(\d+)\.attn\.q_bias$", r"encoder.layer.\1.attention.attention.query.bias"),
    (r"^blocks\.(\d+)\.attn\.v_bias$", r"encoder.layer.\1.attention.attention.value.bias"),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.output.dense."),
    (r"^blocks\.(\d+)\.mlp\.(?:fc1|layers\.0\.linear)\.", r"encoder.layer.\1.intermediate.dense."),
    (r"^blocks\.(\d+)\.mlp\.(?:fc2|layers\.1\.linear)\.", r"encoder.layer.\1.output.dense."),
    (r"\.attention\.attention\.q_bias$", ".attention.attention.query.bias"),
    (r"\.attention\.attention\.v_bias$", ".attention.attention.value.bias"),
)
"""Names of VideoMAE's own code, of MARLIN's, and of older releases of transformers → those of the network."""


def _named_alike(state: dict[str, Tensor], *, marlin: bool) -> dict[str, Tensor]:
    """A state dict of VideoMAE's code, MARLIN's or of transformers with the names of the last; others as they are.

    Fixed positions are left out, as are the decoders of pre-training. So is the norm of VideoMAE's pre-trained encoder:
    fine-tuning puts a new one behind the mean of the tokens; MARLIN puts its pre-trained one there.
    """
    own = re.compile(r"(?:.*\.)?(?=(?:patch_embed\.proj|patch_embedding\.projection)\.weight$)")
    prefix = next((found[0] for key in state if (found := own.match(key))), None)
    if prefix is None:
        bare = f"{EMBEDDING}.weight" in state
        renamed = ((f"{BODY}{key}" if bare and not key.startswith("fc_norm.") else key, state[key]) for key in state)
        return {_alike(key): value for key, value in renamed if not key.startswith(f"{BODY}layernorm.")}
    named: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.startswith(prefix):
            named |= dict(_of_one(key.removeprefix(prefix), value, marlin))
    return named


def _of_one(key: str, value: Tensor, marlin: bool) -> Iterator[tuple[str, Tensor]]:
    if key.startswith(("pos_embed", "decoder.", "head.", "mask_token")):
        return
    if key.startswith(("norm.", "fc_norm.")):
        if marlin or key.startswith("fc_norm."):
            yield f"fc_norm.{key.rpartition('.')[2]}", value
    elif found := re.fullmatch(r"blocks\.(\d+)\.attn\.qkv\.weight", key):
        for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
            yield f"{BODY}encoder.layer.{found[1]}.attention.attention.{name}.weight", part.contiguous()
    else:
        yield f"{BODY}{_alike(key)}", value


def _alike(key: str) -> str:
    for pattern, name in ALIKE:
        key = re.sub(pattern, name, key)
    return key


def _completed(state: dict[str, Tensor], backbone: Backbone) -> dict[str, Tensor]:
    """With a new norm behind the mean of the tokens where the file has none, as one that was only pre-trained."""
    norm = {key: value for key, value in backbone.net.state_dict().items() if key.startswith("fc_norm.")}
    if any(key.endswith("fc_norm.weight") for key in state):
        return state
    prefix = next((key.partition(BODY)[0] for key in state if BODY in key), "")
    return {**state, **{f"{prefix}{key}": value for key, value in norm.items()}}
