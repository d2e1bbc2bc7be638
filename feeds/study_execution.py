"""The block of a study about execution: parent orders, markets, agents, judging.

Here: its schema, and the base that every block of a study has. Not here: the study (feeds/study.py), what the settings
do (assets/execution_setup.py, assets/execution_training.py, assets/execution_judge.py).
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Strict(BaseModel):
    """Frozen; a key nobody knows is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Case(NamedTuple):
    """Parent orders of one horizon and one size.

    Attributes:
        horizon_s: Time an order has.
        share: Its size, as a share of the volume usually traded in that time.
        number: Place among the study's cases.
    """

    horizon_s: int
    share: float
    number: int = 0

    @property
    def label(self) -> str:
        """In tables and keys, e.g. ``"300s 5%"``."""
        return f"{self.horizon_s}s {100.0 * self.share:g}%"


class VenueFees(Strict):
    """What a venue charges: shares of the value, and amounts per unit of size, a US share, in the currency of prices.

    Attributes:
        taker_bps: Of the value of an aggressive fill.
        maker_bps: Of a passive one; negative: a rebate.
        taker_per_unit: On top, per unit of size.
        maker_per_unit: The same of passive fills.
    """

    taker_bps: float = 0.0
    maker_bps: float = 0.0
    taker_per_unit: float = 0.0
    maker_per_unit: float = 0.0


