"""Which detector finds the faces: what ``face=auto`` comes to, decided once, and how a detector is told from others."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

from realfake.config import AutoFace, FaceConfig, HaarFace, NoFace, YunetFace
from realfake.errors import UserError
from realfake.published import file_digest, obtain, published_folder

log = logging.getLogger(__name__)

YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_PLACE = "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"
YUNET_URL = f"https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/{YUNET_FILE}"
TIMEOUT_SEC = 5.0
"""How long the network may be silent: the file is small, and a machine without a network should not wait for it."""

ChosenFace = HaarFace | YunetFace | NoFace


def resolved_face(face: FaceConfig, begun_with: FaceConfig | None = None) -> ChosenFace:
    """What finds the faces, with the detector that ``face=auto`` means in its place.

    Whether YuNet's weights can be had is found out once a process, with one attempt to download them.

    Args:
        face: The configuration.
        begun_with: What found the faces of the run that goes on, which ``auto`` then means.

    Raises:
        UserError: If ``auto`` comes to Haar although a weights file is named, or eyes are needed.
    """
    if not isinstance(face, AutoFace):
        return face
    if face.weights is not None or face.align:
        checked_weights(face)
        name = "yunet"
    elif isinstance(begun_with, HaarFace | YunetFace):
        name = begun_with.name
    else:
        name = "yunet" if _yunet_at_hand(published_folder(), face.sha256) else "haar"
    kind: type[HaarFace | YunetFace] = HaarFace if name == "haar" else YunetFace
    return kind.model_validate({key: getattr(face, key) for key in kind.model_fields} | {"name": name})


@cache
def _yunet_at_hand(folder: Path, sha256: str | None) -> bool:
    """Whether YuNet's file is in the folder of published files, or could be downloaded; if not, it is said."""
    try:
        _published_yunet(sha256)
    except UserError as error:
        log.warning("face=auto: faces are found by Haar, which misses turned and tilted ones, since %s", error)
        return False
    return True


def checked_weights(face: YunetFace | AutoFace) -> Path:
    """The weights file of YuNet, its checksum compared; downloaded if it is not named and not there.

    Raises:
        UserError: If it is not there, another file, or cannot be downloaded.
    """
    if face.weights is None:
        return _published_yunet(face.sha256)
    get = f"get {YUNET_FILE} from the OpenCV Zoo ({YUNET_PLACE}) and give its path as face.weights=/path/{YUNET_FILE}"
    path = Path(face.weights).expanduser()
    if not path.is_file():
        raise UserError(f"face.weights={face.weights}: no such file; {get}")
    expected, found = (face.sha256 or YUNET_SHA256).lower(), file_digest(path)
    if found != expected:
        raise UserError(
            f"face.weights={face.weights}: sha256 {found}, expected {expected}; {get}, or give face.sha256={found} if "
            "the file is trusted"
        )
    return path


def _published_yunet(sha256: str | None) -> Path:
    try:
        return obtain(YUNET_URL, (sha256 or YUNET_SHA256).lower(), timeout_sec=TIMEOUT_SEC, source=YUNET_PLACE)
    except UserError as error:
        raise UserError(f"{error}, or give its path as face.weights=/path/{YUNET_FILE}") from None


def face_identity(face: FaceConfig) -> dict[str, Any]:
    """What shapes the boxes and crops of a detector, wherever its weights lie: in digests, results, exported networks.

    A key that came later is left out where it changes nothing, so that stores keep their names.
    """
    identity = face.model_dump(mode="json")
    if isinstance(face, YunetFace | AutoFace):
        del identity["weights"]  # its content counts, not its place
        identity["sha256"] = (face.sha256 or YUNET_SHA256).lower()
        if not face.align:
            del identity["align"]
    return identity
