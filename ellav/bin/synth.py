"""`ellav synth`: speak a text in the voice of a prompt."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from ellav import machine
from ellav.bin.options import add_choice, add_nar_temperature, add_quantize, parse, parser
from ellav.bin.synth_files import check_files, check_stream
from ellav.errors import UserError
from ellav.infer.bundle import Bundle, prompt_seconds, read_bundle
from ellav.text_files import decoded

OUT = Path("speech.wav")


def main(argv: list[str]) -> None:
    """Parse options and speak."""
    began = time.perf_counter()
    made = parser("synth", "Speak a text in the voice of a prompt.")
    made.add_argument(
        "--model", type=Path, help="model made by `ellav pack`; the one that comes with ellav if left out"
    )
    made.add_argument("--text", help="what to say; read from standard input if left out")
    made.add_argument("--prompt", help="recording of the voice, about 3 s, or NAME of a built-in prompt")
    made.add_argument(
        "--prompt_text", help="what the recording says (a built-in prompt knows it); `auto` recognises it"
    )
    made.add_argument("--list_prompts", action="store_true", help="list the model's built-in prompts and end")
    made.add_argument("--out", type=Path, help=f"wav or flac file to write; {OUT} if left out")
    made.add_argument(
        "--stream",
        metavar="FILE",
        help="instead of --out: write samples as they are made, without a header, into a file or a named pipe, or - for"
        " standard output",
    )
    made.add_argument("--textgrid", type=Path, help="write the times of phones and words here")
    made.add_argument("--seed", type=int, default=0, help="another seed gives another reading")
    made.add_argument("--device", default=None, help="cpu or cuda; a GPU is used where there is one")
    add_quantize(made)
    add_nar_temperature(made, None)
    add_choice(made, "decoder", None, "decoders (the packed one if left out)")
    add_choice(made, "transcriber", "pocketsphinx", "transcribers, for --prompt_text auto")
    options = parse(made, argv)

    bundle = read_bundle(options.model)
    if options.list_prompts:
        list_prompts(bundle)
        return
    if options.decoder is None and options.decoder_conf:
        raise UserError("--decoder_conf needs --decoder NAME beside it")
    check_prompt(bundle, options.prompt, options.prompt_text)
    if options.stream is not None:
        check_stream(options.stream, options.out, options.textgrid, options.prompt)
    else:
        options.out = options.out or OUT
        check_files(options.out, options.textgrid, options.prompt)
    # What is streamed may begin before all of the text is there.
    as_it_comes = options.stream is not None and options.text is None and not sys.stdin.isatty()
    text = None if as_it_comes else read_text(options.text)
    limit_threads()

    from ellav.data.audio import write_wav
    from ellav.infer.synthesizer import Synthesizer

    voice = Synthesizer(
        options.model,
        options.decoder,
        options.decoder_conf,
        options.device,
        options.transcriber,
        options.transcriber_conf,
        options.quantize,
        options.nar_temperature,
    )
    ready = time.perf_counter()
    if options.stream is not None:
        from ellav.bin.synth_stream import stream, text_in_pieces

        stream(voice, text_in_pieces() if as_it_comes else text, options, ready)
        return
    speech = voice(text, options.prompt, options.prompt_text, options.seed)
    for remark in speech.remarks:
        print(f"ellav synth: {remark}", file=sys.stderr)
    write_wav(options.out, speech.wav, speech.sample_rate)
    if options.textgrid and speech.durations is None:
        raise UserError(f"--textgrid: this model's ordering keeps no phone times ({options.out} is written)")
    if options.textgrid:
        write_times(options.textgrid, speech)
    length, seconds = len(speech.wav) / speech.sample_rate, time.perf_counter() - ready
    parts = f" in {len(speech.chunks)} parts" if len(speech.chunks) > 1 else ""
    print(
        f"{options.out}: {length:.2f} s of speech{parts} in {seconds:.2f} s (after {ready - began:.1f} s to load),"
        f" voice {speech.prompt or options.prompt}, model {bundle.folder}"
    )


def list_prompts(bundle: Bundle) -> None:
    """Print name, seconds and words of each built-in prompt, the default first."""
    if not bundle.prompts:
        raise UserError(f"{bundle.folder}: this model has no prompts of its own")
    for number, prompt in enumerate(bundle.prompts.values()):
        print(f"{prompt.name}  {prompt_seconds(prompt):.1f} s  {prompt.text}{'' if number else '  (default)'}")


def check_prompt(bundle: Bundle, prompt: str | None, text: str | None) -> None:
    """Refuse, before anything heavy is loaded, a prompt that cannot be used."""
    if prompt is None and text is not None:
        raise UserError("--prompt_text without --prompt: name the recording that says it")
    if text is not None and not text.strip():
        raise UserError("--prompt_text is empty; give the words that the recording says")
    if prompt is None or (text is None and prompt in bundle.prompts):
        bundle.prompt(prompt)
    elif text is not None and prompt in bundle.prompts and not Path(prompt).exists():
        raise UserError(f"--prompt {prompt}: a built-in prompt knows its words; leave out --prompt_text")
    elif not Path(prompt).exists():
        built_in = f", and none of the built-in prompts ({', '.join(bundle.prompts)})" if bundle.prompts else ""
        raise UserError(f"--prompt {prompt}: no such file{built_in}")
    elif text is None:
        raise UserError(f"--prompt {prompt}: needs its transcript; give its words with --prompt_text, or `auto`")


def read_text(given: str | None) -> str:
    """What to say, from the option or from standard input; raises UserError where it is empty."""
    if given is None and sys.stdin.isatty():
        raise UserError('nothing to say; give --text "..." or a file: ellav synth < speech.txt')
    # Python's own decoding lets through what is not UTF-8, as surrogates.
    text = decoded(sys.stdin.buffer.read(), "standard input", "FILE") if given is None else given
    if not text.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in text):
        text = decoded(os.fsencode(text), "--text", "FILE")
    if not text.strip():
        raise UserError("the text is empty; give at least one word with --text")
    return text


def limit_threads(granted: machine.Cores | None = None) -> None:
    """Before torch loads: as many threads as a cgroup's quota grants, which torch itself does not look at."""
    granted = granted or machine.cores()
    if granted.granted < granted.affinity:
        os.environ.setdefault("OMP_NUM_THREADS", str(granted.granted))


def write_times(path: Path, speech) -> None:
    """A TextGrid of phones and words."""
    from ellav.infer.textgrid import write_textgrid

    write_textgrid(path, speech.phones, speech.word_of_phone, speech.durations, speech.frame_rate, speech.words)
