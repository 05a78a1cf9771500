"""``realfake prepare [-m] data=… data.root=…``: videos to face crops and streams, resumable; -m shares it out."""

from __future__ import annotations

from realfake.cli import main
from realfake.config import BOX, PrepareConfig


def run(cfg: PrepareConfig) -> int:
    """Prepare a dataset and say what came of it; returns the exit status.

    Args:
        cfg: Composed from ``conf/prepare.yaml``.

    Raises:
        UserError: If the dataset cannot be listed, or nothing of it could be prepared.
    """
    # Videos and tables are only needed from here on: --help and a typing mistake answer without them.
    from rich.console import Console

    from realfake.data.derived_streams import derived_streams
    from realfake.data.preparation import prepare, prepare_shard
    from realfake.data.preparation_summary import print_streams, print_summary
    from realfake.data.shards import Shard
    from realfake.data.signal_store import prepare_signal, prepare_signal_shard
    from realfake.data.stored_streams import StoredStream

    console, shard = Console(), Shard(cfg.shard, cfg.shards) if cfg.shards > 1 else None
    signals = tuple(cfg.signals.values())
    if shard is None:
        store = prepare(cfg.data, cfg.face, signals)
    elif (found := prepare_shard(cfg.data, cfg.face, shard, signals, together=bool(signals))) is not None:
        store = found
    else:
        return 0
    print_summary(store, cfg.data.space, console)
    computed: dict[str, StoredStream] = {}
    for options in signals:
        if shard is None:
            streams = prepare_signal(store, cfg.data, cfg.face, options)
        elif (whole := prepare_signal_shard(store, cfg.data, cfg.face, options, shard, rest=True)) is not None:
            streams = whole
        else:
            continue
        print_streams(streams, console)
        computed |= streams
    there = [info for info in cfg.derived_infos if info.source in (BOX.name, *computed)]
    for name, stream in derived_streams(store, there, cfg.signals, computed).items():
        print_streams({name: stream}, console)
    return 0


if __name__ == "__main__":
    main("prepare", PrepareConfig, run)
