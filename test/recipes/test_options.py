"""The recipe scripts: options, messages, and which commands they run. No stage does real work here."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "egs/TEMPLATE/tts1"
MINI = ROOT / "egs/mini/tts1"

INTERPRETER = f"""#!{sys.executable}
# Stands in for Python: notes its arguments and makes the folders that a stage would make.
import json, os, pathlib, sys
with open(os.environ["CALLS"], "a") as stream:
    stream.write(json.dumps(sys.argv[1:]) + "\\n")
options = sys.argv[1:]
if "--out" in options:
    pathlib.Path(options[options.index("--out") + 1]).mkdir(parents=True, exist_ok=True)
    if "pack" in options[:3]:
        (pathlib.Path(options[options.index("--out") + 1]) / "model.yaml").touch()
if "tokens" in options[:3]:
    for name in ("train", "valid", "test", "list"):
        (pathlib.Path(options[options.index("--out") + 1]) / name).mkdir(exist_ok=True)
"""


def run(command, cwd=None, **environment):
    settings = {**os.environ, "ELLAV_VENV": sys.prefix, **environment}
    return subprocess.run(list(map(str, command)), cwd=cwd, env=settings, capture_output=True, text=True, timeout=60)


def parsed(arguments, setup):
    """What parse_options.sh leaves in the variables that `setup` (bash) declares."""
    names = [line.partition("=")[0] for line in setup.splitlines()]
    script = f"""set -euo pipefail
