"""`ellav plugins`: list, show, check and new, on built-in plugins and on ones from outside."""

import subprocess
import sys
from pathlib import Path

import pytest

from ellav.bin.main import main
from ellav.plugins.registry import FAMILIES
from ellav.version import __version__

ROOT = Path(__file__).parents[2]


def call(capsys, *words):
    status = main(["plugins", *map(str, words)])
    return status, *capsys.readouterr()


def test_list_names_origin_and_meaning(capsys):
    status, out, _ = call(capsys, "list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == list(FAMILIES)
    line = next(line for line in out.splitlines() if line.startswith("  ras "))
    assert "Nucleus sampling; a code too frequent" in line and line.endswith("[built in]")


def test_list_takes_a_family_and_shows_a_plugin_file(capsys, tmp_path):
    path = tmp_path / "listed.py"
    path.write_text(
        "from ellav.plugins.decoders import decoders\n\n\n"
        '@decoders.register("listed_decoder")\nclass Listed:\n    """Does this.\n\n    And more.\n    """\n'
    )
    status, out, _ = call(capsys, "list", "decoders", "--plugin", path)
    assert status == 0 and "orderings" not in out
    line = next(line for line in out.splitlines() if "listed_decoder" in line)
    assert "Does this." in line and "And more" not in line and line.endswith(f"[{path}]")


def test_listing_needs_neither_torch_nor_much_time():
    code = (
        "import sys, time, resource; import ellav; first = resource.getrusage(resource.RUSAGE_SELF).ru_utime\n"
        "from ellav.bin.main import main; main(['plugins', 'list'])\n"
        "print([m for m in ('torch', 'scipy', 'pocketsphinx') if m in sys.modules])\n"
        "print(first, resource.getrusage(resource.RUSAGE_SELF).ru_utime)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    heavy, times = done.stdout.splitlines()[-2:]
    assert done.returncode == 0, done.stderr
    assert heavy == "[]"
    first, listed = map(float, times.split())
    assert first < 1 and listed < 3  # processor seconds


def test_show_gives_types_defaults_and_words_from_the_code(capsys):
    status, out, _ = call(capsys, "show", "orderings", "interleaved")
    assert status == 0
    assert "local_advance: int = 4\n      a, in frames" in out
    assert "silence: phone | fold = 'phone'\n" in out
    assert "built in" in out and "With durations d" in out
    assert call(capsys, "show", "decoders", "greedy")[1].rstrip().endswith("no options")


def test_options_without_words_are_shown_too(capsys):
    _, out, _ = call(capsys, "show", "codecs", "rvq_mel")
    assert "codebooks: int" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lst"], "no action 'lst' (did you mean 'list'?); known: list, show, check, new"),
        (["list", "decoder"], "no family 'decoder' (did you mean 'decoders'?); families: codecs, text"),
        (["show", "orderings"], "show needs FAMILY and NAME, for example `ellav plugins show orderings interleaved`"),
        (["show", "orderings", "interleave"], "no plugin named 'interleave' (did you mean 'interleaved'?); known: "),
        (["check", "orderings", "interleaved", "local_advanc=3"], "did you mean 'local_advance'?); accepted: "),
        (["check", "orderings", "interleaved", "local_advance=x"], "must be int, not 'x'; accepted: global_advance"),
        (["check", "orderings", "concat", "--cases", "0"], "--cases 0: nothing would be tried"),
        (["new", "text", "numpy"], "'numpy' is a word or a module of Python"),
        (["new", "text", "class"], "'class' is a word or a module of Python"),
        (["new", "orderings", "Mine!"], "'Mine!' is no name for a plugin"),
        (["new", "orderings", "concat"], "there is a plugin named 'concat' already"),
    ],
)
def test_refusals_are_one_line_with_what_is_accepted(capsys, words, message):
    status, _, error = call(capsys, *words)
    assert status == 1 and message in error and len(error.splitlines()) == 1


