#!/usr/bin/env bash
# Makes the Python environment of the project. It can be repeated: where nothing changed it ends at once.
[ -n "${BASH_VERSION:-}" ] || { echo "$0: needs bash; call it as 'bash $0'" >&2; exit 1; }
set -euo pipefail

help_message="Usage: tools/setup_env.sh [--torch cpu|cuda|present] [--force]

Makes a virtual environment with ellav and everything that the recipes and tests need,
in the versions of tools/constraints.txt.

  --torch cpu      torch without CUDA (default); about 0.6 GB to download
  --torch cuda     torch with CUDA; about 3 GB to download
  --torch present  the torch that the Python interpreter already has
  --force          install again even if nothing changed

Environment variables:
  ELLAV_VENV         where the environment goes (default: tools/venv)
  ELLAV_TORCH_INDEX  package index, or folder of wheels, to take torch from
                     (default: what pip is configured with)
  PYTHON             interpreter to use, 3.11 to 3.13 (default: the first that is found)"

say() { echo "setup_env.sh: $*"; }
die() { echo "setup_env.sh: $*" >&2; exit 1; }

torch=cpu
force=false
while [ $# -gt 0 ]; do
    case "$1" in
        -h|--help) printf '%s\n' "${help_message}"; exit 0 ;;
        --torch) [ $# -ge 2 ] || die "--torch needs a value: cpu, cuda or present"; torch=$2; shift 2 ;;
        --force) force=true; shift ;;
        *) die "unknown option '$1'; see --help" ;;
    esac
done
case "${torch}" in
    cpu|cuda|present) ;;
    *) die "--torch must be cpu, cuda or present, not '${torch}'" ;;
esac

# A PYTHONPATH or user packages from elsewhere would shadow what is installed here.
unset PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=${ELLAV_VENV:-${root}/tools/venv}
mkdir -p "$(dirname "${venv}")" || die "${venv}: cannot be made; set ELLAV_VENV to a folder of yours"
venv=$(cd "$(dirname "${venv}")" && pwd -P)/$(basename "${venv}")
extras=train,text,align,codec,score,whisper,corpus,encodec,dnsmos,quality,serve,demo,export,perth,dev
torch_version=$(sed -n 's/^torch==//p' "${root}/tools/constraints.txt")

flite() {
    # Only the embedded corpus needs it, so that a machine without it can still do the rest.
    local installer=${root}/tools/installers/install_flite.sh
    [ -f "${installer}" ] || return 0
    bash "${installer}" || say "no flite: stage 1 of egs/mini will not run, everything else will"
}

[ "${force}" = true ] || "${root}/tools/relocate_env.sh" "${venv}" || exit 1
stamp=${venv}/.ellav-setup
wanted=$({ cat "${root}/tools/constraints.txt" "${root}/setup.cfg"; \
    printf '%s\n' "${torch}" "${extras}" "${PYTHON:-}"; } | sha256sum | cut -d ' ' -f 1)
if [ "${force}" = false ] && [ -x "${venv}/bin/python" ] && [ "$(cat "${stamp}" 2> /dev/null)" = "${wanted}" ]; then
    flite
    say "${venv} is up to date"
    exit 0
fi

python_fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2> /dev/null; }

if [ -n "${PYTHON:-}" ]; then
    python_fits "${PYTHON}" || die "PYTHON=${PYTHON} is not a CPython 3.11 to 3.13 that runs"
    python=${PYTHON}
else
    python=
    for candidate in python3 python3.12 python3.11 python3.13 /usr/bin/python3; do
        if command -v "${candidate}" > /dev/null && python_fits "${candidate}"; then
            python=${candidate}
            break
        fi
    done
    [ -n "${python}" ] || die "no CPython 3.11 to 3.13 found (python3 is $(python3 --version 2>&1 || true)); \
install one and name it: PYTHON=/path/to/python3.12 $0"
fi
if [ "${torch}" = present ]; then
    "${python}" -c 'import torch' 2> /dev/null || die "--torch present: ${python} has no torch; name the one that has it with PYTHON="
