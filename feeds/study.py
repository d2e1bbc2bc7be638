"""A study: one validated YAML that says what is researched, on which data, with which costs and models.

Here: the schema of a study and its loading. Not here: its block about execution (feeds/study_execution.py), the
studies themselves (pipelines/studies/*.yaml).
"""

from __future__ import annotations

import datetime as dt
import difflib
import os
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from feeds.cleaning.rules import CleaningRules
from feeds.errors import StudyError
from feeds.instruments import InstrumentSpec
from feeds.study_execution import Execution, Strict

STUDIES_DIR = Path(__file__).resolve().parent.parent / "pipelines" / "studies"
PROJECT_DIR = STUDIES_DIR.parent.parent
#: The study of the code location and of commands that name none.
DEFAULT_STUDY = "demo_market"
#: What `t2t run` builds where no study is named: the real capture, then the simulated market fitted to it.
DEFAULT_RUN = ("bitstamp_demo", DEFAULT_STUDY)

#: Formats of market data, of published bars, and of headlines and signals.
TICK_FORMATS = (
    "bitstamp",
    "lobster",
    "us_equity_tick",
    "fx_tick",
    "binance_raw",
    "binance_archive",
    "itch",
    "dbn",
    "iex",
    "mapped",
)
BAR_FORMATS = ("us_equity_minute", "binance_klines")
DAILY_FORMATS = ("news_csv", "signals_csv", "rv_daily_csv", "binance_book_depth")
FORMATS = (*TICK_FORMATS, *BAR_FORMATS, *DAILY_FORMATS)


class Source(Strict):
    """Files that enter the landing zone.

    Attributes:
        format: The adapter that must recognise them, one of `FORMATS`.
        path: ``package:<module>/<glob>``, ``shared:<glob>`` (below ``$T2T_SHARED``), ``study:<glob>`` (below
            pipelines/studies/), ``simulate:<market>/<glob>`` (a market of sim/demo_config.py, generated on first use)
            or a plain glob.
        simulated: True where nobody traded or published what the files hold.
    """

    format: str
    path: str
    simulated: bool = False

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in FORMATS:
            raise ValueError(f"one of {', '.join(FORMATS)}")
        return value


class Dates(Strict):
    """Bounds of the daily partitions, both inclusive; ``end`` empty means open."""

    start: dt.date
    end: dt.date | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Dates:
        if self.end is not None and self.end < self.start:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        return self


class WalkForward(Strict):
    """Train on the ``train_days`` partitions before a date, test on the date."""

    kind: Literal["walk_forward"] = "walk_forward"
    train_days: int = Field(default=20, ge=1)


class Intraday(Strict):
    """Split inside the day: train up to ``train_until`` (exchange time), test after it and an embargo.

    Attributes:
        train_until: Clock time of the split in the calendar's time zone.
        embargo_s: Seconds left out on top of the label horizon.
        train_days: Whole earlier days also used for training.
    """

    kind: Literal["intraday"] = "intraday"
    train_until: dt.time
    embargo_s: float = Field(default=60.0, ge=0)
    train_days: int = Field(default=0, ge=0)


class Costs(Strict):
    """What a trade costs in the backtest.

    Attributes:
        fee_bps: Commission and exchange fee per side, bps of notional.
        half_spread: Whether to pay half the quoted spread per side on top.
        latency_ms: From decision to execution.
    """

    fee_bps: float = Field(ge=0)
    half_spread: bool = True
    latency_ms: int = Field(default=0, ge=0)


class AlphaModels(Strict):
    """Models of the alpha family.

    Attributes:
        rows: Rows of the comparison table; ``naive``, ``linear`` and ``shuffled`` are the controls.
        max_iter: Boosting rounds.
        learning_rate: Shrinkage.
        max_leaf_nodes: Leaves a tree.
        min_samples_leaf: Observations a leaf.
    """

    rows: tuple[Literal["naive", "linear", "gradient_boosting", "shuffled"], ...] = (
        "naive",
        "linear",
        "gradient_boosting",
        "shuffled",
    )
    max_iter: int = Field(default=150, ge=1)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    max_leaf_nodes: int = Field(default=15, ge=2)
    min_samples_leaf: int = Field(default=100, ge=1)


