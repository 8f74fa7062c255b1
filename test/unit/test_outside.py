"""Plugins from outside the repository: files, modules and installed packages, in every process."""

import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import pytest

from ellav.bin.run_command import run_command
from ellav.data.parallel import parallel_map
from ellav.errors import UserError
from ellav.plugins.faults import at_work_on
from ellav.plugins.registry import Registry, load_plugin, located
from ellav.plugins.text import text

PLUGIN = """
from ellav.plugins.text import Phones, text


@text.register("{name}")
class Plain:
    '''Three phones for whatever is said.'''

    phone_set = "plain"

    def __call__(self, sentence):
        return Phones(["sp", "A", "sp"], [-1, 0, -1], [sentence.strip() or "NOTHING"])
"""


def python(*arguments, cwd=None, path=None, timeout=120):
    import os

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*(path or []), Path(__file__).parents[2]]))}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)


def speaking(name):
    return text.create(name)


def test_spawned_workers_import_the_plugin_file(tmp_path, monkeypatch):
    path = tmp_path / "spawned.py"
    path.write_text(PLUGIN.format(name="spawned_text"))
    monkeypatch.chdir(tmp_path)
    load_plugin("spawned.py")
    made = list(parallel_map(partial(speaking, "spawned_text"), ["a", "b", "c"], 2, "test", [located("spawned.py")]))
    assert [phones.words for phones in made] == [["a"], ["b"], ["c"]]


def test_a_moved_file_is_the_same_plugin(tmp_path):
    records = []
    for folder in ("here", "there"):
        path = tmp_path / folder / "moved.py"
        path.parent.mkdir()
        path.write_text(PLUGIN.format(name="moved_text"))
        text._classes.pop("moved_text", None)
        load_plugin(str(path))
        records.append(text.record("moved_text"))
    assert records[0] == records[1] and records[0]["module"] == "moved.py"


def test_a_relative_path_means_the_same_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert located("mine.py") == str(tmp_path / "mine.py")
    assert located("folder/mine.py") == str(tmp_path / "folder/mine.py")
    assert located("package.module") == "package.module"


