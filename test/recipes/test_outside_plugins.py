"""An ordering, a text front end and a decoder from files outside, through the whole recipe and out of its model."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("relay", "by_rule", "min_p")


def call(command, cwd, timeout=300, **settings):
    environment = {**os.environ, "ELLAV_VENV": sys.prefix, **settings}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the recipe ran, with copies of the examples in it that are named relative to it."""
    folder = tmp_path_factory.mktemp("outside plugins")  # the space is on purpose
    for name in NAMES:
        shutil.copy(ROOT / f"docs/examples/{name}.py", folder)
    done = recipe(folder)
    assert "Successfully finished." in done.stdout
    return folder


def recipe(folder, *options, **settings):
    """The recipe with all three plugins, as a person would start it in `folder`."""
    places = [word for name in ("data", "dump", "exp") for word in (f"--{name}dir", folder / name)]
    plugins = [word for name in NAMES for word in ("--plugin", f"./{name}.py")]
    parts = ["--ordering", "relay", "--text", "by_rule", "--decoder", "min_p", "--decoder_conf", "least=0.2"]
    parts += ["--scorers", "stability rtf"]  # what is heard is another test's business
    command = [ROOT / "egs/mini/tts1/run.sh", "--smoke", "--nj", 2, *places, *plugins, *parts, *options]
    done = call(command, folder, 600, **settings)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def test_the_recipe_used_all_three(folder):
    config = yaml.safe_load((folder / "exp/smoke/relay/ar/config.yaml").read_text())
    assert config["ordering"]["name"] == "relay" and config["ordering"]["record"]["sha256"]
    packed = yaml.safe_load((folder / "exp/smoke/relay/packed/model.yaml").read_text())
    assert packed["text"]["name"] == "by_rule"
    assert packed["decoder"]["name"] == "min_p" and packed["decoder"]["conf"]["least"] == 0.2
    phones = {line.split(" ", 1)[0] for line in (folder / "dump/smoke/phones/train/phones").read_text().splitlines()}
    assert phones


def test_its_model_speaks_with_the_plugins_and_asks_for_them_without(folder):
    text = (folder / "dump/smoke/tokens/test_seen/text").read_text().splitlines()[0].split(" ", 1)
    wavs = dict(line.split(" ", 1) for line in (folder / "dump/smoke/raw/test_seen/wav.scp").read_text().splitlines())
    command = [sys.executable, "-m", "ellav.bin.main", "synth", "--text", "The old king sold a carpet."]
    command += ["--model", folder / "exp/smoke/relay/packed", "--prompt", wavs[text[0]], "--prompt-text", text[1]]
    command += ["--out", "out.wav", "--textgrid", "out.TextGrid"]
    without = call(command, folder)
    assert without.returncode == 1 and len(without.stderr.splitlines()) == 1
    assert "no plugin named 'by_rule'" in without.stderr and "needs --plugin FILE_OR_MODULE" in without.stderr
    spoken = call([*command, *(word for name in NAMES for word in ("--plugin", f"{name}.py"))], folder)
    assert spoken.returncode == 0, spoken.stderr
    assert (folder / "out.wav").stat().st_size > 44
    assert '"DH"' in (folder / "out.TextGrid").read_text()


def test_the_commands_that_it_shows_can_be_given_again(folder, tmp_path):
    spoken = recipe(folder, "--stage", 10).stdout.splitlines()
    shown = shlex.split(spoken[spoken.index("Hear what was trained here:") + 1])
    done = call(shown, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hello.wav").exists()
    results = (folder / "exp/smoke/relay/RESULTS.md").read_text()
    command = next(line for line in results.splitlines() if "./tts.sh" in line).strip("-` ")
    plugins = [word for word in shlex.split(command) if word.endswith(".py")]
    assert len(plugins) == 3
    assert all((ROOT / "egs/mini/tts1" / name).samefile(folder / Path(name).name) for name in plugins)
    failed = call([ROOT / "egs/mini/tts1/run.sh", "--smoke", "--plugin", "gone.py"], tmp_path)
    assert failed.returncode != 0 and len(failed.stderr.splitlines()) == 1
    assert f"gone.py: no such file in {tmp_path}, " in failed.stderr


def test_training_ranks_import_the_ordering(folder):
    """As tts.sh starts training on several GPUs."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2, "-m", "ellav.bin.main"]
    tokens = folder / "dump/smoke/tokens"
    inputs = ["--train", tokens / "train", "--valid", tokens / "valid", "--tokens", tokens / "list"]
    inputs += ["--codec", folder / "exp/smoke/codec", "--out", "two_ranks", "--config", ROOT / "conf/train/smoke.yaml"]
    done = call(
        [sys.executable, *launch, "train", "ar", *inputs, "--ordering", "relay", "--plugin", "relay.py"], folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((folder / "two_ranks/summary.json").read_text())
    assert results["processes"] == 2 and results["steps"] > 0


def test_jobs_that_inherit_nothing_import_the_plugins(folder, tmp_path):
    """A scheduler's job knows of them by its command line alone."""
    programs = {
        "sbatch": 'for word; do case "$word" in --output=*) log=${word#--output=} ;; esac; done\n'
        'cat > "$0.script"\n'
        'env -i PATH="$PATH" LC_ALL=C.UTF-8 OMP_NUM_THREADS=1 SLURM_ARRAY_TASK_ID=1 sh "$0.script" > "$log" 2>&1 \n'
        'cat "$0.script" >> "$0.calls"; echo 7\n',
        "squeue": 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1\n',
    }
    for name, script in programs.items():
        (tmp_path / name).write_text("#!/bin/bash\n" + script)
        (tmp_path / name).chmod(0o755)
    shutil.rmtree(folder / "exp/smoke/relay/decode")
    path = f"{tmp_path}:{os.environ['PATH']}"
    recipe(folder, "--stage", 8, "--stop_stage", 8, cmd_backend="slurm", PATH=path)
    calls = [line for line in (tmp_path / "sbatch.calls").read_text().splitlines() if "ellav.bin.main" in line]
    assert len(calls) == 2 and all(f"--plugin '{folder}/./relay.py'" in line for line in calls)
    assert (folder / "exp/smoke/relay/decode/test_seen/wav.scp").read_text()
