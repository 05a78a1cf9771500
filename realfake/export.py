"""``realfake export run=… format=onnx``: a network for other runtimes, compared with the original."""

from __future__ import annotations

from realfake.cli import main
from realfake.config import ExportConfig


def run(cfg: ExportConfig) -> None:
    """Export the network of ``cfg.run``.

    Args:
        cfg: Composed from ``conf/export.yaml``.

    Raises:
        UserError: If there is no such run, a package is missing, or the result differs from the original.
    """
    # Wrong inputs are told before torch is imported, which takes seconds.
    from realfake.runs.folder import open_run

    assert cfg.run is not None
    open_run(cfg.run)

    from rich.console import Console
    from rich.markup import escape

    from realfake.exporting.formats import export, random_samples, real_samples, require_packages
    from realfake.exporting.served import Served
    from realfake.prediction.command import new_folder
    from realfake.runs.network import open_trained

    require_packages(cfg.format)
    folder, trained, module = open_trained(cfg.run)
    served = Served(module)
    samples = real_samples(folder, trained, served, cfg.clips)
    compared = f"{sum(map(len, samples))} samples of clips of the test part"
    if not samples:
        samples, compared = random_samples(served), "random pictures: the run's prepared data are not at hand"
    out = new_folder(cfg.out, "export")
    done = export(module, trained, cfg.format, out, samples, compared, cfg.tolerance)
    console = Console()
    for line in (
        f"{done.path}  {done.path.stat().st_size / 1e6:.1f} MB",
        f"{done.metadata}  labels, input, crops",
        f"largest difference to the original {done.difference:.1e}, on {done.compared}",
    ):
        console.print(escape(line), soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main("export", ExportConfig, run)
