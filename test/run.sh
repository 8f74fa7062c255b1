#!/usr/bin/env bash
# Sets up, checks style and imports, runs the tests. Arguments go to pytest: test/run.sh test/unit -k wer
[ -n "${BASH_VERSION:-}" ] || { echo "$0: needs bash; call it as 'bash $0'" >&2; exit 1; }
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "${root}"
"${root}/tools/setup_env.sh"
# shellcheck source=../egs/TEMPLATE/tts1/path.sh
. "${root}/egs/TEMPLATE/tts1/path.sh"

# Pages are tested in a real browser. Where none can be had, their tests say so.
[ "${ELLAV_NO_BROWSER:-}" = 1 ] || tools/installers/install_chromium.sh || true
# Jobs are tested on a real Slurm of one node, by root. Likewise.
[ "${ELLAV_NO_SLURM:-}" = 1 ] || tools/installers/install_slurm.sh || true
# Words are tested by a real recogniser. Likewise.
[ "${ELLAV_NO_WHISPER:-}" = 1 ] || tools/installers/install_whisper.sh || true

# Several processes with several threads each would wait for one another most of the time.
export OMP_NUM_THREADS=1

if [ $# -gt 0 ]; then
    exec pytest "$@"
fi
echo "== ruff"
ruff format --check .
ruff check .
echo "== shellcheck"
mapfile -t scripts < <(find . .ci/run \( -path ./tools/venv -o -path ./tools/flite -o -path ./tools/mfa -o -path ./.git \) -prune -o \( -name '*.sh' -o -path .ci/run \) -type f -print | sort -u)
shellcheck "${scripts[@]}"
echo "== imports"
lint-imports
echo "== tests"
pytest -n 2 --dist worksteal --durations 10 -q
