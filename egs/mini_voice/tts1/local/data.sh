#!/usr/bin/env bash
# Stage 1: makes data/{train,valid,test} with flite.
# Options: --hours H (of training speech), --nj N, --seed S. Run from the recipe's folder.
set -euo pipefail

# shellcheck source=../path.sh
. ./path.sh
exec python local/voice.py "$@"
