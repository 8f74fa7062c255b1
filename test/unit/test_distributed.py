"""Two processes on the CPU (gloo) train as one would, keep together, and go on where they were stopped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from test_training import losses, trainer

from ellav.errors import UserError

PROGRAM = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
import torch
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
from test_training import Speech, described, objective_of
from accelerate import Accelerator
from ellav.data.batching import Batches, Place
from ellav.errors import UserError
from ellav.train import checkpoint, trainer
from ellav.train.config import TrainConfig

root, accelerator = Path(sys.argv[1]), Accelerator(cpu=True)
rank, world = accelerator.process_index, accelerator.num_processes


class Alternating:
    "What two processes read, read by one in turns."
    def __init__(self, streams):
        self.streams = streams
    def stream(self, place=Place()):
        while True:
            yield from (next(stream) for stream in self.streams)


def made(name, kind="ar", dropout=0.0, **options):
    config = described(kind, dropout=dropout)
    objective = objective_of(config)
    options = {{"batch_tokens": 100, "max_frames": 20, "dtype": "float32", "log_every": 1, **options}}
    parts = [Batches(Speech(40), objective.arrange, objective.collate, 100, 20, 0, r, 2) for r in range(2)]
    train = parts[rank] if world == 2 else Alternating([part._endless(Place()) for part in parts])
    valid = [batch for batch, _ in parts[0].epoch(Place(99))][:2]
    if rank == 0:
        (root / name).mkdir(exist_ok=True)
        checkpoint.save_config(config, root / name)
    accelerator.wait_for_everyone()  # what a process before this one wrote is there
    return trainer.Trainer(objective, train, valid, TrainConfig(**options), root / name, accelerator=accelerator)


for kind in ("ar", "nar"):
    made(f"{{kind}}{{world}}", kind, max_steps=3, accumulate=3 - world).run()

# A second a step by the first process's clock: three seconds are three steps, and the learning rate falls with them.
one = made(f"minutes{{world}}", max_minutes=0.05, warmup=1, accumulate=3 - world)
trainer.time = SimpleNamespace(monotonic=lambda: (1 + 2 * rank) * one.step)
one.run()
trainer.time = time
if world == 2:
    made("whole", dropout=0.1, max_steps=9, save_every=100, patience=9).run()
    for name in ("stopped", "halted"):
        one = made(name, dropout=0.1, max_steps=9, save_every=100, patience=9)
        step = one._train_step
        one._train_step = lambda stream, measure, stop: step(stream, measure, rank == 1 and one.step == 4)
        try:
            one.run()
            raise AssertionError("it was to be stopped")
        except SystemExit:
            assert one.step == 5
    made("halted", dropout=0.1, max_steps=9, save_every=100, patience=9).run()

    one = made("halted", dropout=0.1, max_steps=12)
    one.folder = root / ("halted" if rank == 0 else "elsewhere")
    try:
        one.run()
    except UserError as error:
        (root / f"apart{{rank}}.txt").write_text(str(error))

    trainer.time = SimpleNamespace(monotonic=lambda: (1 + 2 * rank) * time.monotonic())
    one = made("clock", max_minutes=0.02, average=0.5, valid_every=5, save_every=7, accumulate=2)
    one.run()
    checkpoint.save_weights(one._weights()["averaged.safetensors"], root / f"averaged{{rank}}.safetensors")
    (root / f"clock{{rank}}.txt").write_text(f"{{one.step}} steps, {{one.averaged}} averaged, {{one.seconds}} s")
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """What two processes and one have trained."""
    root = tmp_path_factory.mktemp("distributed")
    program = root / "program.py"
    program.write_text(PROGRAM.format(tests=str(Path(__file__).parent)))
    for launch in (["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"], []):
        command = [sys.executable, *launch, str(program), str(root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
    return root


@pytest.mark.parametrize("kind", ["ar", "nar", "minutes"])
def test_two_processes_equal_two_accumulated_batches(root, kind):
    """Of a length in steps, or in minutes."""
    two, one = (load_file(root / f"{kind}{count}/last.safetensors") for count in (2, 1))
    for name, value in one.items():
        assert (two[name] - value).abs().max() < 1e-4, name
    rows, again = ([row for row in losses(root / f"{kind}{count}") if row[1] == "train/loss"] for count in (2, 1))
    assert len(rows) == len(again) > 2
    for a, b in zip(rows, again, strict=True):
        assert float(a[2]) == pytest.approx(float(b[2]), rel=1e-4)


def test_processes_with_different_clocks_end_together(root):
    """The first one's clock is that of all: learning rate, averaging and the end follow from it."""
    assert (root / "clock0.txt").read_text() == (root / "clock1.txt").read_text()
    first, second = (load_file(root / f"averaged{rank}.safetensors") for rank in range(2))
    assert all((first[name] == second[name]).all() for name in first)
    summary = json.loads((root / "clock/summary.json").read_text())
    assert summary["seconds"] >= 1.2 and summary["averaged_steps"] > 0 and "averaged" in summary["valid"]


def test_two_stopped_processes_go_on_exactly(root):
    assert losses(root / "halted") == losses(root / "whole")
    for name in ("last", "best", "averaged"):
        assert (root / f"halted/{name}.safetensors").read_bytes() == (root / f"whole/{name}.safetensors").read_bytes()


def test_a_folder_that_not_all_machines_have_is_refused(root):
    for rank in range(2):
        said = (root / f"apart{rank}.txt").read_text()
        assert "one process finds state.pt of step 0, another of 9: the folder is not the same on all machines" in said


def test_another_number_of_processes_is_refused(root):
    with pytest.raises(UserError, match="trained by 2 processes so far, which cannot go on as 1; start it with 2"):
        trainer(root / "stopped", max_steps=9).run()
    trainer(root / "whole", max_steps=9).run()  # trained already: any number will do
