"""planted_truth: what a simulated market was made to hold, read only to judge the models against it.

No model reads this table; it never enters the landing zone.

Here: the asset. Not here: the generator (sim/), the comparison (models/planted.py).
"""

from __future__ import annotations

import dagster as dg

from assets.common import failures, table_metadata
from assets.partitions import StudyPartitions
from assets.store import StudyStore
from feeds.errors import LakeError
from feeds.study import Study

GROUP = "evaluation"
OWNERS = ["team:research"]
SCHEME = "simulate:"


def has_planted_truth(study: Study) -> bool:
    """Whether a source of the study is generated, so that its truth is known."""
    return any(source.path.startswith(SCHEME) for source in study.sources)


def build_planted(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study; none where the market is real."""
    return [_planted_truth(parts)] if has_planted_truth(parts.study) else []


def _planted_truth(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["landing_zone"],
        group_name=GROUP,
        kinds={"parquet"},
        owners=OWNERS,
        description="SIMULATED market: the drift, regimes and crash that were planted. Read by the evaluation only.",
    )
    @failures
    def planted_truth(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        date = context.partition_key
        path = store.path / "truth" / f"{date}.parquet"
        if not path.is_file():
            raise LakeError(
                f"planted truth of {date}",
                received="no file",
                expected=str(path.relative_to(store.path)),
                remedy="Run `t2t run`, which generates the market and its truth together.",
            )
        frame = pl.read_parquet(path)
        manifest = store.lake.write("planted_truth", frame, date)
        return dg.MaterializeResult(metadata=table_metadata(frame, manifest))

    return planted_truth
