"""Working a parent order: a double DQN agent beside the rules it must beat, judged on the same orders.

Here: the agent, the rules, their comparison. Not here: markets and the environment (sim/): an environment arrives
through a factory. Training needs torch and is imported from `models.execution.dqn`.
"""

from models.execution.baselines import REFERENCE, baselines
from models.execution.comparison import by_case, by_training_seed, summarise
from models.execution.config import DqnConfig
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
from models.execution.policy_map import action_importance, policy_map
from models.execution.verdict import verdict

__all__ = [
    "REFERENCE",
    "Agent",
    "DqnConfig",
    "DqnPolicy",
    "Episode",
    "action_importance",
    "baselines",
    "both_sides",
    "by_case",
    "by_training_seed",
    "cost_parts",
    "evaluate",
    "inventory_fan",
    "learning_curve",
    "policy_map",
    "summarise",
    "verdict",
    "visited_states",
]
