"""Splits: by subject, whatever the table looks like."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realfake.composing.composition import compose, option
from realfake.config import HoldoutSplit, KFoldSplit, LosoSplit, OfficialSplit, SplitConfig, ThesisSplit, TrainConfig
from realfake.data.clips import UNUSED, Clip, clip_frame
from realfake.data.grouping import balanced_folds, group_clips
from realfake.data.splits import assign_parts, check_split, leaks
from realfake.errors import UserError
from realfake.labels import ABSENT, EMOTIONS

SPLITS: list[SplitConfig] = [
    option(HoldoutSplit),
    option(ThesisSplit),
    option(KFoldSplit, folds=3),
    option(LosoSplit),
]


def table(subjects: Iterable[str], clips_each: int = 12, part: str = "") -> pd.DataFrame:
    """Each subject shows the twelve classes in turn."""
    return clip_frame(
        Clip(f"{s}/{i}", f"{s}/{i}.mp4", "d", s, i % 6, i // 6 % 2, f"{s}/{EMOTIONS[i % 6]}", part)
        for s in subjects
        for i in range(clips_each)
    )


def of_part(frame: pd.DataFrame, parts: np.ndarray, part: str) -> set[str]:
    return set(frame["subject"][parts == part])


@pytest.mark.parametrize("split", SPLITS, ids=lambda s: s.name)
@pytest.mark.parametrize("n", [3, 4, 7, 50])
def test_every_part_has_whole_subjects(split: SplitConfig, n: int) -> None:
    frame = table(f"s{i}" for i in range(n))
    parts = assign_parts(frame, split)
    sets = [of_part(frame, parts, p) for p in ("train", "val", "test")]
    assert all(sets)
    assert sum(map(len, sets)) == n
    assert not leaks(frame, parts)
    train = frame[parts == "train"]
    assert len(set(zip(train["emotion"], train["authenticity"], strict=True))) == 12


@pytest.mark.parametrize("split", SPLITS, ids=lambda s: s.name)
def test_the_order_of_rows_does_not_matter(split: SplitConfig) -> None:
    frame = table(f"s{i}" for i in range(11))
    expected = dict(zip(frame["clip"], assign_parts(frame, split), strict=True))
    shuffled = frame.sample(frac=1.0, random_state=3)
    assert dict(zip(shuffled["clip"], assign_parts(shuffled, split), strict=True)) == expected


def test_thesis_tests_ten_of_fifty_and_seeds_differ() -> None:
    frame = table(f"s{i}" for i in range(50))
    parts = [assign_parts(frame, option(ThesisSplit, seed=seed)) for seed in (0, 0, 1)]
    assert len(of_part(frame, parts[0], "test")) == 10
    assert len(of_part(frame, parts[0], "train") | of_part(frame, parts[0], "val")) == 40
    assert (parts[0] == parts[1]).all()
    assert of_part(frame, parts[0], "test") != of_part(frame, parts[2], "test")


@pytest.mark.parametrize("split", SPLITS, ids=lambda s: s.name)
def test_two_subjects_are_too_few(split: SplitConfig) -> None:
    with pytest.raises(UserError, match="2 subjects; at least 3 are needed"):
        assign_parts(table(["a", "b"]), split)


def test_a_rare_class_stays_in_training() -> None:
    frame = table([f"s{i}" for i in range(6)], clips_each=11)
    for only in range(6):
        one = pd.concat([frame, clip_frame([Clip("rare", "r.mp4", "d", f"s{only}", 5, 1)])], ignore_index=True)
        for split in (option(HoldoutSplit), option(ThesisSplit)):
            assert assign_parts(one, split)[-1] == "train"


def test_kfold_tests_every_subject_once_with_balanced_classes() -> None:
    rng = np.random.default_rng(0)
    frame = pd.concat([table([f"s{i:02}"], clips_each=int(rng.integers(3, 25))) for i in range(40)], ignore_index=True)
    tested: list[str] = []
    shares = []
    for fold in range(5):
        parts = assign_parts(frame, option(KFoldSplit, folds=5, fold=fold))
        tested += sorted(of_part(frame, parts, "test"))
        test = frame[parts == "test"]
        shares.append(np.bincount(test["authenticity"] * 6 + test["emotion"], minlength=12))
    assert sorted(tested) == sorted(set(frame["subject"]))
    total = np.sum(shares, axis=0)
    assert np.abs(np.array(shares) - total / 5).max() <= 3


@given(st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), min_size=4, max_size=30), st.integers(2, 4))
@settings(max_examples=50)
def test_no_fold_is_empty(counts: list[list[int]], folds: int) -> None:
    result = balanced_folds(np.array(counts, float), folds, seed=1)
    assert set(result) == set(range(folds))


def test_kfold_and_loso_that_do_not_fit() -> None:
    frame = table(["a", "b", "c"])
    with pytest.raises(UserError, match=r"split\.folds=5: there are only 3 subjects"):
        assign_parts(frame, option(KFoldSplit))
    with pytest.raises(UserError, match=r"split\.fold=3: expected 0 to 2"):
        assign_parts(frame, option(LosoSplit, fold=3))


def test_loso_leaves_out_one_after_another() -> None:
    frame = table(["c", "a", "b", "d"])
    tests = [of_part(frame, assign_parts(frame, option(LosoSplit, fold=i)), "test") for i in range(4)]
    assert tests == [{"a"}, {"b"}, {"c"}, {"d"}]


def test_clips_without_a_subject_are_subjects_of_their_own() -> None:
    frame = clip_frame(Clip(f"c{i}", f"c{i}.mp4", "d", "", i % 6, i % 2) for i in range(60))
    parts = assign_parts(frame, option(HoldoutSplit))
    assert (parts == "test").sum() == 12
    assert (parts == "val").sum() == 10


def test_equal_names_in_two_datasets_are_two_subjects() -> None:
    frame = table(["1", "2", "3"])
    other = frame.assign(dataset="e", clip="e/" + frame["clip"])
    _, names = group_clips(pd.concat([frame, other], ignore_index=True))
    assert len(names) == 6


# --- official parts and folds ----------------------------------------------------------------------------------------


def test_official_parts_are_obeyed() -> None:
    frame = pd.concat(
        [table(["a", "b"], part="train"), table(["c"], part="val"), table(["d"], part="test"), table(["e"])],
        ignore_index=True,
    )
    parts = assign_parts(frame, option(HoldoutSplit))
    assert [of_part(frame, parts, p) for p in ("train", "val", "test")] == [{"a", "b", "e"}, {"c"}, {"d"}]
    free = [assign_parts(frame, option(HoldoutSplit, official=False, seed=s)) for s in range(5)]
    assert any((f != parts).any() for f in free)


def test_a_missing_official_part_is_carved_from_training() -> None:
    frame = pd.concat([table([f"s{i}" for i in range(10)], part="train"), table(["t"], part="test")], ignore_index=True)
    parts = assign_parts(frame, option(HoldoutSplit))
    assert of_part(frame, parts, "test") == {"t"}
    assert len(of_part(frame, parts, "val")) == 2
    only_train = frame[frame["part"] == "train"]
    parts = assign_parts(only_train, option(HoldoutSplit))
    assert [len(of_part(only_train, parts, p)) for p in ("train", "val", "test")] == [6, 2, 2]
    with pytest.raises(UserError, match="no training part"):
        assign_parts(frame[frame["part"] == "test"], option(HoldoutSplit))
    with pytest.raises(UserError, match="at least 3 are needed"):
        assign_parts(only_train[only_train["subject"] < "s2"], option(HoldoutSplit))


def test_official_parts_without_labels_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    hidden = clip_frame(Clip(f"v{i}", f"v{i}.mp4", "d", "", i % 6, ABSENT, part="val") for i in range(6))
    frame = pd.concat([table([f"s{i}" for i in range(10)], part="train"), hidden], ignore_index=True)
    parts = assign_parts(frame, option(HoldoutSplit))
    assert (parts[-6:] == UNUSED).all()
    assert (parts[:-6] != UNUSED).all()
    assert set(parts[:-6]) == {"train", "val", "test"}
    assert "official val part has no authenticity labels" in caplog.text


def test_official_folds() -> None:
    frame = table([f"s{i}" for i in range(10)])
    frame["fold"] = frame["subject"].str[1:].astype("int16") // 2
    for fold in range(5):
        parts = assign_parts(frame, option(KFoldSplit, folds=5, fold=fold))
        assert of_part(frame, parts, "test") == {f"s{2 * fold}", f"s{2 * fold + 1}"}
        assert len(of_part(frame, parts, "val")) == 2
    with pytest.raises(UserError, match=r"5 official folds; use split\.folds=5, or split\.official=false"):
        assign_parts(frame, option(KFoldSplit, folds=3))
    assert (assign_parts(frame, option(KFoldSplit, folds=3, official=False)) == "test").any()


# --- leaks -----------------------------------------------------------------------------------------------------------


def folds_of(frame: pd.DataFrame, numbers: int) -> pd.DataFrame:
    return frame.assign(fold=frame["subject"].str.slice(1).astype(int) % numbers)


def test_official_takes_what_the_dataset_declares_and_nothing_else() -> None:
    """One name for the ten folds of UvA-NEMO and for the parts of the challenge, with or without a validation part."""
    nemo = folds_of(table(f"s{i}" for i in range(30)), 10)
    tested = [of_part(nemo, assign_parts(nemo, option(OfficialSplit, fold=k)), "test") for k in range(10)]
    assert tested == [{f"s{i}" for i in range(30) if i % 10 == k} for k in range(10)]
    same = option(KFoldSplit, folds=10, fold=3)
    assert (assign_parts(nemo, option(OfficialSplit, fold=3)) == assign_parts(nemo, same)).all()
    challenge = pd.concat(
        [table([f"{part}{i}" for i in range(4)], part=part) for part in ("train", "val", "test")], ignore_index=True
    )
    parts = assign_parts(challenge, option(OfficialSplit))
    assert parts.tolist() == challenge["part"].tolist()
    unnamed = challenge.assign(authenticity=np.where(challenge["part"] == "val", ABSENT, challenge["authenticity"]))
    parts = assign_parts(unnamed, option(OfficialSplit))
    assert set(parts[challenge["part"] == "val"]) == {UNUSED}
    assert len(of_part(unnamed, parts, "val")) == 1
    assert of_part(unnamed, parts, "val") < {f"train{i}" for i in range(4)}


@pytest.mark.parametrize(("keys", "line"), [
    ({"part": ""}, "the dataset declares neither parts nor folds; expected split=holdout, kfold, loso or thesis"),
    ({"part": "train"}, "the dataset declares no test part"),
    ({"part": ["train"] * 36 + ["test"] * 12, "authenticity": ABSENT}, "no authenticity is known in the dataset's own"),
    ({"fold": [0] * 24 + [1] * 24}, r"has 2 folds; expected one of them, split\.fold=0 to 1"),
    ({"fold": [0] * 24 + [1] * 24, "split": 2}, r"split\.fold=2: expected 0 to 1, the dataset's own folds"),
    ({"part": ["train"] * 36 + ["test"] * 12, "split": 0}, r"split\.fold=0: the dataset has parts and no folds"),
])  # fmt: skip
def test_official_where_nothing_of_the_kind_is_declared(keys: dict[str, Any], line: str) -> None:
    frame = table(f"s{i}" for i in range(4))
    split = option(OfficialSplit, fold=keys.pop("split", None))
    for ask in (check_split, assign_parts):
        with pytest.raises(UserError, match=line) as error:
            ask(frame.assign(**keys), split)
        assert "\n" not in str(error.value)


def test_official_parts_that_leak_say_how_to_do_without() -> None:
    torn = table(f"s{i}" for i in range(6)).assign(part=["test", *["train"] * 59, *["test"] * 12])
    with pytest.raises(UserError, match=r"leak: .* is in train and test .*use split=kfold split\.official=false"):
        assign_parts(torn, option(OfficialSplit))


def test_generated_faces_declare_nothing() -> None:
    with pytest.raises(UserError, match="split=official: data=synthetic declares neither parts nor folds"):
        compose("train", ["split=official"], TrainConfig)


def test_folds_by_the_number_of_the_subject() -> None:
    frame = folds_of(table(f"s{i:02}" for i in range(1, 24)), 2)  # the dataset's own folds are left alone
    for fold in range(10):
        split = option(KFoldSplit, folds=10, fold=fold, by="subject_number")
        tested = of_part(frame, assign_parts(frame, split), "test")
        assert tested == {f"s{i:02}" for i in range(1, 24) if i % 10 == fold}
    for subjects, line in (
        (["anna", "s1", "s2"], "'anna' has no numbers"),
        (["a1b2", "s1", "s2"], "'a1b2' has several numbers"),
        (["s1", "s3", "s5"], r"split\.folds=2: no subject's number has the remainder 0"),
    ):
        split = option(KFoldSplit, folds=2, by="subject_number")
        for ask in (check_split, assign_parts):
            with pytest.raises(UserError, match=line):
                ask(table(subjects), split)


def test_leaks_are_named() -> None:
    frame = table(["a", "b", "c"]).assign(sha256=[f"{i:064x}" for i in range(36)])
    parts = np.repeat(["train", "val", "test"], 12)
    assert leaks(frame, parts) == []
    torn = parts.copy()
    torn[0] = "test"
    found = leaks(frame, torn)
    assert len(found) == 2
    assert "pair 'a/angry' is in train and test (a/6 and a/0)" in found
    assert any(line.startswith("subject 'a' is in train and test") for line in found)
    frame.loc[0, "sha256"] = f"{30:064x}"
    assert leaks(frame, parts) == [f"sha256 '{30:064x}' is in train and test (a/0 and c/6)"]
    torn[0] = UNUSED
    assert leaks(frame, torn) == []


def test_official_parts_that_leak_are_refused() -> None:
    frame = table(["a", "b", "c", "d"], part="train")
    frame.loc[frame.index[-1], "part"] = "test"
    with pytest.raises(UserError, match=r"own parts leak: pair 'd/surprise' .* and 1 more; .*split\.official=false"):
        assign_parts(frame, option(HoldoutSplit))
    parts = assign_parts(frame, option(HoldoutSplit, official=False))
    assert not leaks(frame, parts)


ROW = st.tuples(
    st.sampled_from("abcdefgh "),
    st.sampled_from(["", "", "p", "q", "r"]),
    st.sampled_from(["", "x", "y", "z"]),
    st.integers(-1, 5),
    st.integers(-1, 1),
)
"""Subject, pair, checksum, emotion, authenticity."""


@given(st.lists(ROW, min_size=1, max_size=40), st.sampled_from(SPLITS), st.integers(0, 3))
@settings(max_examples=150)
def test_no_table_ever_leaks(rows: list[tuple[str, str, str, int, int]], split: SplitConfig, seed: int) -> None:
    """Subjects, pairs and identical files may be entangled as they like."""
    frame = clip_frame(Clip(f"c{i}", f"c{i}.mp4", "d", r[0].strip(), r[3], r[4], r[1]) for i, r in enumerate(rows))
    frame["sha256"] = [f"{i}" if not r[2] else r[2] for i, r in enumerate(rows)]
    _, names = group_clips(frame)
    split = split.model_copy(update={"seed": seed})
    if len(names) < 3:
        with pytest.raises(UserError, match="at least 3"):
            assign_parts(frame, split)
        return
    parts = assign_parts(frame, split)
    assert set(parts) == {"train", "val", "test"}
    assert not leaks(frame, parts)
