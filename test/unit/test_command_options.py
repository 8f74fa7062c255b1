"""Options on the command line: what is shown has dashes, both spellings are read, an error is one line."""

import re

import pytest

from ellav.bin.main import COMMANDS, main
from ellav.bin.options import add_choice, parse, parser

INNER = {
    "bench": ("decode", "train", "codec", "stream"),
    "corpus": ("librispeech", "librilight", "aishell"),
    "data": ("check", "fix", "split", "shards"),
}
"""Command -> those that it is made of."""
BY_HAND = {"jobs", *INNER}
"""Commands whose own help is no parser's."""
ALL = [[name] for name in COMMANDS] + [[name, inner] for name, inners in INNER.items() for inner in inners]


def said(capsys, *words):
    """Exit status, output and errors of a command."""
    try:
        status = main(list(words))
    except SystemExit as end:
        status = end.code
    return status, *capsys.readouterr()


def options(*words):
    made = parser("test", "A test.")
    made.add_argument("kind", choices=("ar", "nar"))
    made.add_argument("--batch-size", type=int, default=1)
    made.add_argument("--prompt-text", required=True, help="its words")
    made.add_argument("--no-mark", action="store_true")
    add_choice(made, "sample_decoder", "nucleus", "decoders")
    return parse(made, ["ar", *words])


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_help_shows_dashes_and_a_usage_of_one_line(capsys, command):
    status, out, err = said(capsys, *command, "--help")
    assert (status, err) == (0, "") and not re.findall(r"--\w[\w-]*_\w*", out)
    usage, after, *_ = out.split("\n")
    assert usage.startswith(f"usage: ellav {' '.join(command)} ")
    if len(command) > 1 or command[0] not in BY_HAND:
        assert "[options]" in usage and "--" not in usage and after == ""


def test_usage_names_what_is_no_option_and_help_what_has_to_be_given(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for command, rest in (
        ("synth", ""),
        ("detect", " FILE [FILE ...]"),
        ("train", " {ar,nar}"),
        ("plugins", " ACTION [FAMILY] [NAME]"),
    ):
        assert said(capsys, command, "--help")[1].startswith(f"usage: ellav {command} [options]{rest}\n")
    shown = said(capsys, "synth", "--help")[1]
    assert "another seed gives another reading (default: 0)" in shown and not re.search(
        r"default: (None|\[\]|False|\))", shown
    )
    assert "  --out DIR             folder of the trained model (required)\n" in said(capsys, "train", "--help")[1]


@pytest.mark.parametrize(
    "words",
    [
        ("--prompt-text", "--batch-size=3", "--no-mark", "--sample-decoder-conf"),
        ("--prompt_text", "--batch_size=3", "--no_mark", "--sample_decoder_conf"),
        ("--prompt-te", "--ba=3", "--no-m", "--sample-decoder-c"),
        ("--prompt_te", "--batch_s=3", "--no_m", "--sample_decoder-c"),
    ],
)
def test_both_spellings_and_what_begins_them_are_read(words):
    text, size, mark, conf = words
    got = options(text, "a_b-c --d_e", size, mark, conf, "top_p=0.5")
    assert (got.prompt_text, got.batch_size, got.no_mark) == ("a_b-c --d_e", 3, True)
    assert got.sample_decoder_conf == {"top_p": 0.5}


def test_values_that_begin_with_dashes_stay_as_they_are():
    assert options("--prompt_text", "--well_known words").prompt_text == "--well_known words"
    assert options("--prompt_text=--a_b").prompt_text == "--a_b"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["synth", "--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["synth", "--nar_temperature=11"], "argument --nar-temperature: must be from 0 to 10, not 11"),
        (["synth", "--best_of"], "argument --best-of: expected one argument"),
        (["synth", "--config"], "argument --config: expected one argument"),
        (["synth", "--prompt_"], "ambiguous option: --prompt- could match --prompt-text, --prompt-language"),
        (["synth", "--prompt_txt", "x"], "unknown argument '--prompt-txt' (did you mean '--prompt-text'?)"),
        (["synth", "a_b"], "unknown argument 'a_b'"),
        (["synth", "--seed=\x1b[2J\n"], "argument --seed: invalid int value: '\\x1b[2J\\n'"),
        (["detect"], "the following arguments are required: FILE"),
        (["train", "ar"], "the following arguments are required: --train, --valid, --tokens, --codec, --out"),
    ],
)
def test_an_error_is_one_line(capsys, words, message):
    assert said(capsys, *words) == (2, "", f"ellav {words[0]}: error: {message}; see --help\n")
