"""The network that predicts points of a face: against NumPy, by hand, and what moves it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from realfake.approaches.module import ApproachModule
from realfake.composing.composition import compose
from realfake.config import MediapipeSignal, TrainConfig
from realfake.config.derivations import partners
from realfake.config.trackers import tracker_info
from realfake.data.batch import Batch
from realfake.models import build_backbone
from realfake.models.predictive_lstm import CANONICAL, MIDPOINTS, POINTS, FacePoints, PredictiveLstm
from realfake.streams.stream import StreamValues

WORDS = ("approach=temporal", "signals=[drawn]", "backbone=lstm_pb", "auxiliary=[next_frame]")
SMALL = ("backbone.hidden=12", "backbone.layers=2", "backbone.context=5", "backbone.bias=6")
BOTH = pytest.mark.parametrize("joined", [False, True], ids=["published", "joined"])


@cache
def config(*words: str) -> TrainConfig:
    return compose("train", [*WORDS, *words], TrainConfig)


def network(joined: bool, seed: int = 0) -> PredictiveLstm:
    torch.manual_seed(seed)
    cfg = config(*SMALL, f"backbone.joined={str(joined).lower()}")
    net = build_backbone(cfg.backbone, cfg.streams).net
    assert isinstance(net, PredictiveLstm)
    with torch.no_grad():
        net.parametric_bias.normal_(generator=torch.Generator().manual_seed(seed))
    return net


def clips(steps: int = 9, batch: int = 3) -> dict[str, StreamValues]:
    generator = torch.Generator().manual_seed(steps)
    values = 0.5 * torch.randn(batch, steps, 68, 2, generator=generator)
    valid = torch.rand(batch, steps, generator=generator) < 0.8
    return {"landmarks": StreamValues(values, torch.arange(steps).expand(batch, steps) / 25.0, valid)}


# --- points ----------------------------------------------------------------------------------------------------------


def test_forty_points_each_with_its_partner() -> None:
    """Those of the mesh lie where those of 300-W do: what is on the other side of one is so of the other."""
    landmarks = tracker_info("landmarks", "OpenFace 2", "distances between the eyes' corners")
    mesh = MediapipeSignal(name="mediapipe", weights="unused", rate_fps="full").infos()[0]
    assert (len(POINTS), len(set(POINTS)), len(MIDPOINTS)) == (36, 36, 4)
    other, mirrored = partners(landmarks), partners(mesh)
    assert len(set(CANONICAL.values())) == len(CANONICAL)
    for number, place in CANONICAL.items():
        assert mirrored[place] == CANONICAL[other[number]], number
    assert {other[p] for p in POINTS} == set(POINTS)
    assert {frozenset((other[i], other[k])) for i, k in MIDPOINTS} == set(map(frozenset, MIDPOINTS))
    for info in (landmarks, mesh):
        points = FacePoints(info, standardise=False)
        values = torch.randn(2, 3, *info.shape)
        valid = torch.tensor([[True, True, False], [True, True, True]])
        found = points(StreamValues(values, torch.zeros(2, 3), valid)).unflatten(2, (40, 2))
        place = CANONICAL if info is mesh else range(68)
        scale = 2.0 if info is mesh else 1.0  # a mesh is in sides of its box, which is 2 wide here
        torch.testing.assert_close(found[1, 2, 0], scale * values[1, 2, place[17], :2])
        torch.testing.assert_close(found[1, 2, 38], scale * values[1, 2, [place[2], place[29]], :2].mean(dim=0))
        assert not found[0, 2].any()


# --- the network -----------------------------------------------------------------------------------------------------


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


class Reference:
    """The same in NumPy, float64, a clip at a time and step by step."""

    def __init__(self, net: PredictiveLstm) -> None:
        self.w = {name: value.detach().double().numpy() for name, value in net.state_dict().items()}
        self.net, self.joined = net, net.joined

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return self.w[f"{name}.weight"] @ x + self.w[f"{name}.bias"]

    def cell(self, name: str, x: np.ndarray, state: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        w = self.w
        sums = w[f"{name}.weight_ih"] @ x + w[f"{name}.bias_ih"] + w[f"{name}.weight_hh"] @ state[0]
        i, f, g, o = np.split(sums + w[f"{name}.bias_hh"], 4)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    def error(self, x: np.ndarray, valid: np.ndarray, bias: np.ndarray) -> tuple[float, np.ndarray]:
        """The error of a clip's points (T, 80), and its gradient in closed form, which holds for the published form."""
        hidden, layers = self.w["seen.bias"].size, len(self.net.over_time)
        state = [(np.zeros(hidden), np.zeros(hidden))] * layers
        context = np.zeros(self.w["context.bias"].size)
        biased = self.linear("biased", bias)
        errors, slopes = [], []
        for t in range(len(x) - 1):
            seen = self.linear("seen", x[t])
            h, c = self.linear("recalled", context), np.zeros(hidden)
            for layer in range(layers):
                state[layer] = self.cell(f"over_time.{layer}", h, state[layer])
                h, c = self.cell("over_depth", state[layer][0], (h, c))
            if self.joined:
                together = np.maximum(h + seen + biased, 0.0)
                context = self.linear("context", together)
            else:
                context = self.linear("context", np.maximum(h, 0.0))
                together = np.maximum(seen, 0.0) + np.maximum(biased, 0.0) + np.maximum(h, 0.0)
            y = np.tanh(self.linear("next", together))
            if valid[t] and valid[t + 1]:
                errors.append(np.mean((y - x[t + 1]) ** 2))
                slopes.append(self.w["next.weight"].T @ (2.0 / y.size * (y - x[t + 1]) * (1.0 - y**2)))
        gradient = self.w["biased.weight"].T @ (np.mean(slopes, axis=0) * (biased > 0))
        return float(np.mean(errors)), gradient


