"""`ellav doctor` on machines that the tests make up, and on this one."""

import json
import re
import time

import pytest

from ellav import installed, machine
from ellav.bin import doctor
from ellav.bin.main import main

CPU = "processor\t: {i}\nmodel name\t: Fast CPU 9\nflags\t\t: fpu sse2 avx2 avx512f amx_bf16\n\n"
V2 = "30 23 0:26 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
V1 = (
    "32 31 0:29 {shown} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {shown} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
)


def made(root, files, cpus=8):
    """A machine of 16 GB with `files` (path -> content) below `root`."""
    files = {
        "proc/cpuinfo": "".join(CPU.format(i=i) for i in range(cpus)),
        "proc/meminfo": "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\nHugePages_Total: 0\n",
        **files,
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_without_cgroups_everything_is_granted(tmp_path):
    root = made(tmp_path, {})
    assert machine.cores(root, affinity=8) == (8, 8, None)
    assert machine.memory(root) == (16384000000, 8192000000, None)
    assert machine.processor(root) == ("Fast CPU 9", ["avx2", "avx512f", "amx_bf16"])


def test_version_2_takes_the_tightest_limit_on_the_way_up(tmp_path):
    root = made(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user.slice/job\n",
            "proc/self/mountinfo": V2,
            "sys/fs/cgroup/user.slice/cpu.max": "350000 100000\n",
            "sys/fs/cgroup/user.slice/memory.max": "max\n",
            "sys/fs/cgroup/user.slice/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/user.slice/job/memory.max": "2147483648\n",
        },
    )
    cores = machine.cores(root, affinity=6)
    assert cores == (8, 6, 3.5) and cores.granted == 3
    assert machine.memory(root).limit == 2**31


@pytest.mark.parametrize("shown", ["/", "/docker/abc"])
def test_version_1_in_a_container_or_not(tmp_path, shown):
    inner = "/docker/abc" if shown == "/" else ""
    root = made(
        tmp_path,
        {
            "proc/self/cgroup": "9:name=systemd:/\n5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n",
            "proc/self/mountinfo": V1.format(shown=shown),
            f"sys/fs/cgroup/cpu,cpuacct{inner}/cpu.cfs_quota_us": "50000\n",
            f"sys/fs/cgroup/cpu,cpuacct{inner}/cpu.cfs_period_us": "100000\n",
            f"sys/fs/cgroup/memory{inner}/memory.limit_in_bytes": "1073741824\n",
        },
    )
    cores = machine.cores(root, affinity=8)
    assert cores.quota == 0.5 and cores.granted == 1
    assert machine.memory(root).limit == 2**30


def test_version_1_without_limits(tmp_path):
    root = made(
        tmp_path,
        {
            "proc/self/cgroup": "5:memory:/\n4:cpu,cpuacct:/\n",
            "proc/self/mountinfo": V1.format(shown="/"),
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert machine.cores(root, affinity=3) == (8, 3, None)
    assert machine.memory(root).limit is None


def test_an_old_processor_and_little_memory_are_noted(tmp_path):
    files = {
        "proc/cpuinfo": "processor : 0\nmodel name : Old CPU\nflags : sse2\n",
        "proc/meminfo": "MemTotal: 2000000 kB\nMemAvailable: 100000 kB\n",
    }
    found = {item.name: item for item in doctor.hardware(made(tmp_path, files))}
    assert found["flags"].state == "note" and "AVX2" in found["flags"].advice
    assert found["memory"].state == "note" and found["memory"].value.startswith("2.0 GB, no limit, 102 MB available")


def test_a_package_that_is_missing_names_its_use_and_how_to_get_it():
    found = installed.dependencies(["numpy", 'no-such-package>=1; extra == "score"', 'pytest; extra == "dev"'])
    assert [(item.name, item.state) for item in found] == [
        ("numpy [core]", "ok"),
        ("no-such-package [score]", "missing"),
        ("pytest [dev]", "ok"),
    ]
    assert found[1].advice == "for scoring (stage 9); pip install 'ellav[score]'"
    assert found[0].value[0].isdigit()


def test_a_core_package_that_is_missing_or_does_not_import_is_broken(monkeypatch, capsys):
    monkeypatch.setattr(installed.metadata, "version", lambda name: "1.0")
    (item,) = installed.dependencies(["no_such_module"])
    assert item.state == "broken" and "does not import" in item.value
    monkeypatch.undo()
    monkeypatch.setattr(doctor, "requirements", lambda: ["no-such-package>=2"])
    assert main(["doctor"]) == 1
    shown = capsys.readouterr()
    assert "Broken" in shown.out and "What ellav needs in any case is there." not in shown.out
    assert shown.err.count("\n") == 1 and "pip install 'no-such-package>=2'" in shown.err


def test_programs_that_are_missing_name_their_use(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {item.name: item for item in installed.programs(None)}
    assert found["mfa"].state == "missing" and found["mfa"].advice.startswith("for aligning")
    program = tmp_path / "espeak"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert {i.name: i.value for i in installed.programs(None)}["espeak-ng"] == str(program)


def test_every_extra_of_the_package_says_what_it_is_for():
    import configparser

    parser = configparser.ConfigParser()
    parser.read(doctor.checkout_folder() / "setup.cfg")
    assert set(parser["options.extras_require"]) <= set(installed.EXTRAS)


def test_a_folder_that_cannot_be_written_is_noted(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    found = {item.name: item for item in doctor.storage(None)}
    assert found["home"].state == "note" and "not writable" in found["home"].value
    assert found["cache"].state == "note" and found["cache"].advice
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new/cache"))
    assert {i.name: i.state for i in doctor.storage(None)}["cache"] == "ok"
    assert not (tmp_path / "new/cache").exists()


def test_the_environment_keeps_addresses_to_itself():
    found = doctor.environment({"HTTPS_PROXY": "http://me:secret@host", "OMP_NUM_THREADS": "4096", "LANG": "C.UTF-8"})
    assert "secret" not in doctor.as_text(found)
    assert {item.name: item.state for item in found}["OMP_NUM_THREADS"] == "note"


def test_the_pretrained_model_is_there_or_how_to_get_it_is_said(tmp_path):
    absent = doctor.pretrained(tmp_path / "own")
    assert absent.state == "missing" and "egs/mini/tts1/run.sh" in absent.advice
    for name in ("another", "own", "empty"):
        (tmp_path / name).mkdir()
    for name in ("another", "own"):
        (tmp_path / name / "model.yaml").write_text("x" * 1000)
    found = doctor.pretrained(tmp_path / "own")
    assert found.state == "ok" and re.fullmatch(r"own \(.+\), another \(.+\) in .+", found.value)


def test_this_machine_is_well_and_quickly_examined(capsys):
    began = time.monotonic()
    assert main(["doctor", "--json"]) == 0
    seconds = time.monotonic() - began
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    names = {item["name"] for item in report["items"]}
    assert {"ellav", "python", "torch [core]", "pocketsphinx [align]", "flags", "cores", "memory", "flite"} <= names
    assert all(item["advice"] for item in report["items"] if item["state"] != "ok")
    assert seconds < 10  # torch is loaded here already; 3 s on an idle machine are measured otherwise
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "What ellav needs in any case is there." in shown and "granted" in shown
