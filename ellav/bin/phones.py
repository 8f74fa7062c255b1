"""`ellav phones`: the phones of each utterance's text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ellav.bin.options import add_choice, add_jobs, parse, parser
from ellav.data.kaldi import read_table, write_table
from ellav.data.option_files import named_files
from ellav.data.outputs import need, writing
from ellav.data.parallel import parallel_map
from ellav.data.rejected import Rejected, attempt, keep_good
from ellav.data.shards import parts_of
from ellav.errors import UserError
from ellav.plugins.text import Phones, TextFrontEnd, text


def main(argv: list[str]) -> None:
    """Write the tables phones, words, word_of_phone and rejected."""
    made = parser("phones", "Stage 3: text to phones, with `sp` for silence.")
    made.add_argument("--data", type=Path, required=True, help="data folder, its `text` is read")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    add_choice(made, "text", "g2p_en", "text")
    add_jobs(made)
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
    for part in parts_of(options.data, options.out, options.shard):
        speak(options.data / part, options.out / part, front_end, settings, list(files.values()), options)


def speak(data: Path, out: Path, front_end: TextFrontEnd, settings: dict, files: list[Path], options) -> None:
    """One shard of a set, or the whole of one that is not cut. files: that the phones depend on."""
    with writing(out, "3 (phones)", settings, [data, *files]) as folder:
        if folder is None:
            return
        sentences = read_table(data / "text")
        if not sentences:
            raise UserError(f"{data}/text: no utterances")
        make = partial(converter, options.text, options.text_conf)
        spoken = in_languages(front_end, data, sentences)
        results = parallel_map(make, spoken, options.nj, f"phones {options.data.name}", options.plugin)
        found = keep_good(zip(sentences, results, strict=True), folder, options.max_rejected)
        write_table(folder / "phones", {utterance: phones.phones for utterance, phones in found.items()})
        write_table(folder / "words", {utterance: phones.words for utterance, phones in found.items()})
        write_table(folder / "word_of_phone", {utterance: phones.word_of_phone for utterance, phones in found.items()})
    print(f"{out}: {len(found)} utterances, {sum(len(p.phones) for p in found.values())} phones")


class Sentence(NamedTuple):
    """What is said. language: where the front end knows several."""

    text: str
    language: str | None


def in_languages(front_end: TextFrontEnd, data: Path, sentences: dict[str, str]) -> list[Sentence]:
    """The sentences with the languages that `utt2lang` names, where the front end knows several.

    Raises UserError naming the line of a language for which there is no front end, or the utterance without one.
    """
    if not hasattr(front_end, "in_language"):
        return [Sentence(said, None) for said in sentences.values()]
    path = data / "utt2lang"
    if not path.exists():
        raise UserError(
            f"{path}: no such file; --text names a front end for each language, so it must say which is which"
        )
    table = read_table(path)
    for number, (utterance, language) in enumerate(table.items(), 1):
        if language not in front_end.languages:
            raise UserError(
                f"{path}:{number}: {utterance!r} is in {language!r}, for which --text names no front end; it names"
                f" {', '.join(front_end.languages)}"
            )
    lacking = next((utterance for utterance in sentences if utterance not in table), None)
    if lacking is not None:
        raise UserError(f"{path}: {lacking!r} has no language there; add a line `{lacking} LANGUAGE`")
    return [Sentence(said, table[utterance]) for utterance, said in sentences.items()]


def converter(name: str, conf: dict) -> Callable[[Sentence], Phones | Rejected]:
    """A function from a sentence to its phones, or to why it has none."""
    front_end = text.create(name, conf)

    def convert(sentence: Sentence) -> Phones:
        if sentence.language is None:
            return front_end(sentence.text)
        return front_end.in_language(sentence.text, sentence.language)

    return partial(attempt, convert)
