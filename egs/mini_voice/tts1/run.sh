#!/usr/bin/env bash
# The model mini, which comes with ellav, finetuned on ten minutes of one voice that it has never heard (machine-made).
# The facts of this corpus; everything else is in tts.sh (./run.sh --help).
[ -n "${BASH_VERSION:-}" ] || { echo "$0: needs bash; call it as 'bash $0'" >&2; exit 1; }
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/tts.sh" \
    --fs 16000 \
    --train_set train \
    --valid_set valid \
    --test_sets test \
    --finetune ellav/pretrained/mini \
    --adapt-codec true \
    --train_config conf/train/finetune.yaml \
    "$@"
