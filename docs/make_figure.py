"""Make docs/speech.png and what is heard in it: a prompt, and what a packed model says after it, with its phones.

python docs/make_figure.py --model libri --prompt NAME --text "..." --picture docs/speech.png --sound docs/speech.mp3
"""

import argparse
from pathlib import Path
from textwrap import wrap

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from ellav import Synthesizer
from ellav.data.audio import read_wav
from ellav.score.page.pictures import mp3


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", help="packed model, or the name of one that comes with ellav")
    made.add_argument("--prompt", help="name of a built-in prompt")
    made.add_argument("--text", required=True)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--picture", type=Path, required=True)
    made.add_argument("--sound", type=Path, help="MP3 of the speech")
    options = made.parse_args()
    voice = Synthesizer(options.model)
    prompt = voice.bundle.prompt(options.prompt)
    speech = voice(options.text, prompt=options.prompt, seed=options.seed)
    heard, rate = read_wav(prompt.wav, speech.sample_rate), speech.sample_rate
    lengths = [len(heard) / rate, len(speech.wav) / rate]
    figure, panels = plt.subplots(
        1, 2, figsize=(12, 3.2), dpi=110, sharey=True, width_ratios=lengths, gridspec_kw={"wspace": 0.03}
    )
    for axes, wav, title in zip(panels, (heard, speech.wav), (prompt.text, options.text), strict=True):
        noise = 1e-5 * np.random.default_rng(0).standard_normal(len(wav))  # no logarithm of zero
        axes.specgram(wav + noise, NFFT=512, Fs=rate, noverlap=448, cmap="magma", vmin=-110, vmax=-30)
        axes.set(ylim=(0, rate / 2), xlim=(0, len(wav) / rate), xlabel="seconds")
        axes.set_title("\n".join(wrap(title, 64)), pad=28, fontsize=9)
    for phone in speech.phones:
        panels[1].axvline(phone.end, color="white", linewidth=0.6, alpha=0.7)
        middle = (phone.start + phone.end) / 2
        panels[1].text(middle, rate / 2 * 1.02, phone.phone, ha="center", va="bottom", fontsize=6, rotation=60)
    panels[0].text(0, rate / 2 * 1.02, "prompt: a person", fontsize=8, va="bottom")
    panels[0].set_ylabel("Hz")
    figure.savefig(options.picture, bbox_inches="tight")
    if options.sound:
        options.sound.write_bytes(mp3(speech.wav, rate))


if __name__ == "__main__":
    main()
