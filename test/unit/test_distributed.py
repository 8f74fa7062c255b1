"""Two processes on the CPU (gloo) take the same steps as one that accumulates two batches."""

import subprocess
import sys

import pytest
from safetensors.torch import load_file

PROGRAM = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
from test_training import Speech, described, objective_of
from accelerate import Accelerator
from ellav.data.batching import Batches, Place
from ellav.train import checkpoint
from ellav.train.config import TrainConfig
from ellav.train.trainer import Trainer

folder, accumulate = Path(sys.argv[1]), int(sys.argv[2])
accelerator = Accelerator(cpu=True)
config = described(sys.argv[3])
objective = objective_of(config)
conf = TrainConfig(max_steps=3, batch_tokens=100, max_frames=20, accumulate=accumulate, dtype="float32", log_every=1)
rank, world = accelerator.process_index, accelerator.num_processes
batches = Batches(Speech(40), objective.arrange, objective.collate, 100, 20, 0, rank, world)
valid = [batch for batch, _ in batches.epoch(Place(99))][:2]
folder.mkdir(exist_ok=True)
checkpoint.save_config(config, folder)
Trainer(objective, batches, valid, conf, folder, accelerator=accelerator).run()
"""


def run(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_two_processes_equal_two_accumulated_batches(tmp_path, kind):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(tests=str(__file__).rpartition("/")[0]))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    run([*launch, str(program), str(tmp_path / "two"), "1", kind])
    run([str(program), str(tmp_path / "one"), "2", kind])
    two, one = (load_file(tmp_path / name / "last.safetensors") for name in ("two", "one"))
    for name, value in one.items():
        assert (two[name] - value).abs().max() < 1e-4, name
    first = [line for line in (tmp_path / "two/losses.tsv").read_text().splitlines() if "train/loss" in line]
    again = [line for line in (tmp_path / "one/losses.tsv").read_text().splitlines() if "train/loss" in line]
    for a, b in zip(first, again, strict=True):
        assert float(a.split("\t")[3]) == pytest.approx(float(b.split("\t")[3]), rel=1e-4)
