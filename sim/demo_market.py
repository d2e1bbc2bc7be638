"""The simulated demo market as files: generated once, in the formats real data come in.

``files/`` is what may enter a landing zone: ``lobster/*.zip``, ``news.csv``, ``signals.csv``. Beside it lie ``truth/``,
a table a day for those who judge models, and ``plant.json``, every setting.

Here: generating and finding the files. Not here: what is planted (sim/demo_config.py), the study that reads them
(pipelines/studies/demo_market.yaml).
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from feeds.errors import StudyError
from sim.demo_config import DEMO_MARKETS, NS_PER_S, DemoConfig
from sim.demo_flow import FlowScale, scale_flow, simulate_day
from sim.demo_headlines import SOURCE, headlines_csv, iso_utc
from sim.demo_lobster import write_lobster
from sim.demo_paths import DayPlan, plan_market
from sim.demo_truth import truth_of
from sim.flow_params import FlowParams

Tell = Callable[[str], None]
FILES, TRUTH_FOLDER, PLANT = "files", "truth", "plant.json"
WEAK_SIGNAL, PLACEBO = "weak_signal", "placebo"
_CAPTURE_PACKAGE, _CAPTURE_FOLDER = "ob_analytics", "_sample_data"
#: Sources whose change makes another market.
_CODE = ("demo_*.py", "flow*.py", "book*.py", "random_stream.py", "matching.py", "order_index.py", "compile_options.py")


def market_folder(name: str, data_root: Path, tell: Tell | None = None) -> Path:
    """The folder of a simulated market below ``data_root``, generated where it is not there yet.

    Args:
        name: One of `sim.demo_config.DEMO_MARKETS`.
        data_root: Where studies keep their data; the market goes to ``_simulated/<name>-<digest>/``.
        tell: Called with a line of text as the work goes on.

    Raises:
        StudyError: There is no market of that name.
    """
    if name not in DEMO_MARKETS:
        raise StudyError("simulated market", received=repr(name), expected=f"one of {sorted(DEMO_MARKETS)}")
    config = DEMO_MARKETS[name]
    folder = data_root / "_simulated" / f"{name}-{market_digest(config)}"
    if not folder.is_dir():
        _generate_atomically(config, folder, tell)
    return folder


def market_digest(config: DemoConfig) -> str:
    """First 12 hex digits of the SHA-256 of settings, code, and the capture that the order flow is fitted to."""
    digest = hashlib.sha256(f"{config.digest()} {dataclasses.asdict(FlowScale())}".encode())
    sources = {path for pattern in _CODE for path in Path(__file__).parent.glob(pattern)}
    for path in (*sorted(sources), *_capture_files()):
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _generate_atomically(config: DemoConfig, folder: Path, tell: Tell | None) -> None:
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        generate(config, temporary, tell=tell)
        if not folder.is_dir():
            temporary.rename(folder)
    except OSError:
        # Another process may have put the same market there first.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def generate(config: DemoConfig, folder: Path, *, fitted: FlowParams | None = None, tell: Tell | None = None) -> None:
    """Write all files of a market; equal settings give equal bytes.

    Args:
        config: The market.
        folder: Where to; made.
        fitted: The order flow whose shapes are used; by default that of the embedded capture.
        tell: Called with a line of text as the work goes on.
    """
    fitted = fitted or fitted_flow()
    plans = plan_market(config)
    for part in (folder / FILES / "lobster", folder / TRUTH_FOLDER):
        part.mkdir(parents=True, exist_ok=True)
    for number, plan in enumerate(plans):
        if tell:
            tell(f"simulating {config.name}: {plan.date} ({number + 1} of {len(plans)})")
        _write_day(config, folder, plan, fitted)
    days = [(plan.date, plan.headlines) for plan in plans]
    (folder / FILES / "news.csv").write_text(headlines_csv(config, days), encoding="utf-8")
    (folder / FILES / "signals.csv").write_text(signals_csv(config, plans), encoding="utf-8")
    settings = {
        "what": "SIMULATED market: nobody traded it, the companies and headlines are invented",
        "config": dataclasses.asdict(config),
        "scale": dataclasses.asdict(FlowScale()),
        "fitted_flow": fitted.to_dict(),
    }
    (folder / PLANT).write_text(json.dumps(settings, indent=1, sort_keys=True), encoding="utf-8")


def _write_day(config: DemoConfig, folder: Path, plan: DayPlan, fitted: FlowParams) -> None:
    for place, instrument in enumerate(config.instruments):
        tape = simulate_day(config, plan, place, scale_flow(fitted, instrument, FlowScale()))
        write_lobster(folder / FILES / "lobster", config, plan, place, tape)
    truth_of(config, plan).write_parquet(folder / TRUTH_FOLDER / f"{plan.date}.parquet")


def signals_csv(config: DemoConfig, plans: tuple[DayPlan, ...]) -> str:
    """All values of both signals in the format ``signals_csv``; each is known when its slot begins."""
    lines = ["available_at,effective_at,symbol,name,value,source"]
    for plan in plans:
        for slot, values in enumerate(plan.signals):
            moment = iso_utc(plan.open_ns + slot * config.signals.slot_s * NS_PER_S)
            for place, instrument in enumerate(config.instruments):
                for name, value in zip((PLACEBO, WEAK_SIGNAL), values[place, ::-1].tolist(), strict=True):
                    lines.append(f"{moment},{moment},{instrument.symbol},{name},{value:.6f},{SOURCE}")
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=1)
def fitted_flow() -> FlowParams:
    """The order flow fitted to the real capture that the package ob_analytics ships."""
    from feeds.adapters import TICK_ADAPTERS, sniff
    from feeds.cleaning import filter_rows
    from sim.flow_fit import fit_flow
    from sim.replay import with_book

    infos = [info for path in _capture_files() if (info := sniff(path)).instrument is not None]
    adapter, date = TICK_ADAPTERS[infos[0].format], infos[0].dates[0]
    spec = adapter.default_spec(str(infos[0].instrument))
    raw = adapter.parse({info.role: info.path for info in infos}, spec, date).frame
    bounds = (int(raw["ts_event"].min()), int(raw["ts_event"].max()) + 1)  # type: ignore[arg-type]
    kept, _ = filter_rows(raw, spec, bounds)
    tape, _ = with_book(kept)
    return fit_flow(tape, spec)


def _capture_files() -> list[Path]:
    spec = importlib.util.find_spec(_CAPTURE_PACKAGE)
    if spec is None or spec.origin is None:
        raise StudyError(
            "simulated market", received=f"package {_CAPTURE_PACKAGE} is not installed", remedy="Run make install."
        )
    folder = Path(spec.origin).parent / _CAPTURE_FOLDER
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in (".json", ".csv", ".gz"))
