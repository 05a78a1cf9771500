"""GradNorm against the equations of its paper on a tiny network, and what it is for."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from realfake.composing.composition import option
from realfake.config import GradNormMix
from realfake.losses.mixes import GradNorm, MixContext, build_mix, last_layer

TASKS = ("emotion", "authenticity")


class Tiny(nn.Module):
    """Two heads over one shared layer, and the squared error of each as its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.LayerNorm(4))
        self.heads = nn.ModuleDict({task: nn.Linear(4, 1) for task in TASKS})

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.shared(x)
        errors = [(self.heads[task](features)[:, 0] - y[:, i]) ** 2 for i, task in enumerate(TASKS)]
        return {"emotion": errors[0].mean(), "authenticity": 3.0 * errors[1].mean()}


def context(network: Tiny, labelled: int = 8, of_emotion: int = 8) -> MixContext:
    targets = {task: torch.full((labelled,), -1) for task in TASKS}
    targets["emotion"][:of_emotion] = 0
    targets["authenticity"][:] = 0
    return MixContext({}, targets, {}, torch.zeros(labelled, 4), last_layer(network.shared))


@pytest.fixture
def network() -> Tiny:
    torch.manual_seed(0)
    return Tiny()


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 3, generator=generator), torch.randn(8, 2, generator=generator)


def made(**values: float) -> GradNorm:
    mix = build_mix(option(GradNormMix, **values), TASKS)
    assert isinstance(mix, GradNorm)
    return mix


def test_the_last_shared_layer(network: Tiny) -> None:
    assert last_layer(network.shared) == (network.shared[2].weight,)  # norms have no matrix
    gru = nn.GRU(2, 3, bidirectional=True)
    assert {tuple(p.shape) for p in last_layer(gru)} == {(9, 2), (9, 3)}
    assert last_layer(network.shared.requires_grad_(False)) == ()


