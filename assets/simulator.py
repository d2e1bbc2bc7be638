"""clean_ticks -> simulator_calibration -> realism_report: a market fitted to the tape, and how real it looks.

Here: thin assets by as-of date. Not here: the order flow and its estimators (sim/), policies (assets/execution.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import dagster as dg

from assets.common import artefact_metadata, failures, plot_value, table_metadata, table_value
from assets.partitions import StudyPartitions
from assets.split import describe
from assets.store import StudyStore
from assets.tape import fit_date, fit_tape, judged_tape, tape_symbols
from feeds.errors import InsufficientDataError, T2TError

if TYPE_CHECKING:
    import polars as pl

    from sim.flow_params import FlowParams

GROUP = "simulator"
OWNERS = ["team:execution"]
NS_PER_MIN = 60_000_000_000


def build_simulator(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study; none where it has no order-by-order data to execute in."""
    return [_simulator_calibration(parts), _realism_report(parts)] if parts.study.execution else []


def _simulator_calibration(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[dg.AssetDep("clean_ticks", partition_mapping=parts.same_date)],
        group_name=GROUP,
        kinds={"numba"},
        owners=OWNERS,
        description="Order-flow rates by distance, sizes, sign memory, activity and volatility of each instrument, "
        "fitted on ticks before the night's test begins.",
    )
    @failures
    def simulator_calibration(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        from models.plots import UI_DPI, flow_rates
        from sim.flow_summary import parameter_table, rate_table

        date = context.partition_key
        fitted, parents, notes = fit_all(store, date)
        tables, rates = (
            pl.concat([make(params).select(pl.lit(name).alias("symbol"), pl.all()) for name, params in fitted.items()])
            for make in (parameter_table, rate_table)
        )
        files = {f"{name}.json": params.to_json().encode() for name, params in fitted.items()}
        tree = {
            "parameters": tables.to_dicts(),
            "rates": rates.to_dicts(),
            "notes": notes,
            "fit_date": fit_date(store, date),
        }
        manifest = store.artefacts.write(
            "model",
            "simulator_calibration",
            date,
            files | {"calibration.json": json.dumps(tree, indent=1).encode()},
            parents=parents,
            params={"study": store.config.name, "symbols": list(fitted), "fit_date": fit_date(store, date)},
        )
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "notes": dg.MetadataValue.json(notes),
                "rows": table_value(tables),
                "plot": plot_value(flow_rates(rates, dpi=UI_DPI), store),
            }
        )

    return simulator_calibration


def fit_all(store: StudyStore, date: str) -> tuple[dict[str, FlowParams], list[str], list[str]]:
    """Fitted flow of every instrument that allows it, the ids it was fitted on, and why others are missing.

    Raises:
        InsufficientDataError: No instrument could be fitted.
    """
    from sim.flow_fit import fit_flow

    fitted, parents, notes = {}, [], []
    for symbol in tape_symbols(store, date):
        try:
            tape = fit_tape(store, date, symbol)
            fitted[symbol] = fit_flow(tape.frame, tape.spec, until_ns=tape.bounds[1])
            parents.append(tape.parent)
        except T2TError as error:
            notes.append(f"{symbol}: {error}")
    if not fitted:
        raise InsufficientDataError(
            f"simulator calibration of {date}", received="; ".join(notes) or "no instrument", expected="one that fits"
        )
    return fitted, parents, notes


def load_flow(store: StudyStore, date: str) -> dict[str, FlowParams]:
    """The calibrated flow of each instrument of ``date``."""
    from sim.flow_params import FlowParams

    manifest = store.artefacts.current("simulator_calibration", date)
    return {
        symbol: FlowParams.from_json(store.artefacts.read(manifest, f"{symbol}.json").decode())
        for symbol in manifest.params["symbols"]
    }


def _realism_report(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["simulator_calibration", dg.AssetDep("clean_ticks", partition_mapping=parts.same_date)],
        group_name=GROUP,
        kinds={"numba", "parquet"},
        owners=OWNERS,
        description="Statistics of the simulated market against the tape on a period not used for fitting, with bands "
        "of real against real. What fails is shown as failing.",
    )
    @failures
    def realism_report(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.plots import UI_DPI, realism_bands

        date = context.partition_key
        calibration = store.artefacts.current("simulator_calibration", date)
        frame, parents = compare(store, date)
        manifest = store.lake.write("realism", frame, date, parents=[calibration.id, *parents], seed=store.config.seed)
        judged = frame.filter(frame["passed"].is_not_null())
        return dg.MaterializeResult(
            metadata={
                **table_metadata(frame, manifest),
                "metrics_judged": judged.height,
                "metrics_passed": int(judged["passed"].sum()),
                "split": describe(store, date, [fit_date(store, date), date]),
                "rows": table_value(frame),
                "plot": plot_value(realism_bands(frame, dpi=UI_DPI), store),
            }
        )

    return realism_report


def compare(store: StudyStore, date: str) -> tuple[pl.DataFrame, list[str]]:
    """Realism metrics of every calibrated instrument, and the ids of the ticks they are judged on."""
    import polars as pl

    from sim.flow import simulate_flow
    from sim.realism import realism_report

    execution = store.config.execution
    assert execution is not None
    frames, parents = [], []
    for symbol, params in load_flow(store, date).items():
        fitted_on, judged = fit_tape(store, date, symbol), judged_tape(store, date, symbol)
        start = judged.bounds[0]
        mid = int(opening_mid(judged.frame, start))
        until = start + execution.flow_minutes * NS_PER_MIN
        simulated = simulate_flow(params, start, until, store.config.seed, mid)
        real_a, real_b = (inside(tape.frame, tape.bounds) for tape in (fitted_on, judged))
        report = realism_report(real_a, real_b, simulated, judged.spec)
        frames.append(report.select(pl.lit(symbol).alias("symbol"), pl.exclude("symbol")))
        parents.append(judged.parent)
    return pl.concat(frames), parents


def inside(tape: pl.DataFrame, bounds: tuple[int, int]) -> pl.DataFrame:
    """Rows of a tape received within ``bounds``."""
    import polars as pl

    return tape.filter(pl.col("ts_recv").cum_max().is_between(*bounds, closed="left"))


def opening_mid(tape: pl.DataFrame, start_ns: int) -> float:
    """Mid in ticks as it stands at ``start_ns``, or the first one after it."""
    import polars as pl

    quoted = tape.filter((pl.col("bid_px") > 0) & (pl.col("ask_px") > 0))
    before = quoted.filter(pl.col("ts_recv") <= start_ns)
    row = before.tail(1) if before.height else quoted.head(1)
    if row.is_empty():
        raise InsufficientDataError("opening mid of a tape", received="no two-sided book", expected="at least one")
    return float(row["bid_px"][0] + row["ask_px"][0]) / 2
