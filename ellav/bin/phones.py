"""`ellav phones`: the phones of each utterance's text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ellav.bin.options import add_choice, parse, parser
from ellav.data.kaldi import read_table, write_table
from ellav.data.option_files import named_files
from ellav.data.outputs import need, writing
from ellav.data.parallel import parallel_map
from ellav.data.rejected import Rejected, attempt, keep_good
from ellav.errors import UserError
from ellav.plugins.text import Phones, text


def main(argv: list[str]) -> None:
    """Write the tables phones, words, word_of_phone and rejected."""
    made = parser("phones", "Stage 3: text to phones, with `sp` for silence.")
    made.add_argument("--data", type=Path, required=True, help="data folder, its `text` is read")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    add_choice(made, "text", "g2p_en", "text")
    made.add_argument("--nj", type=int, default=1, help="processes")
    made.add_argument("--max-rejected", type=float, default=0.05, help="largest share of utterances that may fail")
    options = parse(made, argv)
    need(options.data, "2 (format wavs)")
    front_end = text.create(options.text, options.text_conf)
    files = named_files(text.get(options.text), options.text_conf, f"text {options.text}")
    settings = {
        "text": text.record(options.text),
        "text_conf": options.text_conf,
        "phone_set": front_end.phone_set,
    }
    with writing(options.out, "3 (phones)", settings, [options.data, *files.values()]) as folder:
        if folder is None:
            return
        sentences = read_table(options.data / "text")
        if not sentences:
            raise UserError(f"{options.data}/text: no utterances")
        make = partial(converter, options.text, options.text_conf)
        results = parallel_map(
            make, list(sentences.values()), options.nj, f"phones {options.data.name}", options.plugin
        )
        found = keep_good(zip(sentences, results, strict=True), folder, options.max_rejected)
        write_table(folder / "phones", {utterance: phones.phones for utterance, phones in found.items()})
        write_table(folder / "words", {utterance: phones.words for utterance, phones in found.items()})
        write_table(folder / "word_of_phone", {utterance: phones.word_of_phone for utterance, phones in found.items()})
    print(f"{options.out}: {len(found)} utterances, {sum(len(p.phones) for p in found.values())} phones")


def converter(name: str, conf: dict) -> Callable[[str], Phones | Rejected]:
    """A function from a sentence to its phones, or to why it has none."""
    return partial(attempt, text.create(name, conf))
