#!/usr/bin/env bash
# Stage 1: LibriSpeech's or LibriTTS's folders to DIR/SET. `ellav corpus librispeech --help` lists the options.
set -euo pipefail

# shellcheck source=../path.sh
. ./path.sh
# shellcheck source=../db.sh
. ./db.sh
case "${LIBRISPEECH}" in
    "") where=() ;;
    downloads) where=(--librispeech downloads --download true) ;;
    *) where=(--librispeech "${LIBRISPEECH}") ;;
esac
exec ellav corpus librispeech "${where[@]}" "$@"
