#!/usr/bin/env bash
# local/pack_libri.sh FOLDER: packs exp/interleaved as the model `libri` that comes with ellav, with a prompt of each of
# four readers whom nothing was trained on. RESULTS.md says how exp was made.
set -euo pipefail

out=${1:?local/pack_libri.sh FOLDER}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=../path.sh
. ./path.sh
prompts=()
while IFS='|' read -r utterance says; do
    prompts+=(--prompt "dump/raw/test_unseen/wav/${utterance}.flac" --prompt-text "${says}")
done << 'EOF'
2412-153954-0002|The streets were narrow and unpaved, but very fairly clean.
777-126732-0053|He stood still in the middle of the parlour, and looked into the kitchen in silence.
84-121123-0027|I only wish to be alone. You will excuse me, will you not?
2902-9006-0006|But if the emperors had become Christian, the empire had not.
EOF
ellav pack --config exp/text/text.yaml --config exp/aligner/aligner.yaml \
    --ar exp/interleaved/ar --nar exp/interleaved/nar --codec exp/codec --tokens dump/tokens/list \
    --dtype int8 --nar-temperature 0.25 --match-voice 1 --best-of 4 --card local/card_libri.md "${prompts[@]}" --out "${out}"
