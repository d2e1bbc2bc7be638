"""Working a parent order: DQN and PPO agents beside the rules they must beat, judged on the same orders.

Here: the agents, the rules, their comparison. Not here: markets and environments (sim/): they arrive through a factory,
or stepped together (`VectorEnvLike`). Training needs torch and is imported from `models.execution.dqn` and
`models.execution.ppo`.
"""

from models.execution.baselines import REFERENCE, baselines
from models.execution.cases import policy_cases
from models.execution.comparison import by_case, by_training_seed, summarise
from models.execution.config import DqnConfig, PpoConfig
from models.execution.dqn_policy import Agent, DqnPolicy
from models.execution.evaluation import (
    Episode,
    both_sides,
    cost_parts,
    evaluate,
    inventory_fan,
    learning_curve,
    visited_states,
)
from models.execution.fitted_rules import FitConfig, fit_rules
from models.execution.foresight import Foresight
from models.execution.greedy import greedy_costs
from models.execution.joined import Joined
from models.execution.narrowed import Narrowed, narrowed
from models.execution.policy_map import action_importance, policy_map
from models.execution.ppo_policy import PpoPolicy
from models.execution.protocol import VectorEnvLike
from models.execution.seeds import over_seeds
from models.execution.serial_vector import SerialVector
from models.execution.significance import significance
from models.execution.verdict import verdict

__all__ = [
    "REFERENCE",
    "Agent",
    "DqnConfig",
    "DqnPolicy",
    "Episode",
    "FitConfig",
    "Foresight",
    "Joined",
    "Narrowed",
    "PpoConfig",
    "PpoPolicy",
    "SerialVector",
    "VectorEnvLike",
    "action_importance",
    "baselines",
    "both_sides",
    "by_case",
    "by_training_seed",
    "cost_parts",
    "evaluate",
    "fit_rules",
    "greedy_costs",
    "inventory_fan",
    "learning_curve",
    "narrowed",
    "over_seeds",
    "policy_cases",
    "policy_map",
    "significance",
    "summarise",
    "verdict",
    "visited_states",
]
