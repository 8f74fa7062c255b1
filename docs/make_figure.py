"""Make docs/speech.png: a synthesized sentence's spectrogram with its phone boundaries.

python docs/make_figure.py egs/mini/tts1/exp/interleaved/decode/test_seen UTTERANCE docs/speech.png
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import soundfile
from praatio import textgrid

from ellav.data.kaldi import read_table


def main(folder: str, utterance: str, out: str) -> None:
    wav, rate = soundfile.read(Path(folder) / "wav" / f"{utterance}.wav")
    grid = textgrid.openTextgrid(str(Path(folder) / "textgrid" / f"{utterance}.TextGrid"), includeEmptyIntervals=False)
    said = read_table(Path(folder) / "text")[utterance]
    figure, axes = plt.subplots(figsize=(11, 3.2), dpi=110)
    noise = 1e-6 * np.random.default_rng(0).standard_normal(len(wav))  # no logarithm of zero
    axes.specgram(wav + noise, NFFT=512, Fs=rate, noverlap=448, cmap="magma", vmin=-120)
    top = rate / 2
    for phone in grid.getTier("phones").entries:
        axes.axvline(phone.end, color="white", linewidth=0.6, alpha=0.7)
        middle = (phone.start + phone.end) / 2
        axes.text(middle, top * 1.02, phone.label, ha="center", va="bottom", fontsize=7, rotation=60)
    axes.set(ylim=(0, top), xlim=(0, len(wav) / rate), xlabel="seconds", ylabel="Hz")
    axes.set_title(said, pad=28, fontsize=10)
    figure.savefig(out, bbox_inches="tight")


if __name__ == "__main__":
    main(*sys.argv[1:])