help_message() {{ echo 'help 100%'; }}
{setup}
. "{TEMPLATE}/utils/parse_options.sh"
for name in {" ".join(names)} positional; do declare -n value=$name; echo "$name:${{value[*]}}"; done"""
    return run(["bash", "-c", script, "tts.sh", *arguments])


SETUP = "nj=4\nsmoke=false\ntrain_args=\nplugin=()\nordering_conf=()\ntag="


def values(done):
    assert done.returncode == 0, done.stderr
    return dict(line.split(":", 1) for line in done.stdout.splitlines())


def test_dashes_and_underscores_are_the_same():
    for option in ("--train-args", "--train_args"):
        assert values(parsed([option, "--lr 3"], SETUP))["train_args"] == "--lr 3"


def test_flags_take_a_value_or_none():
    assert values(parsed(["--smoke", "--nj", "2"], SETUP))["smoke"] == "true"
    assert values(parsed(["--smoke", "false"], SETUP))["smoke"] == "false"
    assert values(parsed(["--smoke"], SETUP))["smoke"] == "true"


def test_arrays_collect():
    made = values(
        parsed(["--plugin", "a.py", "--plugin", "b c.py", "--ordering_conf", "x=1", "y=2", "--nj", "3"], SETUP)
    )
    assert made["plugin"] == "a.py b c.py" and made["ordering_conf"] == "x=1 y=2" and made["nj"] == "3"


def test_config_lies_below_the_command_line(tmp_path):
    (tmp_path / "c.sh").write_text("nj=7\ntag=fromfile\n")
    made = values(parsed(["--nj", "9", "--config", tmp_path / "c.sh"], SETUP))
    assert made["nj"] == "9" and made["tag"] == "fromfile"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--nonsense", "3"], "unknown option '--nonsense'; see --help"),
        (["--train-arg", "3"], "unknown option '--train-arg' (did you mean '--train-args'?); see --help"),
        (["--PATH", "x"], "unknown option '--PATH'"),
        (["--nj=3"], "write '--nj 3'"),
        (["--nj"], "--nj needs a value"),
        (["--tag", "--nj", "3"], "--tag needs a value"),
        (["--smoke", "perhaps"], "must be true or false, not 'perhaps'"),
        (["--plugin"], "--plugin needs a value"),
        (["--config", "/nowhere.sh"], "/nowhere.sh: no such file"),
    ],
)
def test_wrong_use_is_one_line(arguments, message):
    done = parsed(arguments, SETUP)
    assert done.returncode == 2
    assert message in done.stderr and len(done.stderr.splitlines()) == 1


def test_help_is_the_tasks_help_from_anywhere(tmp_path):
    done = run([MINI / "run.sh", "--help"], cwd=tmp_path)
    assert done.returncode == 0 and "--ordering_conf" not in done.stderr
    for option in ("--stage", "--stop-stage", "--nj", "--expdir", "--tag", "--ordering", "--smoke", "--plugin"):
        assert option in done.stdout
    assert parsed(["--help"], SETUP).stdout == "help 100%\n"


def test_unknown_option_and_wrong_number_of_a_recipe(tmp_path):
    done = run([MINI / "run.sh", "--stages", "3"], cwd=tmp_path)
    assert (
        done.returncode == 2
        and done.stderr == "tts.sh: unknown option '--stages' (did you mean '--stage'?); see --help\n"
    )
    done = run([MINI / "run.sh", "--nj", "many"], cwd=tmp_path)
    assert done.returncode == 1 and "--nj must be a whole number, not 'many'" in done.stderr


def test_stages_that_end_before_they_begin(tmp_path):
    done = run([MINI / "run.sh", "--stage", "6", "--stop-stage", "5"], cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "tts.sh: --stop-stage 5 lies before --stage 6: no stage would run\n"
    for stage in ("0", "11"):
        done = run([MINI / "run.sh", "--stage", stage], cwd=tmp_path)
        assert (done.returncode, done.stderr) == (1, f"tts.sh: --stage {stage}: there are stages 1 to 10\n")


def test_a_folder_of_somebody_elses_is_no_root_for_another_debian(tmp_path):
    (tmp_path / "mine").write_text("kept")
    done = run([ROOT / "test/debian.sh", "--root", tmp_path])
    assert done.returncode == 1 and done.stderr.startswith(f"debian.sh: {tmp_path} is there and was not made by this")
    assert (tmp_path / "mine").read_text() == "kept" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "script", [MINI / "run.sh", TEMPLATE / "tts.sh", ROOT / "tools/setup_env.sh", ROOT / "test/run.sh"]
)
def test_a_shell_that_is_no_bash_is_told_so(script):
    if not shutil.which("dash"):
        pytest.skip("no dash on this machine")
    done = run(["dash", script])
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"{script}: needs bash; call it as 'bash {script}'\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--ordering", "concatt"], "orderings: no plugin named 'concatt' (did you mean 'concat'?); known: concat, "),
        (
            ["--ordering_conf", "local_advanc=3"],
            "unknown option 'local_advanc' (did you mean 'local_advance'?); accepted:",
        ),
        (["--codec_conf", "codebooks=many"], "codecs rvq_mel: option 'codebooks' must be int, not 'many'; accepted:"),
        (["--ordering", "grouped", "--ordering_conf", "group=0"], "orderings grouped: "),
        (["--scorers", "wer similarty"], "scorers: no plugin named 'similarty' (did you mean 'similarity'?)"),
        (["--decoder", "top_k"], "decoders: no plugin named 'top_k' (did you mean 'topk'?)"),
        (["--text", "characters"], "phones of the set 'characters', but aligner pocketsphinx accepts: arpabet"),
        (["--plugin", "os.pathh"], "os.pathh"),
    ],
)
def test_wrong_parts_are_refused_before_the_first_stage(tmp_path, arguments, message):
    done = run([MINI / "run.sh", "--datadir", tmp_path / "data", *arguments], cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and "Stage" not in done.stdout
    assert not (tmp_path / "data").exists()


def test_an_aligner_of_whole_sets_asks_for_another_early(tmp_path):
    arguments = ["--aligner", "textgrid", "--aligner_conf", "folder=grids", "--dumpdir", tmp_path, "--stage", 3]
    done = run([MINI / "run.sh", *arguments], cwd=tmp_path)
    assert "stage 10 (pack) will want another one for prompts, --prompt-aligner" in done.stderr
    done = run([MINI / "run.sh", *arguments, "--prompt_aligner", "trained"], cwd=tmp_path)
    assert "stage 10" not in done.stderr


@pytest.mark.parametrize(
    "stage, message",
    [
        (2, "run stage 1 (data) first"),
        (3, "run stage 2 (format wavs) first"),
        (4, "run stage 2 (format wavs) first"),
        (5, "run stage 3 (phones and alignment) first"),
        (6, "run stage 5 (token list and statistics) first"),
        (7, "run stage 5 (token list and statistics) first"),
        (8, "run stage 6 (train AR) first"),
        (9, "run stage 8 (decode) first"),
        (10, "run stage 6 (train AR) first"),
    ],
)
def test_a_stage_says_what_is_missing(tmp_path, stage, message):
    folders = [f"--{name}dir" for name in ("data", "dump", "exp")]
    arguments = [word for option in folders for word in (option, tmp_path / "none")]
    done = run([MINI / "run.sh", *arguments, "--stage", stage, "--stop-stage", stage], cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()


def test_a_missing_configuration_is_named(recipe):
    done = recipe("--stage", 6, "--train-config", "conf/train/none.yaml", stages=range(1, 6))
    assert done.returncode == 1 and "conf/train/none.yaml: no such file in" in done.stderr


@pytest.fixture
def recipe(tmp_path):
    """A recipe made by setup.sh in a copy of the scripts, under a path with a space in it."""
    root = tmp_path / "with space" / "ellav"
    for part in ("egs/TEMPLATE", "conf"):
        shutil.copytree(ROOT / part, root / part, symlinks=True)
    venv = tmp_path / "venv"  # the one that the tests run in has the code of another clone
    (venv / "bin").mkdir(parents=True)
    (root / "tools").mkdir()
    shutil.copy(ROOT / "tools/relocate_env.sh", root / "tools")
    (venv / "bin/python").symlink_to(sys.executable)
    (venv / "bin/ellav").write_text(f"#!/bin/sh\n'''exec' \"{venv}/bin/python\" \"$0\" \"$@\"\n' '''\n")
    (venv / "bin/ellav").chmod(0o755)
    folder = root / "egs/new corpus/tts1"
    made = run([root / "egs/TEMPLATE/tts1/setup.sh", folder])
    assert made.returncode == 0, made.stderr
    (folder / "local/data.sh").write_text(
        'set -eu; for s in train valid test; do mkdir -p "$2/$s"; done; echo "$@" > opts\n'
    )
    interpreter = tmp_path / "py thon"
    interpreter.write_text(INTERPRETER)
    interpreter.chmod(0o755)
    calls = tmp_path / "calls"
    config = tmp_path / "conf/train/mini.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("{}\n")

    def call(*arguments, stages=()):
        base = [folder / "run.sh", "--python", interpreter]
        if stages:
            first = run([*base, "--stop-stage", max(stages)], cwd=tmp_path, CALLS=str(calls), ELLAV_VENV=str(venv))
            assert first.returncode == 0, first.stderr
        calls.unlink(missing_ok=True)
        done = run([*base, *arguments], cwd=tmp_path, CALLS=str(calls), ELLAV_VENV=str(venv))
        done.calls = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
        if done.calls:
            assert named(done.calls[0]) == "check-config"  # before everything else
            del done.calls[0]
        done.folder = folder
        return done

    return call


def named(call):
    """The command's name: `-m ellav.bin.main NAME ...`."""
    return call[call.index("ellav.bin.main") + 1]


