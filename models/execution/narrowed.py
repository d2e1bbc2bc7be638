"""An agent among environments that show more than it was trained on, or that is kept from seeing some of it.

Here: choosing and blanking observations. Not here: acting (dqn_policy.py, ppo_policy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feeds.errors import SchemaError
from models.execution.dqn_policy import DqnPolicy
from models.execution.ppo_policy import PpoPolicy
from models.execution.protocol import Array, Observation

Trained = DqnPolicy | PpoPolicy


@dataclass(frozen=True)
class Narrowed:
    """Hands a trained network its own terms out of those that are shown; implements `dqn_policy.Acts`.

    Attributes:
        policy: The network.
        places: Of its terms, in its order, among those shown.
        blanked: Which of its terms are replaced by their mean in its training: an agent that no longer sees them.
    """

    policy: Trained
    places: tuple[int, ...]
    blanked: tuple[int, ...] = ()

    def act(self, observation: Observation) -> int | Array:
        """As the network does on what it is let see."""
        return self.policy.act(self._seen(observation))

    def act_batch(self, observations: Observation) -> npt.NDArray[np.int64] | Array:
        """`act` for every row of (n, k) observations."""
        return self.policy.act_batch(self._seen(observations))

    def _seen(self, observation: Observation) -> Observation:
        seen = np.asarray(observation, dtype=np.float32)[..., list(self.places)]
        seen[..., list(self.blanked)] = self.policy.mean[list(self.blanked)]
        return seen


def narrowed(policy: Trained, terms: Sequence[str], shown: Sequence[str], without: Sequence[str] = ()) -> Narrowed:
    """A network that was trained on ``terms``, among environments that show ``shown``.

    Args:
        policy: The network.
        terms: Names of its observations, in order.
        shown: Names of those shown, in order.
        without: Terms it is kept from seeing; those it does not know are left out.

    Raises:
        SchemaError: A term it needs is not shown, or there are not as many names as observations.
    """
    missing = [name for name in terms if name not in shown and name not in without]
    if missing or len(terms) != policy.shape[0]:
        raise SchemaError(
            "observations of an execution agent",
            received=f"{list(shown)}",
            expected=f"{list(terms)}, {policy.shape[0]} of them",
        )
    places = tuple(list(shown).index(name) if name in shown else 0 for name in terms)
    return Narrowed(policy, places, tuple(k for k, name in enumerate(terms) if name in without))
