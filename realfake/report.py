"""``realfake report dir=multirun/…``: finished runs as a ranked table, two CSV files and one HTML page."""

from __future__ import annotations

from pathlib import Path

from realfake.cli import main
from realfake.config import ReportConfig


def run(cfg: ReportConfig) -> int:
    """Report on every run at or below ``cfg.dir``; returns the exit status.

    Args:
        cfg: Composed from ``conf/report.yaml``.

    Raises:
        UserError: If there is no run, or no run has the metric.
    """
    # pandas is only needed from here on: --help and a typing mistake answer without it.
    from realfake.experiments.missing_pictures import draw_missing
    from realfake.reports.leaderboard import make_report

    folders = [cfg.dir] if isinstance(cfg.dir, str) else cfg.dir or []
    report = make_report(
        [Path(folder) for folder in folders],
        None if cfg.out is None else Path(cfg.out).expanduser(),
        metric=cfg.metric,
        pool=cfg.pool,
        draws=cfg.draws,
        log_lines=cfg.log_lines,
    )
    report.show()
    if cfg.plots != "none":
        draw_missing(report.board, every=cfg.plots == "all")
    return 0


if __name__ == "__main__":
    main("report", ReportConfig, run)