def test_all_ten_stages_in_order_on_a_path_with_spaces(recipe):
    done = recipe("--local-data-opts", "--hours '1 2'")
    assert done.returncode == 0, done.stderr
    assert "Successfully finished. [elapsed=" in done.stdout.splitlines()[-3]
    per_set = (
        *(["data"] * 3 + ["format-wavs"] * 3 + ["fit-text"] + ["phones"] * 3 + ["fit-aligner"] + ["align"] * 3),
        *(["fit-codec"] + ["encode"] * 3),
    )
    rest = ["tokens", "train", "train", "decode", "score", "report", "pack"]
    assert [named(call) for call in done.calls] == [*per_set, *rest]
    assert (done.folder / "opts").read_text().split()[-3:] == ["--hours", "1", "2"]
    assert (done.folder / "exp/interleaved/packed").is_dir()


def test_speed_is_perturbed_in_training_alone(recipe):
    given = ("--speed-perturb-factors", "0.9 1.1", "--voice-warp-factors", "1.2x1.1")
    calls = [call for call in recipe(*given).calls if named(call) == "format-wavs"]
    perturbed = [{"--speed_perturb_factors", "--voice_warp_factors"} & set(call) for call in calls]
    assert [len(found) for found in perturbed] == [2, 0, 0]
    assert calls[0][-5:] == ["--speed_perturb_factors", "0.9", "1.1", "--voice_warp_factors", "1.2x1.1"]