class VolatilityModels(Strict):
    """Models of the volatility family.

    Attributes:
        block_s: Length of a realised-variance block, seconds (300: the field's 5 minutes).
        ewma_lambda: Decay of the EWMA benchmark per block.
        min_train_blocks: Fewer training observations than this and only EWMA is offered.
        daily_min_days: A daily HAR is fitted only with at least this many days.
    """

    block_s: int = Field(default=300, ge=10)
    ewma_lambda: float = Field(default=0.94, gt=0, lt=1)
    min_train_blocks: int = Field(default=40, ge=10)
    daily_min_days: int = Field(default=60, ge=30)


class RegimeModels(Strict):
    """The Gaussian mixture over market states.

    Attributes:
        max_states: Most components tried; the Bayesian information criterion chooses among 2 to this many.
        restarts: Random starts of each fit.
        max_rows: Training rows used at most, evenly spaced.
        smooth_s: Span of the trailing average of each feature; 0 for none. A twentieth of the training window where
            that is shorter.
    """

    max_states: int = Field(default=3, ge=2, le=8)
    restarts: int = Field(default=3, ge=1)
    max_rows: int = Field(default=20_000, ge=500)
    smooth_s: int = Field(default=600, ge=0)


class CorrelationModels(Strict):
    """EWMA and Ledoit-Wolf correlation of returns across instruments.

    Attributes:
        return_s: Length of the returns; a multiple of the bar length.
        ewma_lambda: Decay per return.
    """

    return_s: int = Field(default=300, ge=1)
    ewma_lambda: float = Field(default=0.97, gt=0, lt=1)


class AnomalyModels(Strict):
    """The isolation forest over decision times.

    Attributes:
        trees: Trees of the forest.
        alarm_share: Share of ordinary decision times that may raise an alarm: the stated false-alarm rate.
    """

    trees: int = Field(default=100, ge=10)
    alarm_share: float = Field(default=0.002, gt=0, lt=0.5)


class Models(Strict):
    """Model families of the study."""

    alpha: AlphaModels = AlphaModels()
    volatility: VolatilityModels = VolatilityModels()
    regime: RegimeModels = RegimeModels()
    correlation: CorrelationModels = CorrelationModels()
    anomaly: AnomalyModels = AnomalyModels()


class Risk(Strict):
    """What the limits rest on.

    Attributes:
        capital: Capital in the instruments' currency.
        daily_var_share: Largest one-day 99 % value at risk of the book, as a share of capital.
        target_volatility_bps: Volatility over the label horizon at which the backtest holds one full position; by
            default the one usual in the training window.
        max_leverage: Most positions of full size the volatility scaling may hold in a calm market.
    """

    capital: float = Field(default=1_000_000.0, gt=0)
    daily_var_share: float = Field(default=0.02, gt=0, lt=1)
    target_volatility_bps: float | None = Field(default=None, gt=0)
    max_leverage: float = Field(default=2.0, gt=0)


class Label(Strict):
    """What is predicted: the mid-price return in bps over a horizon.

    Attributes:
        horizon_ms: Horizon of the label the models are trained on.
        more_horizons_ms: Further horizons for which the IC is reported.
    """

    horizon_ms: int = Field(gt=0)
    more_horizons_ms: tuple[int, ...] = ()


