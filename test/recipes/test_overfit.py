"""Sixteen real sentences learned by heart: the whole chain from waveform to recognised words."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jiwer
import numpy as np
import pytest
import torch

from ellav.data.audio import read_wav
from ellav.data.batching import Batches, Place
from ellav.data.dataset import Tokens
from ellav.data.durations import to_frames
from ellav.data.language_model import write_language_model
from ellav.data.speakers import group_by_speaker
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline
from ellav.infer.requests import continuation
from ellav.models.options import ModelOptions
from ellav.models.trained import build_model, load_trained
from ellav.plugins.aligners import aligners
from ellav.plugins.codecs import codecs
from ellav.plugins.decoders import decoders
from ellav.plugins.text import text
from ellav.plugins.transcribers import transcribers
from ellav.train import checkpoint
from ellav.train.config import TrainConfig
from ellav.train.objectives import ARObjective, NARObjective
from ellav.train.trainer import Trainer
from ellav.types import Utterance

LOCAL = Path(__file__).parents[2] / "egs/mini/tts1/local"
MODEL = {"layers": 3, "width": 160, "heads": 4, "ffn": 480}


class Speech(list):
    """Utterances in memory, as the batches want them."""

    @property
    def by_speaker(self):
        return group_by_speaker([u.speaker for u in self])

    @property
    def lengths(self):
        return np.array([u.frames for u in self])


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """16 sentences by two flite voices: codec, token list, utterances, their words, a transcriber."""
    sys.path.insert(0, str(LOCAL))
    from corpus import find_flite
    from grammar import sentences

    folder = tmp_path_factory.mktemp("spoken")
    front_end, aligner = text.create("g2p_en"), aligners.create("pocketsphinx")
    codec = codecs.create("rvq_mel", {"codebooks": 2, "size": 256, "training_frames": 4000})
    flite, wavs, said = find_flite(), [], []
    lines = sentences(5)
    for number in range(16):
        path, line = folder / f"{number}.wav", next(lines)
        subprocess.run([flite, "-voice", ("slt", "rms")[number % 2], "-t", line, "-o", str(path)], check=True)
        wavs.append(read_wav(path, 16000))
        said.append(front_end(line))
    codec.fit(wavs)
    symbols = sorted({phone for s in said for phone in s.phones})
    utterances = Speech()
    for number, (wav, s, codes) in enumerate(zip(wavs, said, codec.encode(wavs), strict=True)):
        silent = np.array([word < 0 for word in s.word_of_phone])
        durations = to_frames(aligner.align(wav, s).ends, codec.frame_rate, len(codes), silent)
        phones = np.array([symbols.index(phone) for phone in s.phones], np.int32)
        words = np.array(s.word_of_phone, np.int32)
        # Each is a speaker of its own, so that none is joined with another.
        utterances.append(Utterance(f"u{number:02}", f"s{number:02}", "en", phones, words, durations, codes))
    stats = {
        "frame_rate": codec.frame_rate,
        "codebooks": 2,
        "codebook_size": 256,
        "most_phone": 40,
        "most_silence": 40,
        "mean_frames": float(utterances.lengths.mean()),
        "frames_per_phone": float(utterances.lengths.sum() / sum(len(u.phones) for u in utterances)),
        "max_frames": int(utterances.lengths.max()),
    }
    pronounced = {}
    for s in said:
        for index, word in enumerate(s.words):
            pronounced[word] = [p for p, w in zip(s.phones, s.word_of_phone, strict=True) if w == index]
    lm = write_language_model(folder, [s.words for s in said], pronounced)
    listener = transcribers.create("pocketsphinx", {"lm": str(lm)})
    texts = [" ".join(s.words).upper() for s in said]
    return SimpleNamespace(
        codec=codec, tokens=Tokens(symbols, stats), utterances=utterances, texts=texts, listener=listener
    )


def learn(spoken, folder, kind, ordering, conf, steps, **model):
    """A model of `kind` trained on the 16 utterances alone, one utterance a sequence."""
    tokens, data = spoken.tokens, spoken.utterances
    options = ModelOptions(**MODEL, **model)
    described = checkpoint.describe_model(kind, options, ordering, conf, tokens.phones, tokens.stats, {"name": "test"})
    torch.manual_seed(0)
    made, bound = build_model(described)
    objective = ARObjective(made, bound) if kind == "ar" else NARObjective(made, (0, 25))
    config = TrainConfig(
        max_steps=steps, batch_tokens=2500, max_frames=int(data.lengths.max()), lr=3e-3, muon_lr=0.02,
        optimizer="muon", warmup=20, weight_decay=0.0, valid_every=10**6, save_every=10**6,
    )  # fmt: skip
    batches = Batches(data, objective.arrange, objective.collate, config.batch_tokens, config.max_frames, config.seed)
    folder.mkdir(parents=True)
    checkpoint.save_config(described, folder)
    held_out = [batch for batch, _ in batches.epoch(Place())]
    Trainer(objective, batches, held_out, config, folder).run(resume=False)
    return load_trained(folder, "last"), held_out, objective


@torch.inference_mode()
def greedy_accuracy(trained, batches):
    """Share of the codes, triggers left out, that the model ranks first after the true rows."""
    hits = total = 0
    codes = torch.from_numpy(trained.ordering.vocabulary.mask("codes"))[trained.model.sampled]
    for batch in batches:
        t = batch.tensors
        hidden = trained.model(t["ids"], t["positions"], batch.lengths, batch.text_lens)
        best = trained.model.logits(hidden[t["rows"]]).argmax(-1)
        is_code = codes[t["columns"].clamp(min=0)] & (t["columns"] >= 0)
        hits += int(((best == t["columns"]) & is_code).sum())
        total += int(is_code.sum())
    return hits / total


def word_error_rate(spoken, wavs):
    heard = [spoken.listener.transcribe(wav) for wav in wavs]
    return 100 * jiwer.wer(spoken.texts, heard)


@pytest.mark.parametrize(
    ("ordering", "conf", "nar_text"),
    [
        ("interleaved", {"local_advance": 3}, "aligned"),
        ("concat", {}, "prefix"),
        ("grouped", {"group": 2}, "prefix"),
        ("word_block", {}, "prefix"),
    ],
)
def test_sixteen_utterances_are_learned_by_heart(spoken, tmp_path, ordering, conf, nar_text):
    ar, batches, _ = learn(spoken, tmp_path / "ar", "ar", ordering, conf, 260)
    accuracy = greedy_accuracy(ar, batches)
    nar, _, _ = learn(spoken, tmp_path / "nar", "nar", ordering, conf, 120, text=nar_text)
    pipeline = Pipeline(Engine(ar.model, ar.ordering, decoders.create("greedy")), nar.model, spoken.codec)
    # Half the sentences begin with the same word. Without any phones after it, only the opening silence
    # tells which of the two voices speaks.
    prompts = [u.durations[0] if ordering == "word_block" else 0 for u in spoken.utterances]
    requests = [continuation(u, int(n), spoken.tokens) for u, n in zip(spoken.utterances, prompts, strict=True)]
    speeches = list(pipeline.speak(requests))
    resynthesis = word_error_rate(spoken, spoken.codec.decode([u.codes for u in spoken.utterances]))
    synthesis = word_error_rate(spoken, [speech.wav for speech in speeches])
    print(f"{ordering}: accuracy {accuracy:.3f}, WER {synthesis:.1f} %, codec's {resynthesis:.1f} %")
    assert accuracy >= 0.95
    assert synthesis <= resynthesis + 5
