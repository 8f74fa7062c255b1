"""Speaks with what `ellav export` wrote, without torch or ellav: python speak_onnx.py FOLDER OUT.wav [PHONE ...]"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile

folder, out, *said = sys.argv[1:] if len(sys.argv) > 2 else sys.exit(__doc__)
model = json.loads(Path(folder, "model.json").read_text(encoding="utf-8"))
nar, prompt, conf, decoder = model["nar"], model["prompts"][0], model["ordering"]["conf"], model["decoder"]["conf"]
known = [conf.get(name) for name in ("global_advance", "silence", "phone_tokens")] == [True, "phone", True]
if not known or model["ordering"]["codebooks"] > 1 or nar["text"] != "aligned" or model["languages"]:
    sys.exit(f"{folder}: this example knows the ordering interleaved, as it is by default, and aligned text alone")
graphs = {name: onnxruntime.InferenceSession(Path(folder, f"{name}.onnx")) for name in ("ar", "nar", "codec")}
number = {phone: i for i, phone in enumerate(model["phones"])}
if not set(said) <= set(number):
    sys.exit(f"{' '.join(said)}: not all among the phones of this model: {' '.join(number)}")
heard, spoken = ([number[p] for p in phones] for phones in (prompt["phones"], said or model["prompts"][-1]["phones"]))
codes, sampled, advance = np.array(prompt["codes"]), np.array(model["sampled"]), conf["local_advance"]
bos, eop, first_code = (model["vocabulary"][name][0] for name in ("bos", "eop", "codes"))
is_code, rng, text = sampled >= first_code, np.random.default_rng(0), len(heard) + len(spoken) + 1
cache = np.zeros((0, *model["ar"]["cache"]), np.float32)


def fed(ids):
    """Logits of what may follow these rows, which stand behind those in the cache."""
    global cache
    rows = np.arange(len(cache), len(cache) + len(ids))
    sees = np.where((rows < text) & (model["ar"]["text_attention"] == "full"), text, rows + 1)
    given = {"ids": np.array(ids)[:, None], "positions": np.where(rows < text, rows, rows - text)}
    logits, entries = graphs["ar"].run(None, {**given, "sees": sees, "cache": cache})
    cache = np.concatenate([cache, entries])
    return logits[0].astype(float)


def drawn(logits, early):
    """One of the likeliest codes, or, unless it is too early, EOP, with the chance that the model gives it."""
    logits = np.where(is_code | (sampled == eop) & (not early), logits, -np.inf)
    chance = np.exp((logits - logits.max()) / decoder.get("temperature", 1))
    order, of_codes = np.argsort(-chance * is_code), chance[is_code].sum()
    kept = chance * is_code
    kept[order[1:][np.cumsum(kept[order])[:-1] >= decoder.get("top_p", 0.8) * of_codes]] = 0
    chance = np.where(is_code, kept * of_codes / kept.sum(), chance)
    return rng.choice(sampled, p=chance / chance.sum())


# The AR model reads all phones, BOS, then each phone of the prompt, its codes and EOP, which stands `advance` early.
*parts, opened = np.split(codes[:, 0] + first_code, np.maximum(np.cumsum(prompt["durations"]) - advance, 0))
rows = [row for phone, part in zip(heard, parts, strict=True) for row in (phone, *part, eop)]
logits, count = fed([*heard, *spoken, bos, *rows, spoken[0], *opened]), len(opened)
made, durations = [], prompt["durations"].copy()
for i, phone in enumerate(spoken):
    more, most, least = 0 if spoken[i + 1 :] else advance, model["most"][phone], model["least"][phone]
    while count - more < most and (chosen := drawn(logits, count - more < least)) != eop:
        made, count, logits = [*made, chosen - first_code], count + 1, fed([chosen])
    durations.append(count - more)
    if spoken[i + 1 :]:
        logits, count = fed([eop, spoken[i + 1]]), 0

# The NAR model adds one codebook after another behind the end of the prompt; the codec makes samples of them.
first = min(len(codes), nar["longest_prompt"])
whole = np.zeros((first + len(made), nar["codebooks"]), int)
whole[:first], whole[first:, 0] = codes[-first:, : nar["codebooks"]], made
lasts = np.diff(np.maximum(np.cumsum(durations), len(codes) - first), prepend=len(codes) - first)
given = {"phones": np.array(heard + spoken), "durations": lasts, "codes": whole, "prompt": np.array(first)}
for codebook in range(nar["known"], nar["codebooks"]):
    whole[first:, codebook] = graphs["nar"].run(None, {**given, "codebook": np.array(codebook)})[0][first:].argmax(-1)
soundfile.write(out, graphs["codec"].run(None, {"codes": whole[first:]})[0], model["sample_rate"])
print(f"{out}: {len(made) / model['frame_rate']:.2f} s of synthesized speech, without a watermark")
