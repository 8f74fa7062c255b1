#!/usr/bin/env bash
# Stage 1: AISHELL-1's folders to DIR/SET. `ellav corpus aishell --help` lists the options.
set -euo pipefail

# shellcheck source=../path.sh
. ./path.sh
# shellcheck source=../db.sh
. ./db.sh
case "${AISHELL}" in
    "") where=() ;;
    downloads) where=(--aishell downloads --download true) ;;
    *) where=(--aishell "${AISHELL}") ;;
esac
exec ellav corpus aishell "${where[@]}" "$@"
