"""Auxiliary terms against computations by hand, one sample after another."""

from __future__ import annotations

import math
import multiprocessing
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import distributed

from realfake.composing.composition import compose
from realfake.config import AuxiliaryConfig, TrainConfig
from realfake.data.batch import Batch
from realfake.labels import SASE_FE
from realfake.losses.auxiliary import AuxiliaryTerm, Center, PairRanking, Regression, build_auxiliary
from realfake.streams.stream import StreamValues

BOTH = ("emotion", "authenticity")

BATCH = Batch(
    emotion=torch.tensor([0, 0, 0, 1, 1, -1, 2]),
    authenticity=torch.tensor([1, 0, 0, 1, 0, 1, -1]),
    pair=torch.tensor([4, 4, 4, 7, -1, 7, 4]),
)
"""Pair 4 has one real and two fake samples, and one without a label; pair 7 has no fake one."""


@cache
def options(*words: str) -> AuxiliaryConfig:
    return compose("train", ["auxiliary=[pair_ranking,center]", *words], TrainConfig).auxiliary


def term(name: str, *words: str, tasks: tuple[str, ...] = BOTH, features: int = 2) -> AuxiliaryTerm:
    found = build_auxiliary(options(*words), SASE_FE, tasks, features)[name]
    assert isinstance(found, AuxiliaryTerm)
    return found


@pytest.mark.parametrize(("words", "loss"), [
    ((), lambda d: math.log(1 + math.exp(-d))),
    (("auxiliary.pair_ranking.loss=hinge", "auxiliary.pair_ranking.margin=2.0"), lambda d: max(0.0, 2.0 - d)),
], ids=["logistic", "hinge"])  # fmt: skip
@pytest.mark.parametrize("tasks", [BOTH, ("joint",)])
def test_pair_ranking_by_hand(words, loss, tasks) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = {t: torch.randn(7, SASE_FE.size(t), generator=generator, requires_grad=True) for t in tasks}
    probabilities = SASE_FE.complete({t: x.detach().double().softmax(1) for t, x in logits.items()})["authenticity"]
    odds = (probabilities[:, 1] / probabilities[:, 0]).log().tolist()
    ranking = term("pair_ranking", *words, tasks=tasks)
    mean, number = ranking(BATCH, torch.zeros(7, 2), logits)
    assert mean.item() == pytest.approx((loss(odds[0] - odds[1]) + loss(odds[0] - odds[2])) / 2, rel=1e-5)
    assert number == 2
    mean.backward()
    gradient = logits[tasks[-1]].grad
    assert (gradient != 0).any(dim=1).tolist()[3:] == [False] * 4  # who is compared with nobody


def test_no_pair_is_0_with_a_graph() -> None:
    logits = {"authenticity": torch.randn(7, 2, requires_grad=True)}
    for batch in (Batch(BATCH, pair=torch.full((7,), -1)), Batch(BATCH, authenticity=torch.ones(7, dtype=torch.int64))):
        mean, number = term("pair_ranking", tasks=("authenticity",))(batch, torch.zeros(7, 2), logits)
        assert (mean.item(), number.item()) == (0.0, 0)
        mean.backward()
        assert not logits["authenticity"].grad.any()


def test_an_epoch_compares_all_samples_of_a_pair() -> None:
    ranking = term("pair_ranking")
    generator = torch.Generator().manual_seed(0)
    scores, pair = torch.randn(60, generator=generator), torch.randint(-1, 9, (60,), generator=generator)
    labels = Batch(authenticity=torch.randint(-1, 2, (60,), generator=generator), pair=pair)
    mean, number = ranking.reduce(scores, labels)
    assert number > 20
    assert ranking.over_epoch(scores, labels) == pytest.approx(mean.item(), rel=1e-5)
    assert math.isnan(ranking.over_epoch(scores, Batch(labels, pair=torch.full((60,), -1))))


