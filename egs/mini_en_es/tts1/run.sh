#!/usr/bin/env bash
# English and Spanish in one model, machine-made by eSpeak NG: a front end for each language, a token that names it.
# The facts of this corpus; everything else is in tts.sh (./run.sh --help).
[ -n "${BASH_VERSION:-}" ] || { echo "$0: needs bash; call it as 'bash $0'" >&2; exit 1; }
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/tts.sh" \
    --fs 16000 \
    --train_set train \
    --valid_set valid \
    --test_sets "test_en_en test_es_es test_en_es test_es_en test_unseen" \
    --text "en: g2p_en, es: espeak" \
    --aligner trained \
    --train_config conf/train/mini.yaml \
    --scorers "phone_error wer similarity stability rtf" \
    --score_args "--transcriber whisper --transcriber_conf language=auto" \
    "$@"
