"""A miniature packed model, and speech to prompt it with, for the tests of synthesis."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
import yaml
from safetensors.numpy import save_file

from ellav.bin.main import main
from ellav.data.dataset import STATISTICS
from ellav.models.options import ModelOptions
from ellav.models.trained import build_model
from ellav.plugins.aligners.features import WIDTH
from ellav.plugins.aligners.hmm import STATES
from ellav.plugins.aligners.trained import ABOUT
from ellav.plugins.codecs import codecs
from ellav.plugins.text import text as text_front_ends
from ellav.train.checkpoint import describe_model, save_config, save_weights

LOCAL = Path(__file__).parents[2] / "egs/mini/tts1/local"
SAID = "The old sailor bought three green boats."
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
PHONES = ["sp", *(vowel + stress for vowel in VOWELS.split() for stress in "012"), *CONSONANTS.split()]


def speak(sentence=SAID, voice="slt"):
    """(samples,) float32 at 16 kHz, by flite."""
    sys.path.insert(0, str(LOCAL))
    try:
        corpus = importlib.import_module("corpus")
    finally:
        sys.path.remove(str(LOCAL))
    wav, rate = corpus.speak(corpus.find_flite(), voice, sentence)
    assert rate == 16000
    return wav.astype(np.float32)


def trained_folders(
    folder: Path,
    ordering="interleaved",
    most_phone=6,
    max_frames=200,
    phones: list[str] = PHONES,
    ordering_conf: dict | None = None,
    languages: tuple[str, ...] = (),
) -> list[str]:
    """Untrained models, a codec and a token list in `folder`; their options for `ellav pack`.

    languages: those for which the AR model has tokens.
    """
    torch.manual_seed(0)
    conf = {"codebooks": 2, "size": 16, "kmeans_iterations": 2, "griffin_lim_iterations": 2, "training_frames": 500}
    codec = codecs.create("rvq_mel", conf)
    codec.fit([speak()])
    described = {"name": "rvq_mel", "conf": conf, "sample_rate": 16000, "frame_rate": 50.0, "codebooks": 2, "size": 16}
    stats = dict.fromkeys(STATISTICS, 0) | {
        "frame_rate": 50.0,
        "codebooks": 2,
        "codebook_size": 16,
        "most_phone": most_phone,
        "most_silence": 10,
        "mean_frames": 100.0,
        "frames_per_phone": 4.0,
        "max_frames": max_frames,
    }
    for name in ("ar", "nar", "codec", "list"):
        (folder / name).mkdir()
    codec.save(folder / "codec")
    (folder / "codec/codec.yaml").write_text(yaml.safe_dump(described))
    (folder / "list/tokens.txt").write_text("".join(f"{phone}\n" for phone in phones))
    (folder / "list/stats.yaml").write_text(yaml.safe_dump(stats))
    for kind in ("ar", "nar"):
        options = ModelOptions(layers=1, width=16, heads=2, ffn=16)
        config = describe_model(kind, options, ordering, ordering_conf or {}, phones, stats, described)
        config["train"] = {"max_frames": 2 * max_frames, "max_minutes": 0.1}
        if kind == "ar" and languages:
            config["languages"] = [*languages]
        save_config(config, folder / kind)
        save_weights(build_model(config)[0].state_dict(), folder / kind / "averaged.safetensors")
    return [f"--{o}={folder / d}" for o, d in (("ar", "ar"), ("nar", "nar"), ("codec", "codec"), ("tokens", "list"))]


def packed_of_files(folder: Path, text: str) -> Path:
    """A packed model that carries files: `text` is lexicon or sentencepiece, the aligner has learned nothing.

    Everything in it is small and quick, and its one prompt is noise.
    """
    folder.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    if text == "lexicon":
        named = {"lexicon": folder / "lexicon.txt"}
        named["lexicon"].write_text("the DH AH0\nold OW1 L D\nboat B OW1 T\n")
    else:
        named = text_front_ends.create(text, {"pieces": 12}).fit(["the old boat", "boats hold the tea"], folder)
    said = text_front_ends.create(text, named)("The old boat.")
    symbols = sorted({*said.phones, *text_front_ends.create(text, named)("Boat, the boat.").phones} - {"sp"})
    made = trained_folders(folder, phones=["sp", *symbols])
    made += [f"--text={text}", *(f"--text_conf={name}={path}" for name, path in named.items())]
    made += ["--aligner=trained", f"--aligner_conf=model={untaught_aligner(folder, symbols)}"]
    prompt = write_prompt(folder / "voice.wav", noise)
    assert main(["pack", *made, f"--prompt={prompt}", "--prompt_text=The old boat.", f"--out={folder / 'packed'}"]) == 0
    return folder / "packed"


def packed_of_languages(folder: Path, learned: bool = True) -> Path:
    """A packed model of English, by its letters, and Spanish, by its sounds, with a prompt `en` and a prompt `es`.

    learned: whether its AR model has tokens for them. Everything in it is small and quick, and its prompts are noise.
    """
    folder.mkdir()
    letters = text_front_ends.create("characters", {})
    sounds = text_front_ends.create("espeak", {"language": "es"})
    symbols = sorted({*letters("The old boat holds tea.").phones, *sounds("La casa, mañana.").phones} - {"sp"})
    made = trained_folders(folder, phones=["sp", *symbols], languages=("en", "es") if learned else ())
    made += ["--text=es: espeak, en: characters", "--aligner=trained"]
    made += [f"--aligner_conf=model={untaught_aligner(folder, symbols)}"]
    for language, said in (("en", "The old boat."), ("es", "La casa, mañana.")):
        noise = np.random.default_rng(len(said)).normal(0, 0.1, 20_000).astype(np.float32)
        prompt = write_prompt(folder / f"{language}.wav", noise)
        made += [f"--prompt={prompt}", f"--prompt_text={said}", f"--prompt_language={language}"]
    assert main(["pack", *made, f"--out={folder / 'packed'}"]) == 0
    return folder / "packed"


def untaught_aligner(folder: Path, symbols: list[str]) -> Path:
    """The file of a `trained` aligner that has learned nothing of these phones."""
    states = len(symbols) * STATES + 1
    parts = {"centre": np.zeros(WIDTH), "scale": np.ones(WIDTH), "weights": np.zeros((states, 1))}
    parts |= {"means": np.ones((states, 1, WIDTH)), "variances": np.ones((states, 1, WIDTH))}
    save_file(
        {name: part.astype(np.float32) for name, part in parts.items()},
        folder / "aligner.safetensors",
        {ABOUT: json.dumps({"phones": symbols, "least_score": -1e6})},
    )
    return folder / "aligner.safetensors"


def write_prompt(path: Path, wav=None, rate=16000, **options) -> Path:
    """A recording of SAID, or of `wav`."""
    soundfile.write(path, speak() if wav is None else wav, rate, **options)
    return path
