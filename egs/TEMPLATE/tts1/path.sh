# Sourced by the recipes: puts the project's environment first, and makes it where it is missing.
# shellcheck shell=bash

ELLAV_ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../.." && pwd -P)
export ELLAV_ROOT
ELLAV_VENV=${ELLAV_VENV:-${ELLAV_ROOT}/tools/venv}
if [ -x "${ELLAV_VENV}/bin/ellav" ] && [ -x "${ELLAV_VENV}/bin/python" ]; then
    "${ELLAV_ROOT}/tools/relocate_env.sh" "${ELLAV_VENV}" || exit 1
else
    "${ELLAV_ROOT}/tools/setup_env.sh" || exit 1
fi
export PATH="${ELLAV_VENV}/bin:${ELLAV_ROOT}/tools/flite/bin:${ELLAV_ROOT}/tools/mfa/bin:${PATH}"

# One order of sorting for shell and Python, and nothing imported from elsewhere.
export LC_ALL=C.UTF-8 PYTHONUTF8=1 PYTHONNOUSERSITE=1
unset PYTHONPATH
