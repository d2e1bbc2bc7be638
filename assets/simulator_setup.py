"""What the simulator of a night is made of: generators fitted to the tape, the one agents train in, their realism.

Here: fitting, choosing, comparing, reading back. Not here: the assets (assets/simulator.py), generators and statistics
(sim/), agents (assets/execution.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assets.store import StudyStore
from assets.tape import Tape, fit_tape, judged_tape, tape_symbols
from feeds.errors import InsufficientDataError, LakeError, StudyError, T2TError
from feeds.study import Execution

if TYPE_CHECKING:
    import polars as pl

    from sim.generators import Generator
    from sim.realism import RealPair

NS_PER_MIN = 60_000_000_000
#: The value of ``execution.flow_generator`` that leaves the choice to a hold-out, and the share of the fitting period
#: before it.
BEST, _BEFORE_HOLD_OUT = "best", 2 / 3


@dataclass
class Calibration:
    """Generators fitted for one night.

    Attributes:
        fitted: Generator -> instrument -> parameters.
        parents: Ids of the ticks they were fitted on.
        notes: What could not be fitted, and why.
        chosen: The generator agents train in.
        hold_out: Passes on the hold-out of each generator that was tried; empty where none was held.
    """

    fitted: dict[str, dict[str, Any]] = field(default_factory=dict)
    parents: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chosen: str = ""
    hold_out: dict[str, int] = field(default_factory=dict)


def execution_of(store: StudyStore) -> Execution:
    """The study's execution settings.

    Raises:
        StudyError: It has none.
    """
    if store.config.execution is None:
        raise StudyError(f"study {store.config.name}", received="no key 'execution'", expected="one")
    return store.config.execution


def generators_of(config: Execution) -> dict[str, Generator]:
    """The generators a study names, all of them where it names none.

    Raises:
        StudyError: A name is unknown, or agents are to train in a generator that is not fitted or only to be watched.
    """
    from sim.generators import GENERATORS

    wanted = config.generators or tuple(GENERATORS)
    unknown = [name for name in wanted if name not in GENERATORS]
    if unknown:
        raise StudyError("execution.generators", received=f"{unknown}", expected=f"names among {list(GENERATORS)}")
    acting = [name for name in wanted if GENERATORS[name].market is not None]
    if config.flow_generator not in (*acting, BEST) or not acting:
        raise StudyError(
            "execution.flow_generator",
            received=repr(config.flow_generator),
            expected=f"{BEST!r} or one of {acting}: generators of the study with a market to act in",
        )
    return {name: GENERATORS[name] for name in wanted}


def calibrate(store: StudyStore, date: str) -> Calibration:
    """Fit every generator to every instrument of a night that allows it.

    Raises:
        InsufficientDataError: The generator agents train in fits no instrument.
    """
    config = execution_of(store)
    generators = generators_of(config)
    made = Calibration()
    held: dict[str, int] = {}
    for symbol in tape_symbols(store, date):
        try:
            tape = fit_tape(store, date, symbol)
        except T2TError as error:
            made.notes.append(f"{symbol}: {error}")
            continue
        _fit(generators, tape, made)
        if config.flow_generator == BEST:
            _hold_out(generators, tape, config.flow_minutes, store.config.seed, held)
    made.hold_out = held
    made.chosen = config.flow_generator if config.flow_generator != BEST else _best(generators, made)
    if not made.fitted.get(made.chosen):
        raise InsufficientDataError(
            f"simulator calibration of {date}",
            received="; ".join(made.notes) or "no instrument",
            expected=f"one that generator {made.chosen!r} fits",
        )
    return made


def _fit(generators: dict[str, Generator], tape: Tape, made: Calibration) -> None:
    before = sum(len(each) for each in made.fitted.values())
    for name, generator in generators.items():
        try:
            params = generator.fit(tape.frame, tape.spec, until_ns=tape.bounds[1])
        except T2TError as error:
            made.notes.append(f"{tape.symbol}, generator {name}: {error}")
            continue
        made.fitted.setdefault(name, {})[tape.symbol] = params
    if sum(len(each) for each in made.fitted.values()) > before:
        made.parents.append(tape.parent)


def _hold_out(generators: dict[str, Generator], tape: Tape, minutes: int, seed: int, held: dict[str, int]) -> None:
    """Add the passes of each generator with a market, fitted before the hold-out of one tape and judged on it."""
    from sim.realism import RealPair

    begin, end = tape.bounds
    cut = begin + int(_BEFORE_HOLD_OUT * (end - begin))
    try:
        pair = RealPair(inside(tape.frame, (begin, cut)), inside(tape.frame, (cut, end)), tape.spec)
    except T2TError:
        return
    for name, generator in generators.items():
        if generator.market is None:
            continue
        try:
            params = generator.fit(tape.frame, tape.spec, until_ns=cut)
            report = judged(generator, params, pair, tape.frame, cut, minutes, seed)
        except T2TError:
            continue
        held[name] = held.get(name, 0) + int(report["passed"].sum())


def _best(generators: dict[str, Generator], made: Calibration) -> str:
    """Most passes on the hold-out, the first of equals; without one the first that fits and can be acted in."""
    able = [name for name, one in generators.items() if one.market is not None and made.fitted.get(name)]
    return max(able, key=lambda name: made.hold_out.get(name, -1), default=next(iter(generators)))


def params_file(generator: str, symbol: str) -> str:
    """Name of the file of one instrument's parameters in the artefact."""
    return f"{generator}-{symbol}.json"


