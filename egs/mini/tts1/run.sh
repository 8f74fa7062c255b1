#!/usr/bin/env bash
# The embedded default: machine-made speech, so that the whole pipeline runs anywhere.
# The facts of this corpus; everything else is in tts.sh (./run.sh --help).
[ -n "${BASH_VERSION:-}" ] || { echo "$0: needs bash; call it as 'bash $0'" >&2; exit 1; }
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/tts.sh" \
    --fs 16000 \
    --train_set train \
    --valid_set valid \
    --test_sets "test_seen test_unseen" \
    --train_config conf/train/mini.yaml \
    "$@"
