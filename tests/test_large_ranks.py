"""Two processes share a round: they learn what one learns, and what goes wrong in one ends both with a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from orwlab import files
from orwlab.large import tiny
from orwlab.large.settings import Settings
from orwlab.large.training import FORMAT, STATE, Training

pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow  # it takes two processes long to import what they need

ROOT = Path(__file__).parents[1]
PROMPTS = ("a red fox", "a blue owl", "rain")
RUNS = {  # by name: what differs from one process with micro-batches of as many images
    "one micro-batch each": dict(images_a_prompt=4, prompts_a_round=2, micro_batch=4),
    "a prompt across both": dict(images_a_prompt=6, prompts_a_round=1, micro_batch=2),
}
SCRIPT = """
import sys

import torch
from test_large_ranks import RUNS, greenness, run_of

model, place = sys.argv[1:]
torch.set_num_threads(1)
for name in RUNS:
    run = run_of(name, model, place + "/two")
    list(run.rounds(2))
again = run_of("one micro-batch each", model, place + "/two")
assert again.round == 2 and again.accelerator.num_processes == 2
list(again.rounds(1))
rank = again.accelerator.process_index
again = run_of("one micro-batch each", model, place + "/bad")
list(again.rounds(1))


def wrong(images, prompts):
    if rank == 1:
        raise RuntimeError("out of paint")
    return greenness(images, prompts)


again.reward = wrong
try:
    list(again.rounds(1))
except ValueError as error:
    assert "out of paint" in str(error)
    print(f"rank {rank} says it;", flush=True)
again.reward = greenness
if rank == 1:  # the images of one process alone leave all bounds
    again.model.decode = lambda x1: torch.full((len(x1), 3, 16, 16), torch.nan)
try:
    list(again.rounds(1))
except RuntimeError as error:
    assert "stopped being finite" in str(error)
    print(f"rank {rank} stops;", flush=True)
try:
    run_of("one micro-batch each", model, place + "/odd", prompts_a_round=1, images_a_prompt=3, micro_batch=1)
except ValueError as error:
    print(f"rank {rank}: {error};", flush=True)
again.close()
"""


def greenness(images, prompts):
    """Of the first and of the second prompt on scales of their own: they must not be weighed together."""
    scale = torch.tensor([1.0 + 2.0 * PROMPTS.index(prompt) for prompt in prompts])
    return scale * (images[:, 1].mean((1, 2)) - images[:, 0].mean((1, 2)))


def run_of(name, model, place, **more):
    settings = Settings(
        model=model, folder=f"{place}/{name}", prompts=PROMPTS, reward="clip", resolution=16, rank=4, tau=100.0,
        alpha=0.5, lr=1e-2, sampler_steps=3, precision="fp32", device="cpu", tracker="none", steps_per_round=2,
        gradient_checkpointing=True, **(RUNS[name] | more),
    )  # fmt: skip
    return Training(settings, reward=greenness)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def said(place):
    """What two processes say while they do what the script says."""
    model = tiny.save("sd3", place / "sd3")
    (place / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nnodes=1", "--nproc_per_node=2", "--master_addr=127.0.0.1",
         "--master_port=0", "--rdzv_backend=c10d", "--rdzv_endpoint=127.0.0.1:0",
         str(place / "script.py"), str(model), str(place)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def kept(place, name):
    return files.read(place / name / STATE, FORMAT)[0]


def test_two_processes_learn_what_one_learns_to_the_last_bit(said, place):
    run = run_of("one micro-batch each", place / "sd3", place / "one")
    list(run.rounds(3))
    one, two = kept(place / "one", "one micro-batch each"), kept(place / "two", "one micro-batch each")
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name
    assert float(sum(value.abs().sum() for name, value in two.items() if name.startswith("average."))) > 1


def test_a_prompt_may_lie_on_both(said, place):
    """The sums are in another order, three micro-batches and three against six in a row; else nothing differs."""
    run = run_of("a prompt across both", place / "sd3", place / "one")
    list(run.rounds(2))
    one, two = kept(place / "one", "a prompt across both"), kept(place / "two", "a prompt across both")
    names = [name for name in one if name.startswith("average.")]
    for name in names:
        torch.testing.assert_close(one[name], two[name], atol=1e-4, rtol=1e-2)
    fresh = run_of("a prompt across both", place / "sd3", place / "fresh").average
    moved = max(float((one[name] - fresh[name.removeprefix("average.")]).abs().max()) for name in names)
    assert moved > 5e-3


def test_what_goes_wrong_in_one_ends_both(said):
    for rank in (0, 1):
        assert f"rank {rank} says it;" in said
        assert f"rank {rank} stops;" in said


def test_images_that_cannot_be_shared_evenly(said):
    for rank in (0, 1):
        assert (
            f"rank {rank}: prompts_a_round and images_a_prompt are 1 and 3; allowed: numbers whose product is" in said
        )