def test_help_and_version_are_found_where_people_look(capsys):
    for words, status, said in (
        (["--version"], 0, f"ellav {__version__}\n"),
        (["help"], 0, "usage: ellav COMMAND"),
        (["help", "help"], 0, "usage: ellav COMMAND"),
        (["help", "nonsense"], 2, ""),
    ):
        assert main(words) == status
        assert capsys.readouterr().out.startswith(said)
    for words in (["help", "synth"], ["synth", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0 and capsys.readouterr().out.startswith("usage: ellav synth [options]\n")


def test_a_close_command_and_a_close_option_are_suggested(capsys):
    assert main(["plugin"]) == 2
    assert "unknown command 'plugin' (did you mean 'plugins'?); known: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["plugins", "list", "--plugni", "x.py"])
    assert "unknown argument '--plugni' (did you mean '--plugin'?); see --help" in capsys.readouterr().err


def test_check_shows_each_broken_law_with_example_and_advice(capsys, tmp_path):
    path = tmp_path / "wrong_pair.py"
    path.write_text(
        "import numpy as np\nfrom dataclasses import replace\n"
        "from ellav.plugins.orderings import orderings\nfrom ellav.plugins.orderings.concat import Concat\n\n\n"
        '@orderings.register("wrong_pair")\nclass WrongPair(Concat):\n'
        "    def __init__(self, shift: int = 1):\n        self.shift = shift\n\n"
        "    def restore(self, ids):\n        made = super().restore(ids)\n"
        "        return replace(made, codes=np.roll(made.codes, self.shift, axis=0), phones=made.phones[::-1])\n"
    )
    words = ("check", "orderings", "wrong_pair", "--plugin", path, "--cases", "40")
    status, out, error = call(capsys, *words)
    assert status == 1
    assert "✗ restore gives back the codes\n    found: frame 0 comes back as" in out
    assert "✗ restore gives back the phones\n    found: phones " in out
    assert out.count("    with:  phones = sp") == out.count("    do:    ") == 2
    assert error == (
        "ellav plugins: orderings wrong_pair breaks 2 law(s) of the contract; laws that build on them wait\n"
    )
    status, out, _ = call(capsys, *words, "shift=0")
    assert status == 1 and "the codes" not in out  # its option is heard


@pytest.mark.parametrize(
    "name",
    ["decoders greedy", "orderings word_block", "scorers rtf", "text sentencepiece", "watermarks spread_spectrum"],
)
def test_built_ins_pass_the_command(capsys, name):
    status, out, _ = call(capsys, "check", *name.split(), "--cases", "20")
    assert (status, out) == (0, f"{name} keeps the contract\n")


def test_sentences_of_another_language_can_be_given(capsys, tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("日本語です。\n")
    status, out, _ = call(capsys, "check", "text", "g2p_en", "--sentences", path)
    assert status == 1 and "✗ it speaks something" in out and "(`--sentences FILE`)" in out


def test_what_is_new_is_green_as_generated(capsys, tmp_path):
    for family in FAMILIES:
        folder = tmp_path / f"fresh_{family}"
        status, out, error = call(capsys, "new", family, f"fresh_{family}", "--out", folder)
        assert status == 0, error
        assert {path.name for path in folder.iterdir()} == {
            f"fresh_{family}.py",
            f"test_fresh_{family}.py",
            "README.md",
        }
        words = out.splitlines()[-1].split()[2:]
        status, out, error = call(capsys, *words)
        assert status == 0 and f"fresh_{family} keeps the contract" in out, (out, error)
        assert call(capsys, "show", family, f"fresh_{family}")[0] == 0
        assert call(capsys, "new", family, f"other_{family}", "--out", folder)[0] == 1  # its README is there
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert tests.returncode == 0 and "8 passed" in tests.stdout, tests.stdout[-2000:]
    style = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--config", ROOT / "pyproject.toml", tmp_path],
        capture_output=True, text=True,
    )  # fmt: skip
    assert style.returncode == 0, style.stdout
