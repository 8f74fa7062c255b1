#!/usr/bin/env bash
# AISHELL-1: people who speak Mandarin; a sample of it, or all.
# The facts of this corpus; everything else is in tts.sh (./run.sh --help).
# shellcheck disable=SC2034
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
corpus=aishell
corpus_options=(aishell train_subsets valid_utterances seen_utterances)
train_subsets=train
valid_readers=
valid_utterances=12
seen_utterances=20
test_least_seconds=3
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
    --text pinyin \
    --aligner trained \
    --max_rejected 0.15 \
    --train_config conf/train/aishell_sample.yaml \
    --score_args "--transcriber whisper --transcriber_conf language=zh --scorer_conf wer.normalizer=pinyin" \
    "${others[@]}"
