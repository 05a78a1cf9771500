"""What a GPU gives: floating-point rate of a training step against that of a matrix product, and whole runs in bf16.

The rate of a step is what its products need (torch's own count) over its time; that of the device is measured with
large square matrices of the same type. Whole runs use the largest batch, a power of two, that fits the memory budget.

    python -m benchmarks.gpu --budget 0.5
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.results import add_out, report
from benchmarks.throughput import finish, measure
from realfake.composing.composition import compose
from realfake.config import TrainConfig
from realfake.models import build_backbone

BACKBONES = {
    "resnet18": "single_task",
    "inception_resnet_v1": "single_task",
    "slow_r50": "temporal",
    "x3d_s": "temporal",
}
"""Backbone → approach."""
PRECISIONS = {"32": torch.float32, "bf16": torch.bfloat16}


def product_rate(dtype: torch.dtype, device: torch.device, side: int = 8192, repeats: int = 20) -> float:
    """Operations a second of a product of square matrices."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    finish(device)
    start = time.perf_counter()
    for _ in range(repeats):
        a @ b
    finish(device)
    return 2 * side**3 * repeats / (time.perf_counter() - start)


class Step:
    """A training step of a backbone alone, on random input.

    Args:
        name: Of the backbone.
        precision: ``32`` or ``bf16``.
        batch: Samples.
        device: Where to compute.
        compiled: Whether by torch.compile.
        extra: Overrides of the configuration.
    """

    def __init__(
        self, name: str, precision: str, batch: int, device: torch.device, *, compiled: bool, extra: list[str]
    ) -> None:
        cfg = compose("train", [f"approach={BACKBONES[name]}", f"backbone={name}", *extra], TrainConfig)
        self.backbone = build_backbone(cfg.backbone).to(device).train()
        self.network = torch.compile(self.backbone, dynamic=False) if compiled else self.backbone
        blank = self.backbone.blank(batch)
        assert isinstance(blank, torch.Tensor)
        shape = blank.shape
        layout = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
        self.x = torch.randn(shape, device=device).to(memory_format=layout)
        self.device, self.bf16 = device, precision == "bf16"

    def __call__(self) -> None:
        """Forward and backward pass."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.network(self.x).float().sum()
        self.backbone.zero_grad()
        loss.backward()

    def seconds(self, repeats: int = 10) -> float:
        """Median time."""
        times = []
        for i in range(repeats + 3):
            finish(self.device)
            start = time.perf_counter()
            self()
            finish(self.device)
            if i >= 3:
                times.append(time.perf_counter() - start)
        return statistics.median(times)

    def operations(self) -> int:
        """Floating-point operations of all products and convolutions."""
        with FlopCounterMode(display=False) as counter:
            self()
        return counter.get_total_flops()


def rates(
    name: str, batch: int, device: torch.device, peak: dict[str, float], extra: list[str]
) -> list[dict[str, Any]]:
    """Achieved rate of a backbone in every precision, with and without compilation."""
    found = []
    for precision in PRECISIONS:
        operations = Step(name, precision, batch, device, compiled=False, extra=extra).operations()
        for compiled in (False, True):
            torch.compiler.reset()
            rate = operations / Step(name, precision, batch, device, compiled=compiled, extra=extra).seconds()
            found.append(
                {
                    "backbone": name, "precision": precision, "compile": compiled, "batch": batch,
                    "flops_per_second": rate, "of_product_rate": rate / peak[precision],
                }
            )  # fmt: skip
    return found


def largest_batch(name: str, budget_bytes: float, device: torch.device) -> int:
    """Largest power of two whose training step in bf16 stays within the budget."""
    batch = 1
    while batch < 4096:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        try:
            Step(name, "bf16", 2 * batch, device, compiled=False, extra=[])()
        except torch.OutOfMemoryError:
            break
        if torch.cuda.max_memory_allocated(device) > budget_bytes:
            break
        batch *= 2
    torch.cuda.empty_cache()
    return batch


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    parser.add_argument("--batch", type=int, default=32, help="of the rates")
    parser.add_argument("--budget", type=float, default=0.5, help="part of the GPU's memory for whole runs")
    parser.add_argument("--epochs", type=int, default=6)
    add_out(parser)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks.gpu: no CUDA device is visible; nothing was measured")
    device = torch.device("cuda", 0)
    about = torch.cuda.get_device_properties(device)
    peak = {name: product_rate(dtype, device) for name, dtype in PRECISIONS.items()}
    figures: dict[str, Any] = {"gpu": about.name, "product_flops_per_second": peak, "rates": [], "runs": []}
    rows = [(f"matrix product, {name}: TFLOP/s", f"{rate / 1e12:.1f}", "") for name, rate in peak.items()]
    for name in options.backbones:
        for found in rates(name, options.batch, device, peak, []):
            figures["rates"].append(found)
            what = f"{name}, {found['precision']}{', compiled' if found['compile'] else ''}: TFLOP/s, part of product"
            rows.append((what, f"{found['flops_per_second'] / 1e12:.1f}, {found['of_product_rate']:.0%}", ""))
    for name in options.backbones:
        batch = largest_batch(name, options.budget * about.total_memory, device)
        batches = (
            f"sampling.{'frames' if BACKBONES[name] == 'single_task' else 'windows'}_per_clip={max(1, batch // 8)}"
        )
        words = [f"backbone={name}", "precision=bf16", "trainer.gpus=1", f"data.batch_size={batch}", batches]
        run = measure(BACKBONES[name], "memmap", options.epochs, words)
        figures["runs"].append({"backbone": name, "batch": batch, **run})
        rows.append((f"{name}, bf16, batch {batch}: run, frames a second", f"{run['frames_per_second']:,.0f}", ""))
        rows.append((f"{name}, bf16, batch {batch}: run, part of step alone", f"{run['of_step_alone'][0]:.3f}", "0.95"))
    report(f"GPU: {about.name}", rows, {"gpu": figures}, options.out)


if __name__ == "__main__":
    main()
