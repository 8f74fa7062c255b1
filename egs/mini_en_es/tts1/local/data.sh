#!/usr/bin/env bash
# Stage 1: makes data/{train,valid,test_seen,test_unseen} with eSpeak NG, and of test_seen data/test_PROMPT_TEXT.
# Options: --hours H (of training speech), --nj N, --seed S. Run from the recipe's folder.
set -euo pipefail

# shellcheck source=../path.sh
. ./path.sh
exec python local/corpus.py "$@"