def test_it_ends_with_a_line_to_paste_that_speaks_from_any_folder(recipe, tmp_path, monkeypatch):
    packed = "exp/interleaved/packed"
    venv = tmp_path / "venv/bin"
    for path, program in ((os.environ["PATH"], f"{venv}/ellav"), (f"{venv}:/usr/bin:/bin", "ellav")):
        monkeypatch.setenv("PATH", path)
        done = recipe()
        assert done.stdout.splitlines()[-2] == "Hear what was trained here:"
        words = shlex.split(done.stdout.splitlines()[-1])
        assert words[:4] == [program, "synth", "--model", str(done.folder / packed)]
        assert words[4] == "--text" and words[-2:] == ["--out", "hello.wav"]
    bundle = done.folder.parents[2] / "ellav/pretrained/libri"
    bundle.mkdir(parents=True)
    (bundle / "model.yaml").touch()
    assert recipe("--stage", 10).stdout.splitlines()[-1].split() == [
        *("ellav", "synth", "--text", '"Hello,', "this", "is", "my", 'voice."', "--out", "hello.wav")
    ]
    assert "Hear" not in recipe("--stop-stage", 5).stdout


def test_packing_builds_in_prompts_of_the_first_test_set_and_the_recipes_card(recipe):
    done = recipe()
    assert "--prompts" in done.calls[-1] and "--card" not in done.calls[-1]
    (done.folder / "local/card.md").write_text("# mine\n")
    packing = "\n".join(recipe("--stage", 10, "--pack-args", "--dtype bfloat16").calls[-1])
    assert "--prompts\ndump/raw/test\n--card\nlocal/card.md\n--dtype\nbfloat16\n--out" in packing


def test_stages_can_be_chosen_and_skipped(recipe):
    done = recipe("--stage", 3, "--stop-stage", 6, stages=range(1, 3))
    assert {named(call) for call in done.calls} == {
        "fit-text",
        "phones",
        "fit-aligner",
        "align",
        "fit-codec",
        "encode",
        "tokens",
        "train",
    }
    done = recipe("--skip-data-prep", "--skip_eval", "true")
    assert [named(call) for call in done.calls] == ["train", "train", "pack"]


