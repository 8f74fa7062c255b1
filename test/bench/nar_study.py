"""What helps a NAR model with readers that it never heard: a short training for each line, all else being equal.

    cd egs/librispeech/tts1
    python ../../../test/bench/nar_study.py --frames 500000 plain: soft:soft_codes=8 few:readers=16

Stages 1 to 5 must have run. A line is NAME:KEY=VALUE,KEY=VALUE; the keys are options of `ellav train nar --nar-conf`,
or `readers`: only so many, those with the most speech (and the copies of them that stage 2 made). Trained models stay
in --out, so that a line is not trained twice; `NAME:from=DIR` measures a model that is there already.

Codebook 1 of recordings of the set is completed after the first 3 s of another utterance of the reader. loss: of each
codebook, after the recording's own codes. spectrum: mean distance from the mel spectrum of all codes of the recording,
normal in each bin (the codec `rvq_conv` alone tells). words: heard otherwise than they should be, %, by Whisper base.
similarity: cosine to the recording, by resemblyzer; other: to that of another reader. Each at every --temperature (0:
the likeliest).
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lost_words import RATE, Judge, nar_input

from ellav.bin import train
from ellav.data.audio import read_wav, resample
from ellav.data.dataset import Dataset, Tokens
from ellav.data.index import OPTIONAL, TABLES
from ellav.data.joins import cut
from ellav.data.kaldi import read_table
from ellav.models.nar import Mixing, NARInput, NARModel
from ellav.models.trained import choose_weights, load_trained
from ellav.plugins.codecs import load_codec
from ellav.plugins.codecs.code_vectors import sums_of_vectors
from ellav.score.results import markdown


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("lines", nargs="+", metavar="NAME:KEY=VALUE,...")
    made.add_argument("--dump", type=Path, default=Path("dump"))
    made.add_argument("--codec", type=Path, default=Path("exp/codec"))
    made.add_argument("--config", type=Path, default=Path("conf/train/few_hours.yaml"))
    made.add_argument("--out", type=Path, default=Path("exp/nar_study"))
    made.add_argument("--frames", type=int, default=500_000, help="codec frames that each training reads")
    made.add_argument("--set", default="test_unseen")
    made.add_argument("--limit", type=int, default=20, help="recordings of the set, at random; of 4 to 10 s")
    made.add_argument("--prompt-seconds", type=float, default=3.0)
    made.add_argument("--temperature", type=float, nargs="+", default=[0.0, 0.5])
    made.add_argument("--no-words", action="store_true", help="without Whisper")
    options = made.parse_args()
    torch.set_num_threads(1)
    work, rows = Work(options), []
    for line in options.lines:
        name, _, settings = line.partition(":")
        keys = dict(setting.split("=", 1) for setting in settings.split(",") if setting)
        folder = Path(keys["from"]) if "from" in keys else trained(name, keys, options)
        for row in work.measure(folder, options.temperature):
            rows.append([name, *row])
            print(" | ".join(rows[-1]), flush=True)
    header = ["line", "loss of codebooks 2, 3, ...", "temperature", "spectrum", "words", "similarity", "other"]
    print(markdown(header, rows))


def trained(name: str, keys: dict[str, str], options: argparse.Namespace) -> Path:
    """The folder of a NAR model with these options."""
    tokens, out = options.dump / "tokens", options.out / name
    data = tokens / "train"
    readers = keys.pop("readers", None)
    if readers:
        data = some_readers(data, int(readers), options.out / f"{name}_data")
    conf = [f"{key}={value}" for key, value in {"max_frames_seen": options.frames, **keys}.items()]
    places = {"train": data, "valid": tokens / "valid", "tokens": tokens / "list", "codec": options.codec, "out": out}
    given = [word for option, place in places.items() for word in (f"--{option}", str(place))]
    train.main(["nar", "--config", str(options.config), *given, "--nar-conf", *conf])
    return out


def some_readers(data: Path, count: int, out: Path) -> Path:
    """A set of the `count` readers with the most utterances, and of their copies."""
    if not out.exists():
        speakers = {
            utterance: speaker.rsplit("-", 1)[-1] for utterance, speaker in read_table(data / "utt2spk").items()
        }
        chosen = {name for name, _ in Counter(speakers.values()).most_common(count)}
        partial = out.with_name(out.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for table in (*TABLES, *OPTIONAL):
            if (data / table).exists():
                with (
                    open(data / table, encoding="utf-8") as lines,
                    open(partial / table, "w", encoding="utf-8") as kept,
                ):
                    kept.writelines(line for line in lines if speakers[line.split(maxsplit=1)[0]] in chosen)
        partial.rename(out)
    return out


class Work:
    """The recordings that are completed, and what they are compared with."""

    def __init__(self, options: argparse.Namespace):
        self.codec = load_codec(options.codec)
        self.vectors = torch.from_numpy(self.codec.vectors())
        data = Dataset(options.dump / "tokens" / options.set, Tokens.read(options.dump / "tokens/list"))
        rate, rng = self.codec.frame_rate, np.random.default_rng(0)
        prompt = round(options.prompt_seconds * rate)
        fitting = [i for i in rng.permutation(len(data)) if 4 * rate <= data.lengths[i] <= 10 * rate]
        readers = [data[i].speaker for i in range(len(data))]
        self.pairs = []
        for i in fitting[: options.limit]:
            others = [
                j for j, name in enumerate(readers) if name == readers[i] and j != i and data.lengths[j] >= prompt
            ]
            self.pairs.append((cut(data[int(rng.choice(others))], prompt), data[i]))
        wavs = read_table(options.dump / "raw" / options.set / "wav.scp")
        recorded = [read_wav(wavs[target.id], RATE) for _, target in self.pairs]
        self.judge = Judge([data.text(i) for i in fitting[: options.limit]], recorded)
        self.listens = not options.no_words
        names = [target.speaker for _, target in self.pairs]
        self.another = [
            next(j for j in range(i + 1, i + len(names)) if names[j % len(names)] != names[i]) % len(names)
            for i in range(len(names))
        ]

    def measure(self, folder: Path, temperatures: list[float]) -> list[list[str]]:
        """A row for each temperature."""
        nar = load_trained(folder, choose_weights(folder)).model.eval()
        items = [nar_input(nar, prompt, t.phones, t.durations, t.codes) for prompt, t in self.pairs]
        losses = " ".join(f"{loss:.2f}" for loss in self.losses(nar, items))
        rows = []
        for temperature in temperatures:
            completed = nar.complete(items, Mixing(self.vectors, temperature) if temperature else None)
            told = [
                one.vectors
                if temperature
                else sums_of_vectors(self.vectors, torch.from_numpy(one.codes).long()).numpy()
                for one in completed
            ]
            told = [some[len(item.prompt) :] for some, item in zip(told, items, strict=True)]
            wavs = [resample(wav, self.codec.sample_rate, RATE) for wav in self.codec.decode_vectors(told)]
            words = self.judge.words(wavs) if self.listens else "–"
            voices = [self.judge.embed(wav, RATE) for wav in wavs]
            own, other = (
                np.mean([voices[i] @ self.judge.voices[j] for i, j in enumerate(which)])
                for which in (range(len(voices)), self.another)
            )
            spectrum = f"{self.distance(told):.3f}" if hasattr(self.codec, "network") else "–"
            rows.append([losses, f"{temperature:g}", spectrum, words, f"{own:.3f}", f"{other:.3f}"])
        return rows

    @torch.inference_mode()
    def losses(self, nar: NARModel, items: list[NARInput]) -> list[float]:
        """Cross-entropy of each codebook that the model makes."""
        found = []
        for codebook in range(nar.known, nar.codebooks):
            total = count = 0
            for (prompt, target), item in zip(self.pairs, items, strict=True):
                codes = np.concatenate([prompt.codes, target.codes])
                rows = nar.rows(item.phones, item.durations, codes, len(prompt.codes), codebook)
                ids, positions = torch.from_numpy(rows.ids), torch.from_numpy(rows.positions)
                hidden = nar(ids, positions, [len(rows)], torch.tensor(codebook - nar.known))
                logits = nar.logits(hidden[rows.first + len(prompt.codes) :], codebook)
                wanted = torch.from_numpy(target.codes[:, codebook].astype(np.int64))
                total += float(F.cross_entropy(logits, wanted, reduction="sum"))
                count += len(wanted)
            found.append(total / count)
        return found

    @torch.inference_mode()
    def distance(self, told: list[np.ndarray]) -> float:
        """Between the mel spectra of sums of vectors (T, D) and of all codes of the recordings."""
        network, total, count = self.codec.network, 0.0, 0
        for vectors, (_, target) in zip(told, self.pairs, strict=True):
            full = sums_of_vectors(self.vectors, torch.from_numpy(target.codes).long())
            made, true = (network.decode(some[None])[0] for some in (torch.from_numpy(vectors), full))
            error = network.normal(made) - network.normal(true)
            total += float(error.abs().sum())
            count += error.numel()
        return total / count


if __name__ == "__main__":
    main()
