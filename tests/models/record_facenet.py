"""Records what facenet-pytorch gives for a reproducible state dict and input: tests/models/facenet_reference.npz.

It pins an old torch, so it is no dependency; run this where it is installed without its pins::

    pip install --target facenet requests tqdm && pip install --no-deps --target facenet facenet-pytorch
    PYTHONPATH=facenet python tests/models/record_facenet.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from facenet_pytorch import InceptionResnetV1
from model_cases import numbers, random_state

VGGFACE2_CLASSES = 8631


def main() -> None:
    torch.set_num_threads(1)
    net = InceptionResnetV1(classify=True, num_classes=VGGFACE2_CLASSES).eval()
    state = random_state(net.state_dict())
    net.load_state_dict(state)
    images = numbers("images", (2, 3, 160, 160), 0.5)
    net.logits = torch.nn.Identity()
    with torch.no_grad():
        embedding = net(images)
        net.classify = False
        normalised = net(images)
    np.savez_compressed(
        Path(__file__).with_name("facenet_reference.npz"),
        embedding=embedding.numpy(),
        normalised=normalised.numpy(),
        keys=np.array(list(state)),
        shapes=np.array([" ".join(map(str, v.shape)) for v in state.values()]),
    )


if __name__ == "__main__":
    main()