def test_aligners_are_fitted_before_they_align_and_are_packed(recipe):
    done = recipe("--aligner", "mfa", "--aligner_conf", "model=german", "--prompt-aligner", "trained")
    fitting = ["\n".join(call) for call in done.calls if named(call) == "fit-aligner"]
    assert [text.partition("--out\n")[2] for text in fitting] == [
        "exp/aligner\n--aligner\nmfa\n--aligner_conf\nmodel=german",
        "exp/prompt_aligner\n--prompt_aligner\ntrained",
    ]
    assert all("--data\ndump/raw/train\n--phones\ndump/phones/train" in text for text in fitting)
    aligning = ["\n".join(call) for call in done.calls if named(call) == "align"]
    assert len(aligning) == 3 and all("--config\nexp/aligner/aligner.yaml" in text for text in aligning)
    files = [after for word, after in pairwise(done.calls[-1]) if word == "--config"]
    assert files == ["exp/text/text.yaml", "exp/aligner/aligner.yaml", "exp/prompt_aligner/aligner.yaml"]


def test_options_reach_their_commands(recipe, tmp_path):
    (tmp_path / "my plugin.py").write_text("")
    done = recipe(
        *("--ordering", "concat", "--tag", "valle", "--ordering_conf", "a=1 b=2", "--ordering_conf", "c=x y"),
        *("--plugin", "my plugin.py", "--plugin", "some.module", "--decoder", "ras", "--decoder_conf", "window=10"),
        *("--train-args", "--train_conf 'lr=1 e'", "--continuation", "--codec_conf", "codebooks=2", "--nj", 3),
    )
    assert done.returncode == 0, done.stderr
    calls = {named(call): call for call in done.calls}
    for call in done.calls:
        assert call[-4:] == ["--plugin", str(tmp_path / "my plugin.py"), "--plugin", "some.module"]
    training = next(call for call in done.calls if named(call) == "train")
    text = "\n".join(training)
    assert "--ordering\nconcat\n--ordering_conf\na=1\nb=2\n--ordering_conf\nc=x y" in text
    assert "--train_conf\nlr=1 e" in text and str(tmp_path / "conf/train/mini.yaml") in training
    assert "exp/valle/ar" in training
    decoding = "\n".join(calls["decode"])
    assert "--decoder\nras\n--decoder_conf\nwindow=10" in decoding and "--mode\ncontinuation" in decoding
    assert "--out\nexp/valle/decode_continuation/test" in decoding
    assert "--mode\ncontinuation" in "\n".join(calls["score"])
    assert "--codec_conf\ncodebooks=2" in "\n".join(calls["fit-codec"])
    assert "--nj\n3" in "\n".join(calls["align"])


def test_smoke_keeps_to_its_own_folders(recipe):
    done = recipe("--smoke")
    assert done.returncode == 0, done.stderr
    assert (done.folder / "opts").read_text().split()[-2:] == ["--hours", "0.02"]
    made = {call[call.index("--out") + 1] for call in done.calls if "--out" in call}
    assert made and all(path.split("/")[1] == "smoke" for path in made)


def test_several_gpus_start_torchrun(recipe):
    done = recipe("--ngpu", 2)
    training = next(call for call in done.calls if named(call) == "train")
    assert training[:7] == ["-m", "ellav.bin.launch", "--nnodes", "1", "--nproc_per_node", "2", "-m"]
    assert "ellav.bin.launch" not in done.calls[-1]


JOBS = """
import json, os, sys
words = sys.argv[1:]
with open(os.environ["CALLS"] + ".jobs", "a") as stream:
    stream.write(json.dumps(words) + "\\n")
log = next(i for i, word in enumerate(words) if word.endswith(".log"))
numbers = [word.partition(":")[2] for word in words[:log] if word.startswith("JOB=1:")] or ["1"]
for number in range(1, int(numbers[0]) + 1):
    command = [word.replace("JOB", str(number)) for word in words[log + 1:]]
    if os.spawnvp(os.P_WAIT, command[0], command):
        sys.exit(1)
"""
"""What stands in for `ellav jobs`: it notes what it is called with and runs that here."""


@pytest.fixture
def jobs(recipe, tmp_path):
    """A function: the calls of `ellav jobs` so far, as they stand in front of the stand-in for Python."""
    with open(tmp_path / "venv/bin/ellav", "a") as program:
        program.write(JOBS)

    def called():
        lines = map(json.loads, (tmp_path / "calls.jobs").read_text().splitlines())
        return [words[: words.index(str(tmp_path / "py thon"))] for words in lines]

    return called


