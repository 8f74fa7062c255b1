#!/usr/bin/env bash
# Stage 1: mini_librispeech's folders to DIR/SET. `ellav corpus librispeech --help` lists the options.
set -euo pipefail

# shellcheck source=../path.sh
. ./path.sh
# shellcheck source=../db.sh
. ./db.sh
case "${MINI_LIBRISPEECH}" in
    "") where=() ;;
    downloads) where=(--librispeech downloads --download true) ;;
    *) where=(--librispeech "${MINI_LIBRISPEECH}") ;;
esac
exec ellav corpus librispeech "${where[@]}" "$@"
