#!/usr/bin/env bash
# All that a GPU has to show, in one go of under 8 minutes: the tests that need one, then speed of decoding (with and
# without CUDA graphs) and of training. Tables and a log go to $OUT, ./gpu_results if unset.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
out=${OUT:-gpu_results}
mkdir -p "${out}"
out=$(cd "${out}" && pwd -P)
cd "${root}"
if [ "${1:-}" != --here ]; then # --here: whatever python and ellav come first, such as a machine's own
    # shellcheck source=../../egs/TEMPLATE/tts1/path.sh
    . "${root}/egs/TEMPLATE/tts1/path.sh"
fi
failed=0

run() { # NAME SECONDS COMMAND...: what it says goes to NAME.txt; what fails does not keep the rest from running
    local name=$1 seconds=$2
    shift 2
    echo "== ${name}"
    timeout "${seconds}" "$@" 2>&1 | tee "${out}/${name}.txt" || failed=1
}

run machine 30 python -c 'import torch; print(torch.__version__, torch.cuda.get_device_name(), torch.cuda.get_device_capability())'
run tests 120 python -m pytest -q -n 0 -p no:cacheprovider test/unit/gpu_checks.py
for dtype in bfloat16 float32; do
    run "decode_mini_${dtype}" 45 python -m ellav.bin.main bench decode --preset mini --device cuda --dtype "${dtype}" \
        --batch 1 32 --seconds 4
done
run decode_paper_bfloat16 90 python -m ellav.bin.main bench decode --preset paper --device cuda --dtype bfloat16 \
    --batch 1 32 --seconds 4 --repeats 1
for preset in mini paper; do
    run "train_${preset}" 60 python -m ellav.bin.main bench train --preset "${preset}" --device cuda --steps 10
done
exit "${failed}"
