"""The label spaces and the words that datasets use for them."""

from __future__ import annotations

import numpy as np
import pytest

from realfake.data.sources.label_names import read_authenticity, read_emotion, read_joint
from realfake.labels import ABSENT, AUTHENTICITIES, EMOTIONS, SASE_FE, Authenticity, Emotion, LabelSpace, told_by


def test_the_twelve_joint_classes_are_alphabetical_and_fake_comes_first() -> None:
    joint = SASE_FE.names("joint")
    assert list(joint) == sorted(joint)
    assert (joint[0], joint[5], joint[6], joint[11]) == ("fake_angry", "fake_surprise", "real_angry", "real_surprise")
    assert EMOTIONS == ("angry", "contempt", "disgust", "happy", "sad", "surprise")
    assert AUTHENTICITIES == ("fake", "real")


@pytest.mark.parametrize("emotions", [EMOTIONS, ("happy",), (*EMOTIONS, "fear")])
def test_joint_classes_and_their_parts(emotions: tuple[str, ...]) -> None:
    space = LabelSpace(emotions)
    joint = np.arange(space.size("joint"))
    emotion, authenticity = space.split_joints(joint)
    assert joint.tolist() == space.joint_classes(emotion, authenticity).tolist()
    names = [f"{AUTHENTICITIES[a]}_{emotions[e]}" for e, a in zip(emotion, authenticity, strict=True)]
    assert names == list(space.names("joint"))
    p = np.random.default_rng(0).dirichlet(np.ones(len(joint)), 5)
    of_emotion, of_authenticity = space.marginals(p)
    for k in joint:
        of_emotion[:, emotion[k]] -= p[:, k]
        of_authenticity[:, authenticity[k]] -= p[:, k]
    assert np.abs(of_emotion).max() < 1e-12
    assert np.abs(of_authenticity).max() < 1e-12


@pytest.mark.parametrize(
    ("heads", "told"),
    [
        (["joint"], ["joint", "emotion", "authenticity"]),
        (["emotion", "authenticity"], ["joint", "emotion", "authenticity"]),
        (["authenticity"], ["authenticity"]),
        (["emotion"], ["emotion"]),
    ],
)
def test_what_heads_tell(heads: list[str], told: list[str]) -> None:
    p = {task: np.random.default_rng(1).dirichlet(np.ones(SASE_FE.size(task)), 4) for task in heads}
    assert list(told_by(heads)) == told == list(SASE_FE.complete(p)) == list(SASE_FE.decide(p))


def test_there_is_no_other_task() -> None:
    with pytest.raises(ValueError, match="task=valence: expected one of joint, emotion, authenticity"):
        SASE_FE.names("valence")


def test_emotions_of_another_space_are_found_by_name() -> None:
    numbers = np.array(LabelSpace(("happy", "fear", "sad")).numbers(("sad", "neutral", "happy")))
    assert numbers[[0, 1, 2, ABSENT]].tolist() == [2, ABSENT, 0, ABSENT]


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
