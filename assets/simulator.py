"""clean_ticks -> simulator_calibration -> realism_report: markets fitted to the tape, and how real they look.

Here: thin assets by as-of date. Not here: fitting and comparing (assets/simulator_setup.py), generators and statistics
(sim/), policies (assets/execution.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.common import artefact_metadata, failures, plot_value, table_metadata, table_value
from assets.partitions import StudyPartitions
from assets.simulator_setup import Calibration, calibrate, compare, params_file
from assets.split import describe
from assets.store import StudyStore
from assets.tape import fit_date

if TYPE_CHECKING:
    import polars as pl

GROUP = "simulator"
OWNERS = ["team:execution"]


def build_simulator(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study; none where it does not execute or trains on replays alone."""
    simulates = parts.study.execution is not None and parts.study.execution.simulates
    return [_simulator_calibration(parts), _realism_report(parts)] if simulates else []


def _simulator_calibration(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[dg.AssetDep("clean_ticks", partition_mapping=parts.same_date)],
        group_name=GROUP,
        kinds={"numba"},
        owners=OWNERS,
        description="Simulated markets of each instrument, every generator of the study fitted on ticks before the "
        "night's test begins, and the one that agents train in.",
    )
    @failures
    def simulator_calibration(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.plots import UI_DPI, flow_rates

        date = context.partition_key
        made = calibrate(store, date)
        tables = fitted_tables(made)
        files = {
            params_file(name, symbol): params.to_json().encode()
            for name, each in made.fitted.items()
            for symbol, params in each.items()
        }
        tree = {name: frame.to_dicts() for name, frame in tables.items()} | {
            "notes": made.notes,
            "fit_date": fit_date(store, date),
            "flow_generator": made.chosen,
            "hold_out": made.hold_out,
        }
        manifest = store.artefacts.write(
            "model",
            "simulator_calibration",
            date,
            files | {"calibration.json": json.dumps(tree, indent=1).encode()},
            parents=made.parents,
            params={
                "study": store.config.name,
                "symbols": list(made.fitted[made.chosen]),
                "generators": {name: list(each) for name, each in made.fitted.items()},
                "flow_generator": made.chosen,
                "fit_date": fit_date(store, date),
            },
        )
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "notes": dg.MetadataValue.json(made.notes),
                "generators": table_value(tables["generators"]),
                "rows": table_value(tables["parameters"]),
                "plot": plot_value(flow_rates(tables["rates"], dpi=UI_DPI), store),
            }
        )

    return simulator_calibration


def fitted_tables(made: Calibration) -> dict[str, pl.DataFrame]:
    """What was fitted, to be read: ``parameters``, ``rates`` of the flow by distance, ``generators`` with their counts.

    ``generators`` holds a row a generator and instrument: how many numbers were ``counted`` on the tape, how many were
    ``tuned`` until simulated moments met the tape's, and which.
    """
    import polars as pl

    from sim.flow_params import FlowParams
    from sim.flow_summary import rate_table
    from sim.generators import GENERATORS

    parameters, rates, generators = [], [], []
    for name, each in made.fitted.items():
        for symbol, params in each.items():
            who = (pl.lit(symbol).alias("symbol"), pl.lit(name).alias("generator"))
            parameters.append(GENERATORS[name].summary(params).select(*who, pl.all()))
            if isinstance(params, FlowParams):
                rates.append(rate_table(params).select(who[0], pl.all()))
            generators.append(_counts_of(name, symbol, params, name == made.chosen))
    none = pl.DataFrame(
        schema={"symbol": pl.String, "distance": pl.Int64, "limit_rate": pl.Float64, "cancel_rate": pl.Float64}
    )
    return {
        "parameters": pl.concat(parameters),
        "rates": pl.concat(rates) if rates else none,
        "generators": pl.DataFrame(generators),
    }


def _counts_of(name: str, symbol: str, params: Any, chosen: bool) -> dict[str, Any]:
    from sim.generators import GENERATORS

    return {
        "symbol": symbol,
        "generator": name,
        "agents_train_in": "yes" if chosen else "",
        "tuned": len(params.tuned),
        "counted": params.counted,
        "tuned_parameters": ", ".join(params.tuned),
        "what": GENERATORS[name].title,
    }


def _realism_report(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["simulator_calibration", dg.AssetDep("clean_ticks", partition_mapping=parts.same_date)],
        group_name=GROUP,
        kinds={"numba", "parquet"},
        owners=OWNERS,
        description="Statistics of every simulated market against the tape on a period not used for fitting, with "
        "bands of real against real. What fails is shown as failing.",
    )
    @failures
    def realism_report(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        from models.plots import UI_DPI, realism_matrix
        from models.report.realism import passes_by_generator

        date = context.partition_key
        calibration = store.artefacts.current("simulator_calibration", date)
        chosen = calibration.params["flow_generator"]
        frame, parents, notes = compare(store, date)
        manifest = store.lake.write("realism", frame, date, parents=[calibration.id, *parents], seed=store.config.seed)
        judged = frame.filter(pl.col("passed").is_not_null() & (pl.col("generator") == chosen))
        return dg.MaterializeResult(
            metadata={
                **table_metadata(frame, manifest),
                "metrics_judged": judged.height,
                "metrics_passed": int(judged["passed"].sum()),
                "split": describe(store, date, [fit_date(store, date), date]),
                "notes": dg.MetadataValue.json(notes),
                "by_generator": table_value(passes_by_generator(frame)),
                "rows": table_value(frame),
                "plot": plot_value(realism_matrix(frame, dpi=UI_DPI), store),
            }
        )

    return realism_report
