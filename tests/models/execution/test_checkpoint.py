"""A training that is killed goes on from its checkpoint and ends as if nothing had happened."""

import dataclasses
import signal
import subprocess
import sys

import numpy as np
import pytest

from feeds.errors import LakeError
from models.execution.checkpoint import fresh_seed, read_checkpoint, write_checkpoint
from models.execution.config import DqnConfig, PpoConfig
from models.execution.dqn import train_dqn
from models.execution.ppo import train_ppo
from models.execution.worlds import AlmgrenChriss, AlmgrenChrissWorld

PPO = PpoConfig(steps=1600, rollout=16, batch=64, layers=(8,), fresh_every=3)
DQN = DqnConfig(
    steps=1600,
    batch=32,
    layers=(8,),
    replay=500,
    fresh_every=500,
    dueling=True,
    n_step=3,
    prioritised=0.6,
    train_every=16,
)
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.models.execution.test_checkpoint import PPO, world
from models.execution.ppo import train_ppo

def progress(done, total):
    if done >= 1000:
        os.kill(os.getpid(), signal.SIGKILL)

train_ppo(world(), PPO, progress, checkpoint=Path(sys.argv[1]))
"""


def world():
    return AlmgrenChrissWorld(AlmgrenChriss(), 8)


class Stopped(Exception):
    pass


def stop_after(steps):
    def progress(done, total):
        if done >= steps:
            raise Stopped

    return progress


def same(left, right):
    return left.policy.to_bytes() == right.policy.to_bytes() and left.learning.equals(right.learning)


def test_ppo_killed_in_the_middle_ends_as_if_it_had_not_been(tmp_path, request):
    target = tmp_path / "ppo.npz"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(target)], cwd=request.config.rootpath, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    told = []
    went_on = train_ppo(world(), PPO, lambda done, total: told.append(done), checkpoint=target)
    # it did not start over
    assert told[0] > PPO.fresh_every * PPO.rollout * 8
    assert same(went_on, train_ppo(world(), PPO))


def test_ppo_that_plays_ahead_ends_as_if_it_had_not_been_stopped(tmp_path):
    config, target = dataclasses.replace(PPO, overlap=True), tmp_path / "ppo.npz"
    with pytest.raises(Stopped):
        train_ppo(world(), config, stop_after(1000), checkpoint=target)
    told = []
    went_on = train_ppo(world(), config, lambda done, total: told.append(done), checkpoint=target)
    assert told[0] > PPO.fresh_every * PPO.rollout * 8
    assert same(went_on, train_ppo(world(), config))


def test_dqn_stopped_in_the_middle_ends_as_if_it_had_not_been(tmp_path):
    target = tmp_path / "dqn.npz"
    with pytest.raises(Stopped):
        train_dqn(world(), DQN, stop_after(1400), checkpoint=target)
    told = []
    went_on = train_dqn(world(), DQN, lambda done, total: told.append(done), checkpoint=target)
    assert told[0] > 1000
    uninterrupted = train_dqn(world(), DQN)
    assert same(went_on, uninterrupted)
    # nor does it matter where it was stopped
    with pytest.raises(Stopped):
        train_dqn(world(), DQN, stop_after(512), checkpoint=tmp_path / "early.npz")
    assert same(train_dqn(world(), DQN, checkpoint=tmp_path / "early.npz"), uninterrupted)


def test_the_checkpoint_of_other_settings_and_a_torn_one_are_refused(tmp_path):
    target = tmp_path / "ppo.npz"
    train_ppo(world(), PPO, checkpoint=target)
    with pytest.raises(LakeError, match="go back to its settings"):
        train_ppo(world(), dataclasses.replace(PPO, seed=2), checkpoint=target)
    target.write_bytes(target.read_bytes()[:500])
    with pytest.raises(LakeError, match="a whole checkpoint"):
        train_ppo(world(), PPO, checkpoint=target)


def test_what_is_written_is_read_and_nothing_where_there_is_no_file(tmp_path):
    assert read_checkpoint(tmp_path / "none.npz", PPO) is None
    state = {"random": np.random.default_rng(1).bit_generator.state, "share": 0.1}
    write_checkpoint(tmp_path / "some.npz", PPO, {"a/0": np.arange(3.0)}, state)
    arrays, found = read_checkpoint(tmp_path / "some.npz", PPO)
    np.testing.assert_array_equal(arrays["a/0"], np.arange(3.0))
    assert found == state


def test_fresh_starts_have_seeds_of_their_own():
    seeds = {fresh_seed(seed, start) for seed in range(20) for start in range(20)}
    assert len(seeds) == 400