def test_slurm_runs_all_commands_as_jobs(recipe, jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("cmd_backend", "slurm")
    (tmp_path / "mine.py").write_text("")
    done = recipe("--plugin", "mine.py", "--nj", 3)
    assert done.returncode == 0, done.stderr
    assert len(jobs()) == len(done.calls) > 20  # all but the check of options
    heavy = [words for words in jobs() if "--gres=gpu:1" in words]
    logs = [
        "dump/log/fit_codec.log",
        *(f"exp/interleaved/log/{n}.log" for n in ("train_ar", "train_nar", "decode_test")),
    ]
    assert [words[-1] for words in heavy] == logs
    assert all(words[:3] == ["jobs", "slurm", "--job-name=ellav"] for words in jobs())
    assert all(call[-2:] == ["--plugin", str(tmp_path / "mine.py")] for call in done.calls)  # wherever the job runs
    workers = [after for call in done.calls for word, after in pairwise(call) if word == "--nj"]
    assert len(workers) > 10 and set(workers) == {"0"}  # as many as the job has cores
    monkeypatch.setenv("cmd_backend", "sheep")
    assert "unknown cmd_backend 'sheep'; known: local, slurm" in recipe("--stage", 6).stderr


def test_codes_are_made_on_a_gpu_where_it_is_asked_for(recipe, jobs, monkeypatch):
    monkeypatch.setenv("cmd_backend", "slurm")
    done = recipe("--stage", 4, "--stop-stage", 4, "--gpu-encode", stages=range(1, 4))
    assert done.returncode == 0, done.stderr
    encoded = [call for call in done.calls if named(call) == "encode"]
    assert len(encoded) == 3 and all("--device\ncuda" in "\n".join(call) for call in encoded)
    assert sum("--gres=gpu:1" in words for words in jobs()) == 4  # fit-codec is the other
    refused = recipe("--gpu-encode", "--ngpu", 0)
    assert refused.returncode == 1 and "--gpu-encode encodes on a GPU, and --ngpu 0 hides it" in refused.stderr


def test_several_nodes_train_by_slurm(recipe, jobs, monkeypatch):
    alone = recipe("--num-nodes", 2)
    assert alone.returncode == 1 and len(alone.stderr.splitlines()) == 1
    assert "--num-nodes 2 needs a cluster: 'export cmd_backend=slurm', or write it into " in alone.stderr
    monkeypatch.setenv("cmd_backend", "slurm")
    for gpus, processes in ((4, "4"), (1, "1"), (0, "1")):
        done = recipe("--num-nodes", 2, "--ngpu", gpus)
        assert done.returncode == 0, done.stderr
        launched = [call for call in done.calls if "ellav.bin.launch" in call]
        assert [call[:6] for call in launched] == [
            ["-m", "ellav.bin.launch", "--nnodes", "2", "--nproc_per_node", processes]
        ] * 2
    assert [named(call) for call in launched] == ["train", "train"]
    several = [words[-1] for words in jobs() if "--num-nodes=2" in words]
    assert several == ["exp/interleaved/log/train_ar.log", "exp/interleaved/log/train_nar.log"] * 3


@pytest.mark.parametrize("backend", ["local", "slurm"])
def test_stages_2_to_5_work_on_the_shards_of_a_set(recipe, jobs, tmp_path, monkeypatch, backend):
    """Each stage of a set by an array of jobs; the sets that are not cut as they always were."""
    monkeypatch.setenv("cmd_backend", backend)
    recipe("--stop-stage", 1)
    for name, lines in (("train", 200_001), ("valid", 100_000), ("test", 3)):
        (tmp_path / f"with space/ellav/egs/new corpus/tts1/data/{name}/text").write_text("x y\n" * lines)
    for number in range(1, 4):
        (tmp_path / f"with space/ellav/egs/new corpus/tts1/dump/split/train/shards/{number}-of-3").mkdir(parents=True)
    (tmp_path / "calls.jobs").unlink(missing_ok=True)
    done = recipe("--stage", 2, "--stop-stage", 5)
    assert done.returncode == 0, done.stderr
    cut = [call for call in done.calls if call[2:4] == ["data", "shards"]]
    assert len(cut) == 1 and cut[0][4:] == [
        *("--data", "data/train", "--out", "dump/split/train", "--count", "3")
    ]  # fmt: skip
    arrays = [words for words in jobs() if "JOB=1:3" in words]
    logs = [f"dump/log/{name}_train.JOB.log" for name in ("format_wavs", "phones", "align", "encode", "tokens")]
    assert [words[-1] for words in arrays] == logs
    shards = [call[call.index("--shard") + 1] for call in done.calls if "--shard" in call]
    assert shards == ["1", "2", "3"] * 5
    tokens = [call for call in done.calls if named(call) == "tokens"]
    assert ["--list_only" in call for call in tokens] == [True, False, False, False, False]
    assert "--sets\ntrain\nvalid\ntest\n" in "\n".join(tokens[-1]) and "--shard" not in tokens[-1]
    made = [call[call.index("--data") + 1] for call in done.calls if named(call) == "format-wavs"]
    assert made == ["dump/split/train"] * 3 + ["data/valid", "data/test"]
    done = recipe("--stage", 2, "--stop-stage", 2, "--shards", 1)
    assert not (done.folder / "dump/split/train").exists() and not any("--shard" in call for call in done.calls)
    assert "option --shards must be a whole number or auto, not '0'" in recipe("--shards", 0).stderr


def test_the_cmd_sh_of_an_older_ellav(recipe):
    script = recipe("--stop-stage", 1).folder / "cmd.sh"
    for command in ("", "srun --mem=4G"):
        script.write_text(f'cmd_backend=local\nexport train_cmd="{command}" cuda_cmd="" decode_cmd=""\n')
        done = recipe()
        assert done.returncode == 1 and done.calls == [] and len(done.stderr.splitlines()) == 1
        assert f"{script.resolve()} is of an older ellav; copy " in done.stderr


def test_a_command_of_kaldis_own_may_stand_in_cmd_sh(recipe, tmp_path):
    """As run.pl and queue.pl are called: options, JOB=1:N, log, command."""
    script = recipe("--stop-stage", 1).folder / "cmd.sh"
    run_pl = tmp_path / "run.pl"
    run_pl.write_text('#!/bin/sh\necho "$1 $2 $3" >> "$CALLS.pl"\nshift 3\nexec "$@"\n')
    run_pl.chmod(0o755)
    script.write_text(f'for name in train cuda decode; do export ${{name}}_cmd="{run_pl} --mem 2G"; done\n')
    assert recipe("--stage", 6, stages=range(1, 6)).returncode == 0
    lines = (tmp_path / "calls.pl").read_text().splitlines()
    assert "--mem 2G dump/log/encode_valid.log" in lines and lines[-1] == "--mem 2G exp/interleaved/log/pack.log"


def test_a_failing_stage_says_how_to_go_on(recipe, tmp_path):
    (tmp_path / "py thon").write_text('#!/bin/sh\n[ "$3" = check-config ] || exit 3\n')
    done = recipe("--stage", 1)
    assert done.returncode == 3 and "stopped in stage 1" in done.stderr and "--stage 1 goes on" in done.stderr


def test_setup_refuses_an_existing_folder(recipe, tmp_path):
    done = run([TEMPLATE / "setup.sh", tmp_path])
    assert done.returncode == 1 and "already there" in done.stderr
    assert run([TEMPLATE / "setup.sh"]).returncode == 2
