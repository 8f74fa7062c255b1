"""`ellav corpus NAME`: stage 1 of the recipes of people's speech, from a corpus's own layout to data folders."""

from __future__ import annotations

from ellav.bin.corpus_aishell import aishell
from ellav.bin.corpus_librilight import librilight
from ellav.bin.corpus_librispeech import librispeech
from ellav.errors import UserError


def main(argv: list[str]) -> None:
    """Run `ellav corpus NAME ...`."""
    corpora = {"librispeech": librispeech, "librilight": librilight, "aishell": aishell}
    if argv and argv[0] in corpora:
        return corpora[argv[0]](argv[1:])
    if argv and argv[0] in ("-h", "--help"):
        print(f"usage: ellav corpus {'|'.join(corpora)} [options]     (ellav corpus librispeech --help shows them)")
        return None
    raise UserError(f"expected one of {', '.join(corpora)}, as in `ellav corpus librispeech --librispeech DIR`")