class Study(Strict):
    """One research study; see the module docstring."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    description: str = ""
    sources: tuple[Source, ...] = Field(min_length=1)
    dates: Dates
    calendar: Literal["XNYS", "24/7"]
    session: Literal["regular", "all"] = "regular"
    instruments: tuple[InstrumentSpec, ...] = Field(min_length=1)
    admit_new_instruments: bool = True
    grid_ms: int = Field(gt=0, description="spacing of the decision times")
    bar_ms: int = Field(default=60_000, gt=0)
    rv_sample_ms: int = Field(default=10_000, gt=0)
    label: Label
    split: Annotated[WalkForward | Intraday, Field(discriminator="kind")]
    costs: Costs
    cleaning: CleaningRules = CleaningRules()
    models: Models = Models()
    execution: Execution | None = None
    risk: Risk = Risk()
    seeds: tuple[int, ...] = Field(default=(7,), min_length=1)
    coverage: float = Field(default=0.5, gt=0, le=1, description="least share of the universe a date needs")
    nights: int = Field(default=3, ge=1, description="nights that `t2t run` trains")

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        ids = [spec.id for spec in self.instruments]
        if len(set(ids)) != len(ids):
            raise ValueError(f"instruments has duplicates: {ids}")
        if self.label.horizon_ms % self.grid_ms:
            raise ValueError(f"label.horizon_ms {self.label.horizon_ms} is no multiple of grid_ms {self.grid_ms}")
        if self.bar_ms % self.rv_sample_ms:
            raise ValueError(f"bar_ms {self.bar_ms} is no multiple of rv_sample_ms {self.rv_sample_ms}")
        unknown = sorted(set(self.execution.headline if self.execution else ()) - set(ids))
        if unknown:
            raise ValueError(f"execution.headline names {unknown}, which instruments do not list: {ids}")
        return self

    @property
    def seed(self) -> int:
        """The seed of a run that trains one seed only."""
        return self.seeds[0]

    @property
    def simulated_market(self) -> bool:
        """Whether nobody traded what the study's market data hold."""
        return all(source.simulated for source in self.sources if source.format not in DAILY_FORMATS)

    def instrument(self, instrument_id: str) -> InstrumentSpec | None:
        """The spec of ``instrument_id`` or None where the study does not list it."""
        return next((spec for spec in self.instruments if spec.id == instrument_id), None)

    def admits(self, date: dt.date, instrument_id: str) -> bool:
        """Whether data of ``date`` and ``instrument_id`` belong to the study."""
        inside = self.dates.start <= date and (self.dates.end is None or date <= self.dates.end)
        return inside and (self.admit_new_instruments or self.instrument(instrument_id) is not None)


def available_studies() -> list[str]:
    """Names of the studies shipped in pipelines/studies/."""
    return sorted(path.stem for path in STUDIES_DIR.glob("*.yaml"))


def chosen_study(name_or_path: str | Path | None = None) -> str:
    """The study meant: the argument, else ``$T2T_STUDY``, else the default; a YAML file as an absolute path."""
    wanted = str(name_or_path or os.environ.get("T2T_STUDY") or DEFAULT_STUDY)
    return str(Path(wanted).resolve()) if wanted.endswith((".yaml", ".yml")) else wanted


def load_study(name_or_path: str | Path | None = None) -> Study:
    """Load and validate a study.

    Args:
        name_or_path: A shipped study's name, a path to a YAML file, or None for ``$T2T_STUDY`` or the default.

    Raises:
        StudyError: There is no such study, or a key or value is wrong; names the key, what was found and what is
            allowed.
    """
    wanted = chosen_study(name_or_path)
    path = Path(wanted) if wanted.endswith((".yaml", ".yml")) else STUDIES_DIR / f"{wanted}.yaml"
    if not path.is_file():
        raise StudyError(
            "study",
            received=repr(wanted),
            expected=f"one of {available_studies()} or the path of a YAML file",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(path.name, received=str(error), expected="a readable UTF-8 text file") from error
    return parse_study(text, where=path.name)


def parse_study(text: str, where: str = "study") -> Study:
    """Validate the YAML ``text`` of a study; see `load_study`."""
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise StudyError(where, received=" ".join(str(error).split()), expected="valid YAML") from error
    if not isinstance(tree, dict):
        raise StudyError(where, received=type(tree).__name__, expected="a mapping of keys")
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        raise StudyError(where, remedy=_explain(error)) from error


def _explain(error: ValidationError) -> str:
    return " ".join(_explain_one(item) for item in error.errors())


def _explain_one(item: typing.Mapping[str, Any]) -> str:
    place = [str(part) for part in item["loc"] if part not in ("walk_forward", "intraday")]
    key = ".".join(place) or "(whole file)"
    if item["type"] == "extra_forbidden":
        allowed = _allowed_keys(place[:-1], tuple(item["loc"]))
        near = difflib.get_close_matches(place[-1], allowed, 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"Key '{key}': found an unknown key; allowed are {allowed}.{hint}"
    if item["type"] == "missing":
        return f"Key '{key}': not found; it is required."
    return f"Key '{key}': found {item['input']!r}; allowed: {item['msg']}."


def _allowed_keys(place: list[str], location: tuple[Any, ...]) -> list[str]:
    model: Any = Study
    for part in place:
        if part.isdigit():
            continue
        model = _submodel(model.model_fields[part].annotation, location)
    return sorted(model.model_fields)


def _submodel(annotation: Any, location: tuple[Any, ...]) -> Any:
    candidates = [annotation, *typing.get_args(annotation)]
    models = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
    if len(models) > 1:
        return Intraday if "intraday" in location else WalkForward
    return models[0]
