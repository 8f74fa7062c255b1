"""Training processes on several nodes, here two launchers beside one another, and how they end where one is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_training import losses

from ellav.bin.launch import Failure, _ended, main, meeting
from ellav.errors import UserError
from ellav.train.lost import LOST, leaving_with_others

PROGRAM = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_training import Speech, described, objective_of
from accelerate import Accelerator
from ellav.data.batching import Batches
from ellav.train import checkpoint, trainer
from ellav.train.config import TrainConfig
from ellav.train.lost import leaving_with_others

folder = Path(sys.argv[1])
with leaving_with_others():
    accelerator = Accelerator(cpu=True)
    rank, world = accelerator.process_index, accelerator.num_processes
    config = described(dropout=0.1)
    objective = objective_of(config)
    if rank == 0:
        folder.mkdir(exist_ok=True)
        checkpoint.save_config(config, folder)
    accelerator.wait_for_everyone()
    (folder / f"process{{rank}}").write_text(str(os.getpid()))
    options = TrainConfig(max_steps=12, batch_tokens=100, max_frames=20, dtype="float32", log_every=1, save_every=4)
    train = Batches(Speech(40), objective.arrange, objective.collate, 100, 20, 0, rank, world)
    one = trainer.Trainer(objective, train, [], options, folder, accelerator=accelerator)
    step = one._train_step
    one._train_step = lambda *given: (time.sleep(0.1), step(*given))[1]
    one.run()
"""


def launch(tmp_path, folder, processes=1):
    """Both nodes' launchers, which write what they say into node0 and node1."""
    (tmp_path / "program.py").write_text(PROGRAM.format(tests=str(Path(__file__).parent)))
    job = str(random.randrange(10**6))
    started = []
    for node in range(2):
        slurm = {"JOB_ID": job, "NODEID": str(node), "LAUNCH_NODE_IPADDR": "127.0.0.1", "NNODES": "2"}
        environment = {**os.environ, **{f"SLURM_{name}": value for name, value in slurm.items()}}
        words = ["--nnodes", "2", "--nproc_per_node", str(processes), str(tmp_path / "program.py"), str(folder)]
        with open(tmp_path / f"node{node}", "w") as said:
            command = [sys.executable, "-m", "ellav.bin.launch", *words]
            started.append(subprocess.Popen(command, env=environment, stdout=said, stderr=said))
    return started


def told(tmp_path):
    """The lines of each node that are no progress of the training."""
    return [
        [line for line in (tmp_path / f"node{node}").read_text().splitlines() if line.startswith("ellav")]
        for node in range(2)
    ]


def test_a_killed_process_ends_the_run_on_all_nodes_and_it_goes_on(tmp_path):
    for one in launch(tmp_path, tmp_path / "whole"):
        assert one.wait(timeout=120) == 0, told(tmp_path)
    started = launch(tmp_path, tmp_path / "killed")
    table = tmp_path / "killed/losses.tsv"
    end = time.monotonic() + 120
    while not (table.exists() and any(line.startswith("6\t") for line in table.read_text().splitlines())):
        assert time.monotonic() < end, told(tmp_path)
        time.sleep(0.05)
    os.kill(int((tmp_path / "killed/process1").read_text()), signal.SIGKILL)
    killed = time.monotonic()
    assert [one.wait(timeout=60) for one in started] == [1, 1]
    assert time.monotonic() - killed < 60
    (first,), (second,) = told(tmp_path)
    assert second.endswith("process 1 was killed (SIGKILL); the same command goes on from the last checkpoint")
    assert "the other processes are out of reach (" in first and first.endswith("goes on from the last checkpoint")
    assert "Traceback" not in (tmp_path / "node0").read_text() + (tmp_path / "node1").read_text()
    for one in launch(tmp_path, tmp_path / "killed"):
        assert one.wait(timeout=120) == 0, told(tmp_path)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    for name in ("last", "averaged"):
        files = [tmp_path / folder / f"{name}.safetensors" for folder in ("killed", "whole")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_where_nodes_meet():
    slurm = {"SLURM_JOB_ID": "123456", "SLURM_NODEID": "1", "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.7", "SLURM_NNODES": "2"}
    given = meeting(2, slurm)
    options = dict(zip(given[::2], given[1::2], strict=True))
    assert options == {
        "--rdzv_backend": "static",
        "--rdzv_id": "123456",
        "--node_rank": "1",
        "--master_addr": "10.0.0.7",
        "--master_port": "23456",
    }
    assert meeting(1, {}) == ["--standalone"]
    for changed in ({"SLURM_NNODES": "1"}, {"SLURM_NODEID": ""}):
        with pytest.raises(UserError, match="2 nodes are wanted: to be started by srun"):
            meeting(2, slurm | changed)


def test_more_processes_than_gpus(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert main(["--nnodes", "1", "--nproc_per_node", "4", "nothing.py"]) == 1
    said = capsys.readouterr().err
    assert "4 processes to train with, but 1 GPUs: ask for as many (--gres=gpu:4 of cuda_cmd in" in said


def test_whose_end_is_told(monkeypatch):
    """The first that ended otherwise than by losing others; who ended by itself has said why."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    lost, reason = LOST, {"message": "DistBackendError: NCCL error: Duplicate GPU detected"}
    cases = [
        ({2: (lost, 10), 3: (-9, 10), 1: (-15, 11)}, r"process 3 was killed \(SIGKILL\)"),
        ({1: (lost, 10), 0: (-9, 40)}, "the other processes are out of reach .*: Duplicate GPU detected"),
        ({1: (lost, 10), 0: (1, 10)}, 1),
        ({0: (143, 10), 1: (143, 10)}, 143),
        ({0: (-15, 10)}, 143),
    ]
    for failures, wanted in cases:
        failures = {rank: Failure(*one, reason) for rank, one in failures.items()}
        if isinstance(wanted, int):
            assert _ended(failures, 2) == wanted
        else:
            with pytest.raises(UserError, match=wanted):
                _ended(failures, 2)


def test_only_the_loss_of_others_is_quiet():
    with pytest.raises(SystemExit) as ended, leaving_with_others():
        raise RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.7]:4242")
    assert ended.value.code == LOST
    with pytest.raises(RuntimeError, match="shapes"), leaving_with_others():
        raise RuntimeError("shapes do not fit")