fi
command -v g++ > /dev/null || die "no g++: pyworld, webrtcvad and pesq are compiled; install it first (Debian: apt-get install g++)"
include=$("${python}" -c 'import sysconfig; print(sysconfig.get_path("include"))')
[ -f "${include}/Python.h" ] || die "no ${include}/Python.h: pyworld, webrtcvad and pesq are compiled; \
install the headers of ${python} first (Debian: apt-get install python3-dev)"
[ -w "${root}" ] || die "${root} is not writable for $(id -un); clone the repository to a folder of yours"

if command -v flock > /dev/null; then
    exec 9> "${venv}.lock"
    flock -n 9 || { say "another setup_env.sh is at work on ${venv}; waiting"; flock 9; }
fi

case "${torch}" in
    cpu) size="about 0.6 GB to download, 2.3 GB on disk" ;;
    cuda) size="about 3 GB to download, 7 GB on disk" ;;
    present) size="about 0.4 GB to download, 1.3 GB on disk" ;;
esac
say "making ${venv} with $("${python}" --version) and torch: ${torch} (${size})"

rm -f "${stamp}"
system=()
[ "${torch}" != present ] || system=(--system-site-packages)
make_venv() {
    if command -v uv > /dev/null && uv venv --quiet --allow-existing --seed --python "${python}" "${system[@]}" "${venv}"; then
        return 0
    fi
    "${python}" -m venv "${system[@]}" "${venv}" > "${venv}.log" 2>&1 && return 0
    "${python}" -m virtualenv --quiet "${system[@]}" "${venv}" 2> /dev/null && return 0
    command -v virtualenv > /dev/null && virtualenv --quiet --python "${python}" "${system[@]}" "${venv}" && return 0
    cat "${venv}.log" >&2
    return 1
}
if [ "${force}" = true ] || ! { [ -f "${venv}/bin/activate" ] && python_fits "${venv}/bin/python"; }; then
    rm -rf "${venv}"
    make_venv || die "no virtual environment could be made; install uv, virtualenv, or Debian's python3-venv"
fi
rm -f "${venv}.log"
vpython=${venv}/bin/python

# The torch that is there stays: its full version goes on top of the constraints.
constraints=${venv}/constraints.txt
cp "${root}/tools/constraints.txt" "${constraints}"

install() {
    # uv does not read pip's configuration, so where it fails pip has the last word.
    if command -v uv > /dev/null && uv pip install --quiet --python "${vpython}" -c "${constraints}" "$@" 2> /dev/null; then
        return 0
    fi
    "${vpython}" -m pip install -qq --no-input -c "${constraints}" "$@"
}

source=()
if [ -d "${ELLAV_TORCH_INDEX:-}" ]; then
    source=(--find-links "${ELLAV_TORCH_INDEX}")
elif [ -n "${ELLAV_TORCH_INDEX:-}" ]; then
    source=(--extra-index-url "${ELLAV_TORCH_INDEX}")
fi
if [ "${torch}" = present ]; then
    torch_version=$("${vpython}" -c 'import torch; print(torch.__version__)')
elif [ "${torch}" = cpu ] && install "${source[@]}" "torch==${torch_version}+cpu" 2> "${venv}/torch.log"; then
    torch_version=${torch_version}+cpu
else
    if [ "${torch}" = cpu ]; then
        tail -n 1 "${venv}/torch.log" >&2
        say "no CPU-only torch ${torch_version} in reach; taking the usual one, which may bring 3 GB of CUDA packages." \
            "ELLAV_TORCH_INDEX can name the index that has torch==${torch_version}+cpu"
    fi
    install "${source[@]}" "torch==${torch_version}" || die "torch ${torch_version} could not be installed"
fi
sed -i "s/^torch==.*/torch==${torch_version}/" "${constraints}"

say "torch ${torch_version} is there; installing the rest"
install "setuptools==$(sed -n 's/^setuptools==//p' "${constraints}")" --config-settings editable_mode=compat -e "${root}[${extras}]" \
    || die "the packages could not be installed; see the lines above"
"${venv}/bin/ellav" --help > /dev/null || die "ellav was installed but does not start; see the lines above"
flite
printf '%s\n' "${wanted}" > "${stamp}"
say "done in ${SECONDS} s: ${venv}"