def test_training_ranks_import_the_plugin_file(tmp_path):
    """As tts.sh starts training on several GPUs: each rank reads the options and finds the plugin."""
    (tmp_path / "ranked.py").write_text(PLUGIN.format(name="ranked_text"))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = python(*launch, "-m", "ellav.bin.main", "plugins", "show", "text", "ranked_text", "--plugin", "ranked.py",
                  cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("Three phones for whatever is said.") == 2


def package(folder, name, entry_points, code=""):
    """An installed package: its module and the metadata that pip would have written."""
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(entry_points)
    (folder / f"{name}.py").write_text(code)


def test_installed_packages_are_found_and_broken_ones_reported_once(tmp_path):
    package(tmp_path, "outsider", "[ellav.text]\noutside_text = outsider:Plain\n", PLUGIN.format(name="outside_text"))
    package(tmp_path, "broken", "[ellav.text]\nbroken_text = broken:Gone\n")
    package(tmp_path, "greedy", "[ellav.text]\ng2p_en = greedy:Mine\n")
    package(tmp_path, "dated", "[ellav.text]\nold_text = dated:Old\n", "class Old:\n    contract = 0\n")
    listed = python("-m", "ellav.bin.main", "plugins", "list", "text", path=[tmp_path])
    assert listed.returncode == 0, listed.stderr
    assert "outside_text Three phones for whatever is said. [outsider 1.2]" in " ".join(listed.stdout.split())
    assert "broken_text" not in listed.stdout and "old_text" not in listed.stdout
    reports = sorted(listed.stderr.splitlines())
    assert len(reports) == 3
    assert reports[0].startswith("ellav: skipping text 'broken_text' of package broken (broken:Gone): AttributeError")
    assert "'g2p_en' of package greedy (greedy:Mine): the name is taken" in reports[1]
    assert "'old_text' is written for contract 0, this ellav has 1" in reports[2]
    checked = python("-m", "ellav.bin.main", "plugins", "check", "text", "outside_text", path=[tmp_path])
    assert "✗ what cannot be spoken is refused with a UserError" in checked.stdout


def test_a_module_is_a_plugin_too(tmp_path):
    (tmp_path / "as_module.py").write_text(PLUGIN.format(name="module_text"))
    command = ["-m", "ellav.bin.main", "plugins", "show", "text", "module_text", "--plugin", "as_module"]
    done = python(*command, path=[tmp_path])
    assert done.returncode == 0 and "[as_module, as_module.Plain]" in done.stdout, done.stderr


def test_a_plugin_of_another_contract_is_refused_at_load(tmp_path):
    path = tmp_path / "future.py"
    path.write_text(
        "from ellav.plugins.text import text\n\n\n@text.register('future')\nclass Future:\n    contract = 2\n"
    )
    with pytest.raises(UserError, match="'future' is written for contract 2, this ellav has 1; bring") as caught:
        load_plugin(str(path))
    assert "\n" not in str(caught.value) and "future.py" in str(caught.value)


def test_a_built_in_name_cannot_be_taken(tmp_path):
    path = tmp_path / "takes.py"
    path.write_text(PLUGIN.format(name="g2p_en"))
    with pytest.raises(UserError, match="'g2p_en' is built in; register yours under another name"):
        load_plugin(str(path))


def test_a_family_of_its_own_contract():
    family = Registry("things", {}, contract=3)

    @family.register("same")
    class Same:
        contract = 3

    @family.register("silent")
    class Silent:
        pass

    assert family.names() == ["same", "silent"]
    with pytest.raises(UserError, match="contract 2, this ellav has 3"):
        family.register("old")(type("Old", (), {"contract": 2}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1\ny = x / 0\n", r"faulty\.py:2: ZeroDivisionError"),
        ("def f(:\n", r"faulty\.py:1: SyntaxError"),
        ("import no_such_package\n", r"faulty\.py:1: ModuleNotFoundError: No module named 'no_such_package'"),
        ("import sys\nsys.exit('no licence')\n", r"faulty\.py:2: SystemExit: no licence"),
        ("x = 1\n", r"faulty\.py: registers no plugin; .*@orderings.register\(\"faulty\"\) above the class"),
    ],
)
def test_faults_of_a_file_are_named_with_their_line(tmp_path, content, message):
    path = tmp_path / "faulty.py"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        load_plugin(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.py", "no such file"),
        ("./folder", "no such file"),
        (".", "not a Python file"),
        ("", "not a Python file"),
        ("no_such_module_here", "name a file that ends in .py, or install the package"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        load_plugin(name)


def test_a_model_whose_plugin_is_missing_says_how_to_give_it():
    with pytest.raises(UserError, match=r"no plugin named 'nobodys'.*one of your own needs --plugin FILE_OR_MODULE"):
        text.create("nobodys")


def test_a_name_taken_twice_names_the_other_file(tmp_path):
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").write_text(PLUGIN.format(name="taken_twice"))
    load_plugin(str(tmp_path / "first.py"))
    with pytest.raises(UserError, match=r"'taken_twice' is already registered by .*/first\.py"):
        load_plugin(str(tmp_path / "second.py"))


def test_changed_code_is_warned_of(tmp_path, recwarn):
    path = tmp_path / "changing.py"
    path.write_text(PLUGIN.format(name="changing_text"))
    load_plugin(str(path))
    record = text.record("changing_text")
    text.warn_if_changed(record["name"], record, "here")
    text.warn_if_changed("characters", None, "here")
    built_in = {**text.record("characters"), "sha256": "another"}  # a version's business
    text.warn_if_changed("characters", built_in, "here")
    assert not recwarn.list
    path.write_text(path.read_text() + "# changed\n")
    with pytest.warns(UserWarning, match="here: the code of text 'changing_text' has changed since training"):
        text.warn_if_changed(record["name"], record, "here")


def test_what_a_plugin_raises_by_mistake_is_one_line_with_its_place(tmp_path, capsys):
    path = tmp_path / "mistaken.py"
    path.write_text(PLUGIN.format(name="mistaken_text").replace("sentence.strip()", "sentence.stirp()"))
    load_plugin(str(path))

    def here():
        with at_work_on("utterance 'u1'"):
            text.create("mistaken_text")("a")

    def in_a_worker():
        list(parallel_map(partial(speaking, "mistaken_text"), ["a", "b"], 2, "test", [str(path)]))

    for command in (here, in_a_worker):
        assert run_command("ellav test", command) == 1
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1 and "--debug" in error
        assert f"{path}:12, in __call__: AttributeError: 'str' object has no attribute 'stirp'" in error, error
        assert ("utterance 'u1'" in error) == (command is here)
        with pytest.raises(AttributeError):
            run_command("ellav test", command, debug=True)
    with pytest.raises(ZeroDivisionError):  # nobody's plugin: a fault of ellav, to be reported whole
        run_command("ellav test", lambda: 1 / 0)


def test_a_warning_is_one_line_too(capsys):
    assert run_command("ellav test", lambda: warnings.warn("this is\nodd", stacklevel=1)) == 0
    assert capsys.readouterr().err == "ellav test: warning: this is odd\n"
