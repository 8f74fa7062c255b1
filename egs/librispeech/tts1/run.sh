#!/usr/bin/env bash
# LibriSpeech or LibriTTS: people who read books. ELLA-V's own setting.
# The facts of this corpus; everything else is in tts.sh (./run.sh --help).
# shellcheck disable=SC2034
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
corpus=librispeech
corpus_options=(train_subsets valid_utterances seen_utterances)
train_subsets="train-clean-100 train-clean-360 train-other-500"
# shellcheck source=utils/corpus_options.sh
. "${here}/utils/corpus_options.sh"

# Readers seen and unseen of the training subsets where readers are held out, otherwise the papers' test-clean.
tests=
if [ -n "${held_out_readers:-}" ]; then
    tests=test_unseen
    seen_utterances=${seen_utterances:-5}
elif [ -z "${test_subsets:-}" ]; then
    test_subsets=test-clean
fi
if [ "${seen_utterances:-0}" -gt 0 ]; then tests="test_seen ${tests}"; fi

exec "${here}/tts.sh" \
    --fs 16000 \
    --train_set train \
    --valid_set valid \
    --test_sets "$(corpus_tests "${tests}")" \
    --local_data_opts "$(corpus_words)" \
    --least_score -7 \
    --max_rejected 0.1 \
    --codec rvq_conv \
    --train_config conf/train/paper.yaml \
    --score_args "--transcriber whisper --scorer_conf wer.normalizer=whisper" \
    "${others[@]}"