@BOTH
def test_errors_and_descriptors_are_those_of_a_computation_by_hand(joined: bool) -> None:
    net, streams = network(joined).double(), clips()
    streams = {n: s._replace(values=s.values.double()) for n, s in streams.items()}
    reference, authenticity = Reference(net), torch.tensor([0, 1, 1])
    x, valid = net.points(streams["landmarks"]).numpy(), streams["landmarks"].valid.numpy()
    bias = 3.0 * net.parametric_bias.detach().numpy()  # √9
    errors, descriptors = net.errors(streams, authenticity).tolist(), net(streams).numpy()
    for k, side in enumerate(authenticity.tolist()):
        assert errors[k] == pytest.approx(reference.error(x[k], valid[k], bias[side])[0], rel=1e-12)
        steps = 1e-6 * np.eye(6)
        ends = [[reference.error(x[k], valid[k], sign * step)[0] for sign in (1.0, -1.0)] for step in steps]
        by_differences = np.array([(up - down) / 2e-6 for up, down in ends])
        assert descriptors[k] == pytest.approx(-0.9 * by_differences, rel=1e-6, abs=1e-9)
        if not joined:
            assert descriptors[k] == pytest.approx(-0.9 * reference.error(x[k], valid[k], np.zeros(6))[1], rel=1e-9)


@BOTH
def test_gaps_and_what_lies_behind_the_end_say_nothing(joined: bool) -> None:
    net, streams = network(joined), clips()
    found, errors = net(streams), net.errors(streams, torch.tensor([0, 1, 1]))
    stream = streams["landmarks"]
    longer = {
        "landmarks": StreamValues(
            torch.cat([torch.where(stream.valid[..., None, None], stream.values, 7.0), stream.values[:, :4]], dim=1),
            torch.cat([stream.times_sec, stream.times_sec[:, :4]], dim=1),
            torch.cat([stream.valid, torch.zeros(3, 4, dtype=torch.bool)], dim=1),
        )
    }
    torch.testing.assert_close(net(longer), found)
    torch.testing.assert_close(net.errors(longer, torch.tensor([0, 1, 1])), errors)
    for steps in (1, 2):
        alone = {"landmarks": StreamValues(*(t[:, :steps] for t in stream))}
        alone["landmarks"].valid[:, -1] = False
        assert not net(alone).any()
        assert not net.errors(alone, torch.zeros(3, dtype=torch.int64)).any()


def test_the_same_wherever_it_is_computed() -> None:
    net, streams = network(joined=True), clips()
    found = net(streams)
    assert not found.requires_grad
    with torch.no_grad():
        assert torch.equal(net(streams), found)
    with torch.inference_mode():
        assert torch.equal(net({n: StreamValues(*(t.clone() for t in s)) for n, s in streams.items()}), found)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net(streams), found)
    frozen = network(joined=True).requires_grad_(False).eval()
    assert torch.equal(frozen(streams), found)


def test_published_size() -> None:
    """Of 512 and 64: inputs, Grid LSTM with one cell over depth for all four layers, outputs, and two biases."""
    cfg = compose("train", ["experiment=field/lstm_pb"], TrainConfig)
    backbone = build_backbone(cfg.backbone, cfg.streams)
    cell = 2 * (512 * 4 * 512 + 4 * 512)
    inputs, outputs = (80 + 64 + 64) * 512 + 3 * 512, 512 * (80 + 64) + 80 + 64
    assert sum(p.numel() for p in backbone.parameters()) == inputs + (4 + 1) * cell + outputs + 2 * 64 == 10_688_272
    assert backbone.features == 64


@BOTH
def test_its_own_error_moves_all_of_it_and_the_heads_nothing(joined: bool) -> None:
    torch.manual_seed(0)
    module = ApproachModule(config(*SMALL, f"backbone.joined={str(joined).lower()}", "augmentation=none"))
    batch = Batch(
        streams=clips(), emotion=torch.tensor([0, 1, 2]), authenticity=torch.tensor([0, 1, -1]),
        pair=torch.tensor([0, 0, 1]), clip=torch.arange(3), sample=torch.arange(3),
    )  # fmt: skip
    own = module.backbone.net.errors(batch["streams"], torch.tensor([0, 1, 0]))[:2].mean()
    total = module._step(batch, "train")
    assert module.train_means._steps[-1].losses["next_frame"].item() == pytest.approx(own.item())  # not that of nobody
    total.backward()
    parameters = list(module.backbone.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(own, parameters), strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert all(p.grad is not None for p in module.heads.parameters())