class Execution(Strict):
    """Parent orders, how agents are trained, and how policies are judged.

    Attributes:
        horizons_s: Times a parent order may have. Every horizon with every share is a case: agents are trained in all
            of them together, and judged in each.
        decisions: Decision times in a horizon, evenly spaced; the same in all cases.
        parent_shares: Sizes of a parent order, as shares of the volume usually traded in its horizon.
        headline: Instruments whose figures are the study's, named before anything is judged; by default all.
        urgency: Of the Almgren-Chriss schedule: kappa times the horizon, 0 is TWAP.
        latency_ms: From decision to the venue.
        taker_fee_bps: Fee of an aggressive fill; by default the study's ``costs.fee_bps``.
        maker_fee_bps: Fee of a passive fill, negative is a rebate; by default the same.
        fees: Schedules by venue, the part of an instrument's id after its last dot, in place of the two.
        risk_aversion: Weight of the risk term of the rewards agents learn from, per bps (sim/execution_task.py); what
            is judged is the shortfall alone.
        train_steps: Environment steps each agent is trained for.
        eval_episodes: Parent orders per instrument, market and case in the evaluation; half of them on either side.
        seeds: Training seeds; one agent each, every one of them judged.
        flow_minutes: Simulated minutes behind the realism report; with fewer than 100 a simulated market has too few
            returns over five minutes and fails what they are judged by.
        generators: Simulated markets that are fitted and held against the tape, names of sim/generators.py; empty: all
            of them.
        flow_generator: The one agents are trained in: a name, or ``best``: whichever passes most metrics on a hold-out
            of the fitting period, the last third, where each is fitted on the first two.
        executor: Where trainings that do not depend on each other run; what comes out is the same:
            ``in_process``, one after the other; ``processes`` of this machine; ``ray``, the cluster at
            ``$RAY_ADDRESS``, or one of this machine where that is unset.
        workers: Of them, at a time on this machine; 0: as many as it has cores.
        agents: Kinds of agents that are trained.
        train_on: Markets they are trained in: ``flow``, the simulated one, and ``replay``, the tape that it is fitted
            to. Without ``flow`` no market is simulated, so that data of levels or quotes do.
        envs: Parent orders worked at once in a training, of all instruments, markets and cases together; of each at
            least one.
        observation: What agents see: the ``default`` terms of sim/observation.py, or all of them (``full``); forecasts
            are governed by ``forecasts``. With several horizons the time between decisions is among them.
        sizes: Of the action grid, in even slices of what is left.
        styles: Of the action grid: names of sim/execution_task.py, or increments from the best price of the own side.
        layers: Units of the agents' hidden layers; small ones learn less of a short tape by heart.
        ppo_steps: Environment steps of each PPO agent; by default ten times ``train_steps``.
        forecasts: Whether agents see forecasts of return and volatility; only with ``replay``, for a simulated market
            has none.
        warm_start: Go on from the champion's weights where its observations, actions and layers are the same.
        replay_impact: Whether takes move replayed prices, as measured on the fitted tape; where not, or where it tells
            too little, only depth that was taken is missing until it comes back.
        queue: Who stands ahead of our resting orders in a replay, a kind of sim/queue_models.py; by default what a tape
            of orders tells, and on others ``conservative``, the bound that flatters nobody.
        ablations: Parts of the market switched off in further judgements on the tape, names of
            assets/execution_ablations.py.
        fitted_rules: Judge rules that are fitted in the training market as well.
    """

    horizons_s: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(300,), min_length=1)
    decisions: int = Field(default=10, ge=2)
    parent_shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.05,), min_length=1)
    headline: tuple[str, ...] = ()
    urgency: float = Field(default=2.0, ge=0)
    latency_ms: int = Field(default=10, ge=0)
    taker_fee_bps: float | None = None
    maker_fee_bps: float | None = None
    fees: dict[str, VenueFees] = Field(default_factory=dict)
    risk_aversion: float = Field(default=0.0, ge=0)
    train_steps: int = Field(default=20_000, ge=100)
    eval_episodes: int = Field(default=100, ge=2, multiple_of=2)
    seeds: tuple[int, ...] = Field(default=(1,), min_length=1)
    flow_minutes: int = Field(default=120, ge=1)
    generators: tuple[str, ...] = ()
    flow_generator: str = "flow"
    executor: Literal["in_process", "processes", "ray"] = "in_process"
    workers: int = Field(default=0, ge=0)
    agents: tuple[Literal["dqn", "ppo"], ...] = Field(default=("dqn", "ppo"), min_length=1)
    train_on: tuple[Literal["flow", "replay"], ...] = Field(default=("flow", "replay"), min_length=1)
    envs: int = Field(default=32, ge=1)
    observation: Literal["default", "full"] = "default"
    sizes: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(1.0, 3.0), min_length=1)
    styles: tuple[Literal["behind", "join", "improve", "cross"] | int, ...] = Field(
        default=("join", "improve", "cross"), min_length=1
    )
    layers: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(64, 64), min_length=1)
    ppo_steps: int | None = Field(default=None, ge=100)
    forecasts: bool = True
    warm_start: bool = True
    replay_impact: bool = True
    queue: Literal["exact", "risk_averse", "power", "log", "conservative", "optimistic"] | None = None
    ablations: tuple[
        Literal["no_fees", "zero_latency", "no_queue", "conservative_fills", "no_impact", "no_forecasts"], ...
    ] = ()
    fitted_rules: bool = False

    @field_validator("horizons_s", "parent_shares", "headline", "sizes", "styles")
    @classmethod
    def _each_once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) != len(values):
            raise ValueError("each value once")
        return values

    @model_validator(mode="after")
    def _in_time(self) -> Execution:
        interval_ms = 1000 * min(self.horizons_s) / self.decisions
        if self.latency_ms >= interval_ms:
            raise ValueError(f"latency_ms below {interval_ms:g}, the shortest time between two decisions")
        return self

    @property
    def cases(self) -> tuple[Case, ...]:
        """Every horizon with every share, in the order they are stated."""
        pairs = [(horizon_s, share) for horizon_s in self.horizons_s for share in self.parent_shares]
        return tuple(Case(*pair, number) for number, pair in enumerate(pairs))

    @property
    def simulates(self) -> bool:
        """Whether markets are fitted and simulated."""
        return "flow" in self.train_on

    @property
    def sees_forecasts(self) -> bool:
        """Whether agents see forecasts."""
        return self.forecasts and "replay" in self.train_on
