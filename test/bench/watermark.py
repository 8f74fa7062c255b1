"""Which watermark is found again, which is found where none is, and what it does to speech.

    python test/bench/watermark.py detection --people DIR --files 40 --sentences 10
    python test/bench/watermark.py alarms --people DIR --people DIR --pieces 1
    python test/bench/watermark.py quality --librispeech DIR --readers 10 --each 4

Each prints a table. detection: recordings of people (the first FLAC of as many readers, evenly) and sentences of the
mini, which are marked, written with 16 bits, changed, and heard whole and in pieces of 2 s at random places. alarms:
unmarked recordings, all that lie in the folders, whole and in pieces of 2 s as far as they are so long. quality:
recordings of LibriSpeech in the corpus's own layout with and without marks, in pairs, with 95 % intervals of the
differences by bootstrap over utterances. MP3 and Opus are written by libsndfile, at a constant rate and at about that
rate.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import soundfile
import torch

from ellav.data.audio import as_pcm, read_wav, resample
from ellav.errors import UserError
from ellav.infer.provenance import DEFAULT
from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.watermarks import Watermark, watermarks
from ellav.score.results import markdown

RATE, PIECE = 16000, 2.0
ENDINGS = (".flac", ".wav", ".mp3")
MP3_64, OPUS_24 = 0.6, 0.93
"""libsndfile's compression levels that make 64 and about 24 kbit/s of 16 kHz."""


def encoded(wav: np.ndarray, format: str, subtype: str, level: float, mode: str | None = None) -> tuple:
    """(samples,) after writing and reading, and kbit/s."""
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", RATE, 1, subtype, format=format, compression_level=level, bitrate_mode=mode
    ) as out:
        out.write(np.clip(wav, -1, 1))
    size = file.tell()
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0], size * 8 / len(wav) * RATE / 1000


def noisy(wav: np.ndarray) -> np.ndarray:
    """White noise 20 dB below the whole."""
    noise = np.random.default_rng(len(wav)).standard_normal(len(wav))
    return (wav + noise * np.sqrt(np.mean(wav**2)) / 10).astype(np.float32)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none (16 bits)": lambda wav: wav,
    "MP3, 64 kbit/s": lambda wav: encoded(wav, "MP3", "MPEG_LAYER_III", MP3_64, "CONSTANT")[0],
    "Opus, 24 kbit/s": lambda wav: encoded(wav, "OGG", "OPUS", OPUS_24)[0],
    "44.1 kHz and back": lambda wav: resample(resample(wav, RATE, 44100), 44100, RATE),
    "8 kHz and back": lambda wav: resample(resample(wav, RATE, 8000), 8000, RATE),
    "white noise, 20 dB": noisy,
    "played 1 % faster": lambda wav: resample(wav, 101, 100),
}


def recordings(folders: list[Path]) -> list[Path]:
    """All recordings below the folders, sorted."""
    found = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in ENDINGS)
    if not found:
        raise UserError(f"{folders[0]}: no recording in it")
    return found


def speech(folders: list[Path], files: int, sentences: int) -> Iterator[np.ndarray]:
    """(samples,) of people and of the mini, each at least a piece long."""
    firsts = list({path.parts[-3]: path for path in reversed(recordings(folders)) if path.suffix == ".flac"}.values())
    for place in np.linspace(0, len(firsts) - 1, min(files, len(firsts))).round().astype(int):
        yield read_wav(firsts[place], RATE)[: 12 * RATE]
    if not sentences:
        return
    from judged import sentences as of_grammar

    from ellav.infer.synthesizer import Synthesizer

    voice = Synthesizer(watermark=None)
    for text, prompt in islice(zip(of_grammar(100), cycle(voice.prompts), strict=False), sentences):
        wav = resample(voice(text, prompt).wav, voice.codec.sample_rate, RATE)
        yield np.pad(wav, (0, max(0, round(PIECE * RATE) - len(wav))))


