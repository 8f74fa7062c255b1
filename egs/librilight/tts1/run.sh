#!/usr/bin/env bash
# Libri-Light: up to 60,000 hours of people who read books, with Libriheavy's transcripts or a recogniser's.
# The facts of this corpus; everything else is in tts.sh (./run.sh --help).
# shellcheck disable=SC2034
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
corpus=librilight
corpus_options=(
    librilight subsets transcripts libriheavy most_disagreement transcriber transcriber_conf least_confidence
    most_pause margin
)
held_out_readers=random:8
# shellcheck source=utils/corpus_options.sh
. "${here}/utils/corpus_options.sh"

# Readers never heard, and what --test-subsets names of LibriSpeech (its readers are not trained on).
tests=
if [ -n "${held_out_readers}" ]; then tests=test_unseen; fi

exec "${here}/tts.sh" \
    --fs 16000 \
    --train_set train \
    --valid_set valid \
    --test_sets "$(corpus_tests "${tests}")" \
    --local_data_opts "$(corpus_words)" \
    --least_score -7 \
    --max_rejected 0.2 \
    --codec rvq_conv \
    --train_config conf/train/paper.yaml \
    --score_args "--transcriber whisper --scorer_conf wer.normalizer=whisper" \
    "${others[@]}"
