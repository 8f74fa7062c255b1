"""How many lines of test/unit/english_readings.tsv each normalizer reads right, and how long it takes.

    python test/bench/normalizers.py [ellav] [nemo]

`nemo` needs the extra of that name. Printed: the share and CPU milliseconds a line, then what is wrong.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from english_readings import rows, wrong

from ellav.plugins.text.english import spoken
from ellav.plugins.text.nemo import Nemo


def main(names: list[str]) -> None:
    lines = rows()
    of_kind = Counter(kind for kind, _, _ in lines)
    kinds = {written: kind for kind, written, _ in lines}
    readings = {written: accepted for _, written, accepted in lines}
    for name in names:
        nemo = Nemo("en") if name == "nemo" else None
        read = (lambda text, nemo=nemo: spoken(nemo(text))) if nemo else spoken
        read("5 words of Mr. A to warm up.")
        began = time.process_time()
        found = wrong(read, readings)
        milliseconds = (time.process_time() - began) * 1000 / len(readings)
        right = len(readings) - len(found)
        print(f"{name}: {right} of {len(readings)} right ({right / len(readings):.1%}), {milliseconds:.1f} ms a line")
        for kind, count in Counter(kinds[written] for written in found).most_common():
            print(f"  {kind}: {count} of {of_kind[kind]} wrong")
        for written, said in found.items():
            print(f"    {written!r} -> {said}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["ellav"])
