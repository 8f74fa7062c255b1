"""Every code block of docs/plugins.md does what it says.

Blocks run in order, in one folder and one namespace. A Python block that begins with `# NAME.py` is
written to that file, any other is executed. Shell blocks are run, except that `./run.sh` only reads
its options and `ellav synth` stops for want of a model. A text block is the output of the block before.
"""

import io
import re
import shlex
import subprocess
import sys
import tokenize
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from ellav.bin.main import main
from ellav.plugins.registry import FAMILIES, load_plugin, registry

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", DOC, re.S | re.M)
EXAMPLES = ROOT / "docs/examples"


def recipe(arguments):
    """What run.sh says to these options: --help ends it after all before it were read."""
    command = [ROOT / "egs/mini/tts1/run.sh", *arguments, "--help"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def shell(line, capsys):
    """Run one line: its exit status and output."""
    program, *arguments = shlex.split(line)
    for before, word in pairwise(arguments):
        assert before != "--plugin" or Path(word).is_file(), line
    if program == "./run.sh":
        done = recipe(arguments)
        return done.returncode, done.stderr
    assert program == "ellav", f"the test does not know {program!r}"
    status = main(arguments)
    made = capsys.readouterr()
    if arguments[0] == "synth":
        assert status == 1 and "exp/marked/packed" in made.err
        return 0, made.out
    return status, made.out + made.err * (status != 0)


def test_every_block_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "docs"}
    output, status, count = "", 0, 0
    for kind, block in BLOCKS:
        count += 1
        if kind == "text":
            assert output.startswith(block) and status == 1
            status = 0
            continue
        assert status == 0, output
        if kind == "python" and (named := re.match(r"# (\w+\.py)\n", block)):
            Path(named[1]).write_text(block, encoding="utf-8")
        elif kind == "python":
            exec(compile(block, f"block {count}", "exec"), namespace)
        elif kind == "toml":
            groups = tomllib.loads(block)["project"]["entry-points"]
            assert all(group.removeprefix("ellav.") in FAMILIES for group in groups)
        else:
            assert kind == "sh", f"block {count} is of kind {kind!r}"
            for line in block.splitlines():
                assert status == 0, output
                status, output = shell(line, capsys)
    assert status == 0, output
    assert count >= 15


def test_each_family_and_every_name_of_a_contract_is_told():
    for family in FAMILIES:
        assert f"### {family.capitalize()}\n" in DOC and f"ellav.{family}`" in DOC
        assert f"ellav plugins new {family}" in DOC and registry(family).contract == 1
    from ellav.types import DecodingRequest, DecodingScript, Restored, TokenSequence

    contract = DOC.partition("### Orderings")[2].partition("### Decoders")[0]
    for noun in (TokenSequence, DecodingScript, DecodingRequest, Restored):
        for field in set(noun.__dataclass_fields__) - {"id", "word_of_phone"}:
            assert re.search(rf"\b{field}\b", contract), f"{noun.__name__}.{field}"


def code_lines(source):
    """Lines that hold code or documentation: no blanks, no comments."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return len({line for t in tokens if t.type not in skipped for line in range(t.start[0], t.end[0] + 1)})


@pytest.mark.parametrize(
    ("name", "family", "most"), [("relay", "orderings", 80), ("min_p", "decoders", 30), ("by_rule", "text", 40)]
)
def test_examples_are_short_and_keep_their_contract(name, family, most, capsys):
    path = EXAMPLES / f"{name}.py"
    ruff = Path(sys.executable).with_name("ruff")
    command = [ruff, "format", "--line-length", "100", "--stdin-filename", "x.py", "-"]
    source = subprocess.run(command, input=path.read_text(), capture_output=True, text=True, check=True).stdout
    assert code_lines(source) <= most
    built_in = f"from ellav.plugins.{family}."  # subclasses of built-in plugins prove nothing
    assert not [line for line in source.splitlines() if line.startswith(built_in) and "sampling" not in line]
    assert main(["plugins", "check", family, name, "--plugin", str(path)]) == 0, capsys.readouterr()


def test_the_example_says_what_english_says():
    load_plugin(str(EXAMPLES / "by_rule.py"))
    made = registry("text").create("by_rule")("The ship, 2 boats.")
    assert made.words == ["THE", "SHIP", "TWO", "BOATS"]
    assert " ".join(made.phones) == "sp DH SH IH P sp T W AA B AA AE T S sp"