def flow_generator(store: StudyStore, date: str) -> Generator:
    """The generator agents of ``date`` train in."""
    from sim.generators import GENERATORS

    return GENERATORS[str(_calibration(store, date).params["flow_generator"])]


def load_params(store: StudyStore, date: str, generator: Generator) -> dict[str, Any]:
    """The calibrated parameters of each instrument of ``date`` that a generator fits."""
    manifest = _calibration(store, date)
    return {
        symbol: generator.read(store.artefacts.read(manifest, params_file(generator.name, symbol)).decode())
        for symbol in manifest.params["generators"].get(generator.name, [])
    }


def load_flow(store: StudyStore, date: str) -> dict[str, Any]:
    """The calibrated market of each instrument of ``date`` that agents train in."""
    return load_params(store, date, flow_generator(store, date))


def _calibration(store: StudyStore, date: str) -> Any:
    manifest = store.artefacts.current("simulator_calibration", date)
    if "generators" not in manifest.params:
        raise LakeError(
            f"simulator calibration of {date}",
            received="one of an earlier version",
            expected="parameters by generator",
            remedy="Materialise simulator_calibration again.",
        )
    return manifest


def compare(store: StudyStore, date: str) -> tuple[pl.DataFrame, list[str], list[str]]:
    """Realism metrics of every generator and instrument, ids of the ticks they are judged on, and what is missing."""
    import polars as pl

    from sim.generators import GENERATORS
    from sim.realism import RealPair

    names = list(_calibration(store, date).params["generators"])
    fitted = {name: load_params(store, date, GENERATORS[name]) for name in names}
    frames, parents, notes = [], [], []
    for symbol in dict.fromkeys(symbol for name in names for symbol in fitted[name]):
        fitted_on, tape = fit_tape(store, date, symbol), judged_tape(store, date, symbol)
        real_a, real_b = (inside(one.frame, one.bounds) for one in (fitted_on, tape))
        pair = RealPair(real_a, real_b, tape.spec)
        parents.append(tape.parent)
        for name in (name for name in names if symbol in fitted[name]):
            minutes, seed = execution_of(store).flow_minutes, store.config.seed
            try:
                report = judged(GENERATORS[name], fitted[name][symbol], pair, tape.frame, tape.bounds[0], minutes, seed)
            except T2TError as error:
                notes.append(f"{symbol}, generator {name}: {error}")
                continue
            who = (pl.lit(symbol).alias("symbol"), pl.lit(name).alias("generator"))
            frames.append(report.select(*who, pl.exclude("symbol")))
    if not frames:
        raise InsufficientDataError(f"realism of {date}", received="; ".join(notes), expected="one simulated tape")
    return pl.concat(frames), parents, notes


def judged(
    generator: Generator, params: Any, pair: RealPair, tape: pl.DataFrame, start_ns: int, minutes: int, seed: int
) -> pl.DataFrame:
    """Realism metrics of some simulated minutes that begin where a tape stands at ``start_ns``."""
    mid = int(opening_mid(tape, start_ns))
    return pair.judge(generator.simulate(params, start_ns, start_ns + minutes * NS_PER_MIN, seed, mid))


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
