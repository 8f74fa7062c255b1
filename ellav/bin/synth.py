"""`ellav synth`: speak a text in the voice of a prompt."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ellav.bin.options import add_choice, parse, parser
from ellav.errors import UserError


def main(argv: list[str]) -> None:
    """Parse options and speak."""
    made = parser("synth", "Speak a text in the voice of a prompt, with a model made by `ellav pack`.")
    made.add_argument("--model", type=Path, required=True, help="packed model")
    made.add_argument("--text", help="what to say; read from standard input if left out")
    made.add_argument("--prompt", type=Path, required=True, help="recording of the voice, about 3 seconds")
    made.add_argument("--prompt_text", required=True, help="what the recording says")
    made.add_argument("--out", type=Path, required=True, help="wav or flac file to write")
    made.add_argument("--textgrid", type=Path, help="write the times of phones and words here")
    made.add_argument("--seed", type=int, default=0, help="another seed gives another reading")
    made.add_argument("--device", default=None, help="cpu or cuda; a GPU is used where there is one")
    add_choice(made, "decoder", None, "decoders (the packed one if left out)")
    options = parse(made, argv)

    text = options.text if options.text is not None else sys.stdin.read()
    if options.decoder is None and options.decoder_conf:
        raise UserError("--decoder_conf needs --decoder NAME beside it")
    for path in (options.out, options.textgrid):
        if path is not None and not path.parent.is_dir():
            raise UserError(f"{path}: its folder does not exist")
    if options.out.suffix.lower() not in (".wav", ".flac"):
        raise UserError(f"{options.out}: must end in .wav or .flac")

    from ellav.data.audio import write_wav
    from ellav.infer.synthesizer import Synthesizer
    from ellav.infer.textgrid import write_textgrid

    voice = Synthesizer(options.model, options.decoder, options.decoder_conf, options.device)
    began = time.perf_counter()
    speech = voice(text, options.prompt, options.prompt_text, options.seed)
    seconds = time.perf_counter() - began
    write_wav(options.out, speech.wav, speech.sample_rate)
    if options.textgrid:
        if speech.durations is None:
            raise UserError("--textgrid: this model's ordering keeps no phone times")
        write_textgrid(
            options.textgrid,
            speech.phones,
            speech.word_of_phone,
            speech.durations,
            speech.frame_rate,
            speech.words,
        )
    length = len(speech.wav) / speech.sample_rate
    print(f"{options.out}: {length:.2f} s of speech in {seconds:.2f} s")
