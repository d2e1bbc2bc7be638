"""What is compiled ahead of a night is what its environments ask for."""

from pipelines import compile_ahead
from sim.env_kernel import play
from sim.execution_task import ActionGrid
from sim.vector_env import ExecutionVectorEnv
from tests.support.env_pairs import TASK, flow, replay


def test_environments_over_flows_and_tapes_find_their_kernels_compiled():
    for compiled in compile_ahead.PLAYS[:2]:
        compiled()
    before = set(play.signatures)
    for make in (flow, replay):
        env = ExecutionVectorEnv(make(), 2, TASK)
        env.reset(seed=0)
        env.step([0, ActionGrid().n - 1])
    assert set(play.signatures) == before