def pieces(wav: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Of PIECE seconds, at random places."""
    samples = round(PIECE * RATE)
    starts = np.random.default_rng(seed).integers(0, max(1, len(wav) - samples + 1), count)
    return [wav[start : start + samples] for start in starts]


def sixteen_bits(wav: np.ndarray) -> np.ndarray:
    """As a file keeps it."""
    return (as_pcm(wav) / 32768).astype(np.float32)


def found(scores: list[float], mark: Watermark) -> str:
    """The share that is marked, in %, and the median and the lowest score."""
    share = 100 * np.mean(np.array(scores) >= mark.threshold)
    return f"{share:.1f} ({np.median(scores):.3g}, {min(scores):.3g})"


def detection(options: argparse.Namespace, marks: dict[str, Watermark]) -> None:
    """Found after each change, %."""
    said = list(speech(options.people, options.files, options.sentences))
    seconds = sum(map(len, said)) / RATE
    print(f"{len(said)} recordings, {seconds:.0f} s, the last {options.sentences} of the mini")
    rates = [np.mean([encoded(wav, *kind)[1] for wav in said[:10]]) for kind in (
        ("MP3", "MPEG_LAYER_III", MP3_64, "CONSTANT"), ("OGG", "OPUS", OPUS_24)
    )]  # fmt: skip
    print(f"MP3 and Opus of them: {rates[0]:.0f} and {rates[1]:.0f} kbit/s, headers included")
    rows = {change: [change] for change in CHANGES}
    for name, mark in marks.items():
        begun = time.process_time()
        marked = [sixteen_bits(mark.mark(wav, RATE)) for wav in said]
        marking = seconds / (time.process_time() - begun)
        below = [10 * np.log10(np.sum(a**2) / np.sum((b - a) ** 2)) for a, b in zip(said, marked, strict=True)]
        listened = spent = 0.0
        for change, apply in CHANGES.items():
            whole, cut = [], []
            for number, wav in enumerate(map(apply, marked)):
                begun = time.process_time()
                whole.append(mark.detect(wav, RATE))
                cut += [mark.detect(piece, RATE) for piece in pieces(wav, options.pieces, number)]
                spent += time.process_time() - begun
                listened += len(wav) / RATE + options.pieces * PIECE
            rows[change] += [found(whole, mark), found(cut, mark)]
            print(name, change, *rows[change][-2:], file=sys.stderr, flush=True)
        print(
            f"{name}: {np.mean(below):.1f} dB below the speech; marks {marking:.0f} and hears {listened / spent:.0f}"
            " times as fast as real time on one core"
        )
    head = [f"{name}, {length}" for name in marks for length in ("whole", "2 s")]
    print(markdown(["found, % (median, lowest score)", *head], list(rows.values())))


def alarms(options: argparse.Namespace, marks: dict[str, Watermark]) -> None:
    """Marks found in what people said."""
    paths = recordings(options.people)
    paths = [paths[i] for i in np.linspace(0, len(paths) - 1, min(options.files, len(paths))).round().astype(int)]
    whole: dict[str, list[float]] = {name: [] for name in marks}
    cut: dict[str, list[float]] = {name: [] for name in marks}
    seconds = 0.0
    for number, path in enumerate(paths):
        wav = read_wav(path, RATE)
        wav = wav[: round(options.most * RATE)] if options.most else wav
        seconds += len(wav) / RATE
        for name, mark in marks.items():
            whole[name].append(mark.detect(wav, RATE))
            if len(wav) >= PIECE * RATE:
                cut[name] += [mark.detect(piece, RATE) for piece in pieces(wav, options.pieces, number)]
        if number % 100 == 99:
            print(number + 1, {name: max(whole[name] + cut[name]) for name in marks}, file=sys.stderr, flush=True)
    print(f"{len(paths)} recordings of people, {seconds / 3600:.1f} hours")
    rows = [
        [f"{name}, {kind}", len(scores), sum(np.array(scores) >= marks[name].threshold), f"{max(scores):.3g}"]
        for name in marks
        for kind, scores in (("whole", whole[name]), ("2 s", cut[name]))
    ]
    print(markdown(["", "heard", "false alarms", "highest score"], [list(map(str, row)) for row in rows]))


def quality(options: argparse.Namespace, marks: dict[str, Watermark]) -> None:
    """DNSMOS and WER, with and without."""
    from judges import utterances

    if options.librispeech is None:
        raise UserError("quality needs --librispeech DIR")
    spoken = utterances(options.librispeech, options.readers, options.each)
    print(f"{len(spoken)} utterances, {sum(len(one.wav) for one in spoken) / RATE:.0f} s")
    judges = {
        "dnsmos": scorers.create("dnsmos"),
        "wer": scorers.create("wer", {"transcriber": "whisper", "normalizer": "whisper"}),
    }
    pairs: dict[str, dict[str, list]] = {}
    for name, mark in {"unmarked": None, **marks}.items():
        kept = pairs.setdefault(name, {})
        for one in spoken:
            wav = one.wav if mark is None else sixteen_bits(mark.mark(one.wav, RATE))
            given = Scored(one.id, one.speaker, one.text, wav, RATE)
            for judge in judges.values():
                for metric, value in judge.score(given).items():
                    if not isinstance(value, str):
                        kept.setdefault(metric, []).append(value)
        print(name, {metric: figure(values) for metric, values in kept.items()}, file=sys.stderr, flush=True)
    metrics = list(pairs["unmarked"])
    rows = [
        [name, *(figure(kept[metric], pairs["unmarked"][metric]) for metric in metrics)] for name, kept in pairs.items()
    ]
    print(markdown(["", *metrics], rows))


def figure(values: list, without: list | None = None) -> str:
    """The figure of pairs of (numerator, denominator); in brackets the interval of its difference from `without`."""
    values = np.array(values, float)
    of = values[:, 0].sum() / values[:, 1].sum()
    if without is None or np.array_equal(values, np.array(without, float)):
        return f"{of:.3g}"
    without = np.array(without, float)
    drawn = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    apart = [v[drawn, 0].sum(axis=1) / v[drawn, 1].sum(axis=1) for v in (values, without)]
    low, high = np.percentile(apart[0] - apart[1], [2.5, 97.5])
    return f"{of:.3g} ({low:+.2g} to {high:+.2g})"


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("what", choices=["detection", "alarms", "quality"])
    made.add_argument("--watermarks", nargs="+", default=[DEFAULT, "perth"], metavar="NAME")
    made.add_argument("--people", type=Path, action="append", metavar="DIR", help="folder with recordings (repeatable)")
    made.add_argument("--files", type=int, default=10**6, help="recordings of people, evenly chosen")
    made.add_argument("--sentences", type=int, default=0, help="detection: of the mini")
    made.add_argument("--pieces", type=int, default=4, help="of each recording")
    made.add_argument("--most", type=float, help="alarms: of each recording so many seconds at most")
    made.add_argument("--librispeech", type=Path, metavar="DIR", help="quality: a subset, for example dev-clean")
    made.add_argument("--readers", type=int, default=10)
    made.add_argument("--each", type=int, default=4, help="utterances of a reader")
    options = made.parse_args()
    torch.set_num_threads(1)
    try:
        if options.what != "quality" and not options.people:
            raise UserError(f"{options.what} needs --people DIR")
        marks = {name: watermarks.create(name) for name in options.watermarks}
        {"detection": detection, "alarms": alarms, "quality": quality}[options.what](options, marks)
    except UserError as error:
        sys.exit(f"watermark.py: {error}")


if __name__ == "__main__":
    main()
