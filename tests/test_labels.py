"""The label spaces and the words that datasets use for them."""

from __future__ import annotations

import pytest

from realfake.data.sources.label_names import read_authenticity, read_emotion, read_joint
from realfake.labels import ABSENT, AUTHENTICITIES, EMOTIONS, JOINTS, Authenticity, Emotion, joint_class, split_joint


def test_the_twelve_joint_classes_are_alphabetical_and_fake_comes_first() -> None:
    assert list(JOINTS) == sorted(JOINTS)
    assert (JOINTS[0], JOINTS[5], JOINTS[6], JOINTS[11]) == (
        "fake_angry",
        "fake_surprise",
        "real_angry",
        "real_surprise",
    )
    assert EMOTIONS == ("angry", "contempt", "disgust", "happy", "sad", "surprise")
    assert AUTHENTICITIES == ("fake", "real")


@pytest.mark.parametrize("joint", range(12))
def test_joint_class_and_its_inverse(joint: int) -> None:
    emotion, authenticity = split_joint(joint)
    assert joint == 6 * authenticity + emotion == joint_class(emotion, authenticity)
    assert JOINTS[joint] == f"{AUTHENTICITIES[authenticity]}_{EMOTIONS[emotion]}"


@pytest.mark.parametrize(("emotion", "authenticity"), [(6, 0), (0, 2), (ABSENT, 0), (0, ABSENT)])
def test_labels_outside_their_range_have_no_joint_class(emotion: int, authenticity: int) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        joint_class(emotion, authenticity)


@pytest.mark.parametrize("joint", [-1, 12])
def test_no_such_joint_class(joint: int) -> None:
    with pytest.raises(ValueError, match=f"joint class {joint}: expected 0 to 11"):
        split_joint(joint)


@pytest.mark.parametrize(
    ("word", "emotion"),
    [
        ("angry", Emotion.ANGRY),
        (" Anger ", Emotion.ANGRY),
        ("CONTENTMENT", Emotion.CONTEMPT),
        ("Disgusted", Emotion.DISGUST),
        ("happiness", Emotion.HAPPY),
        ("Sadness", Emotion.SAD),
        ("surprised", Emotion.SURPRISE),
        ("", ABSENT),
        ("NaN", ABSENT),
    ],
)
def test_words_for_emotions(word: str, emotion: int) -> None:
    assert read_emotion(word) == emotion


@pytest.mark.parametrize(
    ("word", "authenticity"),
    [
        ("REAL", Authenticity.REAL),
        ("genuine", Authenticity.REAL),
        ("Spontaneous", Authenticity.REAL),
        ("posed", Authenticity.FAKE),
        ("deliberate", Authenticity.FAKE),
        ("unknown", ABSENT),
    ],
)
def test_words_for_authenticities(word: str, authenticity: int) -> None:
    assert read_authenticity(word) == authenticity


def test_an_unknown_word_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="'supprise'; did you mean 'surprise'"):
        read_emotion("supprise")
    with pytest.raises(ValueError, match="'3'; expected angry, contempt"):
        read_emotion("3")  # codes differ between datasets, so that only words are taken
    with pytest.raises(ValueError, match="did you mean 'fake_happy'"):
        read_joint("fake_hapy")


@pytest.mark.parametrize("text", ["fake_angry", "Fake Anger", "POSED-angry", "angry_fake"])
def test_joint_words(text: str) -> None:
    assert read_joint(text) == (Emotion.ANGRY, Authenticity.FAKE)