def test_a_step_is_that_of_the_paper(network: Tiny, data: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Its two losses are differentiated twice here, as the paper has it; the mix knows the derivative."""
    alpha, lr = 1.5, 0.1
    mix, w = made(alpha=alpha, lr=lr), torch.tensor([1.0, 1.0])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    initial = torch.stack(list(network(*data).values())).detach()
    for _ in range(3):
        losses = network(*data)
        shared, each = last_layer(network.shared), list(losses.values())
        logarithms = w.log().requires_grad_()
        weighted = [logarithm.exp() * loss for logarithm, loss in zip(logarithms, each, strict=True)]
        expected = float(sum(weighted).detach())
        norms = torch.stack(
            [torch.autograd.grad(loss, shared, create_graph=True)[0].norm() for loss in weighted]
        )  # G_i
        rates = torch.stack(each).detach() / initial
        rates = rates / rates.mean()  # r_i
        goals = (norms.mean() * rates**alpha).detach()
        (gradient,) = torch.autograd.grad((norms - goals).abs().sum() / norms.mean().detach(), logarithms)
        descended = (logarithms.detach() - lr * gradient).exp()
        w = 2 * descended / descended.sum()

        total, _ = mix(network(*data), context(network))
        assert total.item() == pytest.approx(expected)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        mix.end_step()
        torch.testing.assert_close(mix.current, w)
        assert mix.current.sum().item() == pytest.approx(2.0)
    assert mix.current[0] != 1.0


def test_a_loss_a_hundred_times_as_large_is_brought_down(
    network: Tiny, data: tuple[torch.Tensor, torch.Tensor]
) -> None:
    mix, optimizer = made(alpha=0.0, lr=0.025), torch.optim.SGD(network.parameters(), lr=1e-3)

    def losses() -> dict[str, torch.Tensor]:
        found = network(*data)
        return found | {"authenticity": 100 * found["authenticity"]}

    def pulls() -> torch.Tensor:
        each = losses()
        found = [torch.autograd.grad(each[t], last_layer(network.shared), retain_graph=True)[0].norm() for t in TASKS]
        return torch.stack(found) * mix.current

    before = pulls()
    for _ in range(200):
        total, _ = mix(losses(), context(network))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        mix.end_step()
    after = pulls()
    assert max(before) / min(before) > 50
    assert max(after) / min(after) < 1.2
    assert (mix.current > 0).all()
    assert mix.current.sum().item() == pytest.approx(2.0)


def test_accumulated_batches_count_as_one(network: Tiny, data: tuple[torch.Tensor, torch.Tensor]) -> None:
    whole, parts = made(), made()
    whole(network(*data), context(network))
    for half in (slice(0, 4), slice(4, 8)):
        parts(network(data[0][half], data[1][half]), context(network, 4, 4))
        assert parts.current.tolist() == [1.0, 1.0]  # nothing moves within a step
    for mix in (whole, parts):
        mix.end_step()
    torch.testing.assert_close(whole.current, parts.current)
    torch.testing.assert_close(whole.initial, parts.initial)
    assert whole.current[0] != 1.0


def test_a_task_without_a_label_in_a_step_keeps_its_weight(
    network: Tiny, data: tuple[torch.Tensor, torch.Tensor]
) -> None:
    mix = made()
    for of_emotion in (8, 0, 8):
        before = mix.current.clone()
        losses = network(*data)
        mix(losses if of_emotion else losses | {"emotion": losses["emotion"] * 0.0}, context(network, 8, of_emotion))
        mix.end_step()
        assert (mix.current[0] != before[0]) == bool(of_emotion)
    assert mix.current.sum().item() == pytest.approx(2.0)


def test_what_is_no_number_moves_nothing(network: Tiny, data: tuple[torch.Tensor, torch.Tensor]) -> None:
    mix = made()
    mix({task: loss * torch.inf for task, loss in network(*data).items()}, context(network))
    mix.end_step()
    assert mix.current.tolist() == [1.0, 1.0]


def test_state_travels_with_the_checkpoint(network: Tiny, data: tuple[torch.Tensor, torch.Tensor]) -> None:
    before, after = made(), made()

    def step(*mixes: GradNorm) -> None:
        for mix in mixes:
            mix(network(*data), context(network))
            mix.end_step()
        with torch.no_grad():
            network.shared[2].weight.mul_(1.1)

    step(before)
    step(before)
    after.load_state_dict(before.state_dict())
    step(before, after)
    assert before.current.tolist() == after.current.tolist()
    assert set(before.state_dict()) == {"current", "initial"}


def one_of_two(rank: int, store: str, out: str) -> None:
    """Two steps on half of the data, beside a process with the other half."""
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(0)
    network, mix = Tiny(), made()
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(8, 3, generator=generator), torch.randn(8, 2, generator=generator)
    parallel = DistributedDataParallel(_WithMix(network, mix), static_graph=True, gradient_as_bucket_view=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        parallel(x[rank::2], y[rank::2]).backward()
        optimizer.step()
        mix.end_step()
    torch.save({**network.state_dict(), **mix.state_dict()}, f"{out}/{rank}.pt")
    distributed.destroy_process_group()


class _WithMix(nn.Module):
    """A network that gives its mixed loss, as a training step does."""

    def __init__(self, network: Tiny, mix: GradNorm) -> None:
        super().__init__()
        self.network, self.mix = network, mix

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.mix(self.network(x, y), context(self.network, len(x), len(x)))[0]
        return total


def test_processes_together_take_the_step_of_one(
    network: Tiny, data: tuple[torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=one_of_two, args=(r, str(tmp_path / "store"), str(tmp_path))) for r in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    alone = _WithMix(network, made())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        alone(*data).backward()
        optimizer.step()
        alone.mix.end_step()
    expected = {**network.state_dict(), **alone.mix.state_dict()}
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, msg=name)
    assert alone.mix.current[0] != 1.0
