"""The `ellav` command: finds the subcommand's file and runs it."""

from __future__ import annotations

import importlib
import os
import sys

from ellav import machine
from ellav.bin.run_command import run_command, writable_caches
from ellav.version import __version__

# Before torch loads: threads that wait spin a while and then sleep. Spinning on, beside another busy
# process, makes everything many times slower; sleeping at once makes decoding a quarter slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

COMMANDS = {
    "synth": "speak a text in the voice of a prompt",
    "detect": "tell whether recordings were synthesized by ellav",
    "doctor": "what this machine has and lacks, for you and for bug reports",
    "corpus": "stage 1 of people's speech: LibriSpeech, LibriTTS, Libri-Light",
    "data": "check, fix, split and shard Kaldi-style data folders",
    "format-wavs": "stage 2: waveforms at one sample rate",
    "fit-text": "stage 3: train the text front end, where it is trainable",
    "phones": "stage 3: text to phones",
    "fit-aligner": "stage 3: train the aligner, where it is trainable",
    "align": "stage 3: phones to their times",
    "fit-codec": "stage 4: train the codec, where it is trainable",
    "encode": "stage 4: waveforms to codes",
    "tokens": "stage 5: token list, durations, statistics",
    "train": "stages 6 and 7: train the AR or the NAR model",
    "decode": "stage 8: synthesize a test set",
    "score": "stage 9: score what was synthesized",
    "report": "stage 9: one page to read, look at and listen to",
    "jobs": "run a command, or an array of commands, here or on Slurm",
    "pack": "stage 10: one folder that synthesizes",
    "check-config": "check the parts that a recipe names, before its stages run",
    "export": "a packed model as ONNX graphs, for programs without torch",
    "plugins": "list and show plugins, check your own, begin a new one",
    "serve": "speak over HTTP, as OpenAI's clients ask for it",
    "demo": "a page to speak, listen and look in a browser",
    "bench": "how fast this machine decodes, trains, codes and streams",
}


def main(argv: list[str] | None = None) -> int:
    """Run `ellav COMMAND ...`; 0 on success, 1 on wrong input, 2 on wrong usage, more where a signal stopped it."""
    argv = sys.argv[1:] if argv is None else argv
    while argv[:1] == ["help"]:
        argv = [*argv[1:2], "--help"]
    if argv[:1] in (["--version"], ["-V"]):
        print(f"ellav {__version__}")
        return 0
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print("usage: ellav COMMAND [options]     (ellav COMMAND --help, or ellav help COMMAND, shows them)\n")
        print("\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()))
        print("\nellav --version says which version this is, ellav doctor what is around it.")
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        from ellav.errors import did_you_mean

        hint = did_you_mean(argv[0], COMMANDS)
        print(f"ellav: unknown command {argv[0]!r}{hint}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    name = argv[0]

    def command() -> None:
        importlib.import_module("ellav.bin." + name.replace("-", "_")).main(argv[1:])

    machine.keep_memory()
    with writable_caches():
        return run_command(f"ellav {name}", command, "--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
