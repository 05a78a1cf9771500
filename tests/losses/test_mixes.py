"""Loss mixes against scikit-learn, hand calculations and their equations."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import precision_score

from realfake.composing.composition import compose, option
from realfake.config import (
    DwaMix,
    GradNormMix,
    MixConfig,
    PrecisionMix,
    SumMix,
    TrainConfig,
    UncertaintyMix,
    WeightedMix,
)
from realfake.losses.mixes import MixContext, batch_accuracy, build_mix, macro_precision

TASKS = ("emotion", "authenticity")
MIXES: list[MixConfig] = [
    option(SumMix),
    option(WeightedMix, emotion=2.0, authenticity=0.5),
    option(PrecisionMix),
    option(PrecisionMix, mode="accuracy"),
    option(UncertaintyMix),
    option(DwaMix),
]
AUXILIARY = {"pair_ranking": 0.5}


def losses(emotion: float = 2.0, authenticity: float = 0.5) -> dict[str, torch.Tensor]:
    return {"emotion": torch.tensor(emotion), "authenticity": torch.tensor(authenticity)}


def logits_of(predicted: list[int], classes: int) -> torch.Tensor:
    return torch.eye(classes)[torch.tensor(predicted)]


@pytest.fixture
def outputs() -> MixContext:
    logits = {
        "emotion": logits_of([0, 0, 1, 2, 2, 5], 6),
        "authenticity": logits_of([0, 0, 1, 1, 1, 1], 2),
    }
    targets = {
        "emotion": torch.tensor([0, 1, 1, 2, 2, -1]),
        "authenticity": torch.tensor([0, 1, 1, 1, 0, 1]),
    }
    return MixContext(logits, targets, {"pair_ranking": torch.tensor(3)}, torch.zeros(6, 4), ())


def test_precision_of_known_predictions_by_hand(outputs):
    total, weights = build_mix(option(PrecisionMix), TASKS)(losses(), outputs)
    # emotion: angry 1 of 2, contempt 1 of 1, disgust 2 of 2; the sixth sample has no label
    emotion = (1 / 2 + 1 + 1) / 3
    # fake 1 of 2, real 3 of 4
    authenticity = (1 / 2 + 3 / 4) / 2
    assert weights["emotion"].item() == pytest.approx(emotion)
    assert weights["authenticity"].item() == pytest.approx(authenticity)
    assert total.item() == pytest.approx(emotion * 2.0 + authenticity * 0.5)

    total, weights = build_mix(option(PrecisionMix, mode="accuracy"), TASKS)(losses(), outputs)
    assert weights["emotion"].item() == pytest.approx(4 / 5)
    assert weights["authenticity"].item() == pytest.approx(4 / 6)
    assert total.item() == pytest.approx(4 / 5 * 2.0 + 4 / 6 * 0.5)


@pytest.mark.parametrize("seed", range(20))
def test_macro_precision_is_scikit_learns(seed):
    generator = torch.Generator().manual_seed(seed)
    size = int(torch.randint(1, 40, (), generator=generator))
    logits, target = torch.randn(size, 12, generator=generator), torch.randint(0, 12, (size,), generator=generator)
    expected = precision_score(target, logits.argmax(dim=1), average="macro", zero_division=0)
    assert macro_precision(logits, target).item() == pytest.approx(expected)


def test_precision_of_a_class_that_is_never_predicted_is_zero():
    assert macro_precision(logits_of([0, 0], 3), torch.tensor([0, 1])).item() == pytest.approx(0.25)


def test_no_labels_no_weight():
    logits, target = torch.randn(4, 6), torch.full((4,), -1)
    assert macro_precision(logits, target) == 0
    assert batch_accuracy(logits, target) == 0


def test_precision_weights_have_no_gradient(outputs):
    logits = {task: x.requires_grad_() for task, x in outputs.logits.items()}
    each = {task: (x**2).mean() for task, x in logits.items()}
    total, weights = build_mix(option(PrecisionMix), TASKS)(each, outputs)
    total.backward()
    for task, x in logits.items():
        torch.testing.assert_close(x.grad, weights[task] * 2 * x.detach() / x.numel())


def test_sum_and_weighted(outputs):
    total, weights = build_mix(option(SumMix), TASKS)(losses(), outputs)
    assert total.item() == pytest.approx(2.5)
    assert weights == {"emotion": 1.0, "authenticity": 1.0}
    total, weights = build_mix(MIXES[1], TASKS)(losses(), outputs)
    assert total.item() == pytest.approx(2.0 * 2.0 + 0.5 * 0.5)
    assert weights == {"emotion": 2.0, "authenticity": 0.5}


def test_uncertainty_is_its_equation_and_learns_the_optimum(outputs):
    mix = build_mix(option(UncertaintyMix), TASKS)
    with torch.no_grad():
        mix.log_variances.copy_(torch.tensor([0.3, -0.7]))
    total, weights = mix(losses(), outputs)
    assert total.item() == pytest.approx(math.exp(-0.3) * 2.0 + math.exp(0.7) * 0.5 + (0.3 - 0.7) / 2)
    assert weights["emotion"].item() == pytest.approx(math.exp(-0.3))

    optimizer = torch.optim.Adam(mix.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        mix(losses(), outputs)[0].backward()
        optimizer.step()
    # d/ds (exp(−s) L + s/2) = 0 at s = log 2L
    torch.testing.assert_close(mix.log_variances.data, torch.tensor([4.0, 1.0]).log(), atol=1e-3, rtol=0)


def test_dwa_is_its_equation_after_two_epochs(outputs):
    mix = build_mix(option(DwaMix, temperature=2.0), TASKS)
    history = [{"emotion": 2.0, "authenticity": 1.0}, {"emotion": 1.0, "authenticity": 0.9}]
    for epoch in history:
        assert mix(losses(), outputs)[1] == {"emotion": 1.0, "authenticity": 1.0}
        mix.end_epoch(epoch)
    powers = [math.exp((1.0 / 2.0) / 2.0), math.exp((0.9 / 1.0) / 2.0)]
    expected = [2 * power / sum(powers) for power in powers]
    total, weights = mix(losses(), outputs)
    assert [w.item() for w in weights.values()] == pytest.approx(expected)
    assert total.item() == pytest.approx(expected[0] * 2.0 + expected[1] * 0.5)


def test_dwa_takes_a_task_without_losses_as_even(outputs):
    mix = build_mix(option(DwaMix), TASKS)
    for _ in range(2):
        mix.end_epoch({"emotion": math.nan, "authenticity": 0.0})
    assert mix(losses(), outputs)[1] == {"emotion": 1.0, "authenticity": 1.0}


@pytest.mark.parametrize("cfg", MIXES, ids=str)
def test_state_travels_with_the_checkpoint(cfg, outputs):
    before, after = build_mix(cfg, TASKS), build_mix(cfg, TASKS)
    for epoch in ({"emotion": 2.0, "authenticity": 1.0}, {"emotion": 1.0, "authenticity": 0.9}):
        before.end_epoch(epoch)
    for parameter in before.parameters():
        torch.nn.init.normal_(parameter)
    after.load_state_dict(before.state_dict())
    for epoch in (None, {"emotion": 0.9, "authenticity": 0.8}):
        if epoch:
            before.end_epoch(epoch)
            after.end_epoch(epoch)
        assert torch.equal(before(losses(), outputs)[0], after(losses(), outputs)[0])


@pytest.mark.parametrize(("cfg", "expected"), [
    (MIXES[0], [1.0, 1.0, 0.5]),
    (MIXES[1], [2.0, 0.5, 0.5]),
    (MIXES[3], [4 / 5, 4 / 6, 0.5]),
    (MIXES[4], [1.0, 1.0, 0.5]),
    (MIXES[5], [1.0, 1.0, 0.5]),
], ids=str)  # fmt: skip
def test_a_further_term_has_its_own_weight(cfg, expected, outputs):
    """Which is a factor of what learned mixes give it: its uncertainty, and its share of what is averaged."""
    mix = build_mix(cfg, TASKS, AUXILIARY)
    each = losses() | {"pair_ranking": torch.tensor(4.0)}
    total, weights = mix(each, outputs)
    assert [weight.item() for weight in weights.values()] == pytest.approx(expected)
    assert tuple(weights) == (*TASKS, "pair_ranking")
    assert total.item() == pytest.approx(2.0 * expected[0] + 0.5 * expected[1] + 4.0 * expected[2])
    if isinstance(cfg, UncertaintyMix):
        total.backward()
        # d/ds (exp(−s) w L + s/2) at s = 0
        assert mix.log_variances.grad.tolist() == pytest.approx([0.5 - 2.0, 0.5 - 0.5, 0.5 - 0.5 * 4.0])
    if isinstance(cfg, DwaMix):
        for pair_ranking in (1.0, 0.5):
            mix.end_epoch({"emotion": 1.0, "authenticity": 1.0, "pair_ranking": pair_ranking})
        powers = [math.exp(ratio / cfg.temperature) for ratio in (1.0, 1.0, 0.5)]
        found = [weight.item() for weight in mix(each, outputs)[1].values()]
        assert found == pytest.approx([3 * p / sum(powers) * f for p, f in zip(powers, (1.0, 1.0, 0.5), strict=True)])


@pytest.mark.parametrize("cfg", [*MIXES, option(GradNormMix)], ids=str)
def test_one_task_is_the_loss_itself(cfg):
    mix = build_mix(cfg, ("joint",))
    for _ in range(3):
        mix.end_epoch({"joint": 1.0})
    logits, targets = {"joint": torch.randn(4, 12)}, {"joint": torch.arange(4)}
    total, weights = mix({"joint": torch.tensor(1.5)}, MixContext(logits, targets, {}, torch.zeros(4, 2), ()))
    assert total.item() == pytest.approx(1.5)
    assert weights["joint"].item() == pytest.approx(1.0)
    assert not list(mix.parameters())


@pytest.mark.parametrize("cfg", MIXES, ids=str)
def test_compiles_without_a_graph_break(cfg, outputs):
    mix = build_mix(cfg, TASKS)
    compiled = torch.compile(mix, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(losses(), outputs)[0], mix(losses(), outputs)[0])


@pytest.mark.parametrize("name", ["sum", "weighted", "precision", "uncertainty", "dwa", "gradnorm"])
def test_every_mix_is_an_override(name):
    cfg = compose("train", ["approach=multi_task", f"loss_mix={name}"], TrainConfig)
    assert cfg.loss_mix.name == name
    assert build_mix(cfg.loss_mix, cfg.tasks)
