#!/usr/bin/env bash
# Stage 1: Libri-Light's folders to DIR/SET. `ellav corpus librilight --help` lists the options.
set -euo pipefail

# shellcheck source=../path.sh
. ./path.sh
# shellcheck source=../db.sh
. ./db.sh
where=()
[ -z "${LIBRISPEECH}" ] || where+=(--librispeech "${LIBRISPEECH}")
[ -z "${LIBRIHEAVY}" ] || where+=(--libriheavy "${LIBRIHEAVY}")
case "${LIBRILIGHT}" in
    "") ;;
    downloads) where+=(--librilight downloads --download true) ;;
    *) where+=(--librilight "${LIBRILIGHT}") ;;
esac
exec ellav corpus librilight "${where[@]}" "$@"
