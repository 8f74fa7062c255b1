#!/usr/bin/env bash
# mini_librispeech: five hours of people who read books, the smallest recipe of people's speech.
# The facts of this corpus; everything else is in tts.sh (./run.sh --help).
# shellcheck disable=SC2034
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
corpus=librispeech
corpus_options=(train_subsets valid_utterances seen_utterances)
train_subsets=train-clean-5
test_subsets=dev-clean-2
valid_readers=
valid_utterances=3
seen_utterances=3
most_targets=4
# shellcheck source=utils/corpus_options.sh
. "${here}/utils/corpus_options.sh"

tests=
if [ "${seen_utterances}" -gt 0 ]; then tests=test_seen; fi
if [ -n "${held_out_readers:-}" ]; then tests="${tests} test_unseen"; fi

exec "${here}/tts.sh" \
    --fs 16000 \
    --train_set train \
    --valid_set valid \
    --test_sets "$(corpus_tests "${tests}")" \
    --local_data_opts "$(corpus_words)" \
    --least_score -7 \
    --max_rejected 0.1 \
    --codec rvq_conv \
    --train_config conf/train/mini_librispeech.yaml \
    --score_args "--transcriber whisper --scorer_conf wer.normalizer=whisper" \
    "${others[@]}"