def test_centers_by_hand() -> None:
    """The distances are those from the centers before they move, and no gradient goes through these."""
    center = term("center", "auxiliary.center.task=emotion", "auxiliary.center.rate=0.5")
    assert isinstance(center, Center)
    with torch.no_grad():
        center.centers[1] = torch.tensor([1.0, -1.0])
    features = torch.arange(14.0).view(7, 2).requires_grad_()
    mean, number = center(BATCH, features, {})
    x, c = features.tolist(), [[0.0, 0.0], [1.0, -1.0], [0.0, 0.0]]
    emotions = BATCH["emotion"].tolist()
    each = [0.5 * ((a - c[e][0]) ** 2 + (b - c[e][1]) ** 2) for (a, b), e in zip(x, emotions, strict=True) if e >= 0]
    assert mean.item() == pytest.approx(sum(each) / 6)
    assert number == 6
    mean.backward()
    assert features.grad.tolist() == [
        pytest.approx([(v - m) / 6 for v, m in zip(values, c[e], strict=True)] if e >= 0 else [0.0, 0.0])
        for values, e in zip(x, emotions, strict=True)
    ]
    for emotion in range(3):
        own = [values for values, e in zip(x, emotions, strict=True) if e == emotion]
        moved = [m - 0.5 * sum(m - values[i] for values in own) / (1 + len(own)) for i, m in enumerate(c[emotion])]
        assert center.centers[emotion].tolist() == pytest.approx(moved)
    assert not center.centers[3:].any()
    before = center.centers.clone()
    scores = center.score(BATCH, features, {})
    assert scores.isnan().tolist() == [e < 0 for e in emotions]
    assert center.over_epoch(scores, BATCH) == pytest.approx(scores[~scores.isnan()].mean().item())
    assert torch.equal(center.centers, before)  # measuring moves nothing
    again = term("center", "auxiliary.center.task=emotion")
    again.load_state_dict(center.state_dict())
    assert torch.equal(again.centers, before)  # type: ignore[arg-type]


def moved_centers(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    center = Center(options().center, SASE_FE, BOTH, 2)  # type: ignore[arg-type]
    own = Batch({name: values[rank::2] for name, values in BATCH.items()})  # type: ignore[attr-defined, typeddict-item]
    center(own, torch.arange(14.0).view(7, 2)[rank::2], {})
    torch.save(center.centers, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_processes_move_centers_together(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=moved_centers, args=(rank, str(tmp_path))) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    alone = Center(options().center, SASE_FE, BOTH, 2)  # type: ignore[arg-type]
    alone(BATCH, torch.arange(14.0).view(7, 2), {})
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt", weights_only=True), alone.centers)


def test_auto_centers_are_of_what_is_told_first() -> None:
    assert [term("center", tasks=tasks).centers.shape[0] for tasks in (BOTH, ("joint",), ("authenticity",))] == [
        12, 12, 2
    ]  # fmt: skip
    assert isinstance(term("pair_ranking"), PairRanking)


def regressed(*words: str) -> tuple[Regression, Batch]:
    """The term, with statistics of the training part, and four samples, of which the third has no target."""
    cfg = compose("train", ["signals=[drawn]", "auxiliary=[regression]", *words], TrainConfig)
    found = build_auxiliary(cfg.auxiliary, SASE_FE, BOTH, 3, cfg.targets)["regression"]
    assert isinstance(found, Regression)
    (info,) = cfg.targets.values()
    generator = torch.Generator().manual_seed(0)
    values = 3.0 * torch.randn(4, 1, *info.shape, generator=generator)
    found.take_statistics({info.name: (torch.full((info.size,), 2.0), torch.full((info.size,), 4.0))})
    valid = torch.tensor([[True], [True], [False], [True]])
    return found, Batch(streams={info.name: StreamValues(values, torch.zeros(4, 1), valid)})


@pytest.mark.parametrize(("target", "column"), [("apex", 1), ("intensity", 0)])
def test_regression_of_one_number_by_hand(target: str, column: int) -> None:
    term, batch = regressed(f"auxiliary.regression.target={target}", "auxiliary.regression.delta=0.4")
    features = torch.arange(12.0).view(4, 3).requires_grad_()
    mean, number = term(batch, features, {})
    said = [
        sum(w * x for w, x in zip(term.layer.weight[0].tolist(), row, strict=True)) + term.layer.bias.item()
        for row in features.tolist()
    ]
    aim = [(row[0][column] - 2.0) / 4.0 for row in batch["streams"]["units_apex"].values.tolist()]
    errors = [abs(said[i] - aim[i]) for i in (0, 1, 3)]
    expected = [e**2 / 2 if e <= 0.4 else 0.4 * (e - 0.2) for e in errors]
    assert mean.item() == pytest.approx(sum(expected) / 3, rel=1e-5)
    assert number == 3
    mean.backward()
    assert (features.grad != 0).any(dim=1).tolist() == [True, True, False, True]


def test_regression_of_all_numbers_of_a_stream() -> None:
    term, batch = regressed("auxiliary.regression.target=landmarks_markers")
    assert tuple(term.layer.weight.shape) == (150, 3)
    scores = term.score(batch, torch.zeros(4, 3), {})
    assert scores.isnan().tolist() == [False, False, True, False]
    aim = (batch["streams"]["landmarks_markers"].values.flatten(1) - 2.0) / 4.0
    lost = torch.nn.functional.smooth_l1_loss(term.layer.bias.expand(4, -1), aim, reduction="none").mean(dim=1)
    assert scores[[0, 1, 3]].tolist() == pytest.approx(lost[[0, 1, 3]].tolist())
    without = term.score(Batch(streams={}), torch.zeros(4, 3), {})  # as of other data
    assert without.isnan().all()
    assert math.isnan(term.over_epoch(without, batch))
