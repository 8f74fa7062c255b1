#!/usr/bin/env bash
# Notices that a clone was moved or copied: its environment then names the old place and would run the old code.
set -euo pipefail

help_message="Usage: tools/relocate_env.sh VENV

Ends at once where the environment VENV runs the code of this clone. Where it came along with a clone that
was moved or copied, its paths are mended. An environment outside of this clone is left as it is,
and what is wrong is said. The recipes and tools/setup_env.sh call this."

die() { echo "relocate_env.sh: $*" >&2; exit 1; }

case "${1:-}" in
    -h|--help) printf '%s\n' "${help_message}"; exit 0 ;;
    "") printf '%s\n' "${help_message}" >&2; exit 2 ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Without its Python it is made anew by setup_env.sh.
[ -x "$1/bin/ellav" ] && [ -x "$1/bin/python" ] || exit 0
venv=$(cd "$1" && pwd -P)

# look: where the environment was made (${made_in}), and the clone whose code it runs (${runs}).
look() {
    local first second links
    { read -r first && read -r second; } < "${venv}/bin/ellav" || true
    script=${first#"#!"}
    made_in=${script}
    if [ "${script}" = /bin/sh ]; then # an interpreter that is long or has spaces: '''exec' "PATH" "$0" "$@"
        made_in=${second#"'''exec' "}
        if [[ ${made_in} == \"* ]]; then made_in=${made_in#\"}; made_in=${made_in%%\"*}; else made_in=${made_in%% *}; fi
    fi
    made_in=${made_in%/bin/*}
    links=("${venv}"/lib/python3*/site-packages/__editable__.ellav-*.pth)
    link=${links[0]}
    runs=
    if [ -e "${link}" ]; then read -r runs < "${link}" || true; fi
    [[ ${runs} == /* ]] || runs=${root} # installed otherwise than by setup_env.sh: not ours to judge
}
fits() { look && [ "${made_in}" -ef "${venv}" ] && [ "${runs}" -ef "${root}" ]; }

if fits; then exit 0; fi
if [[ ${venv} != "${root}"/* ]]; then
    die "${venv} runs the code of ${runs}, not of ${root}; unset ELLAV_VENV, let it name a folder for this clone," \
        "or give that one up to this clone with tools/setup_env.sh --force"
fi
[ -w "${venv}/bin" ] || die "${venv} names ${made_in}, from where it was moved or copied, and is not writable for $(id -un)"
if command -v flock > /dev/null; then
    exec 9> "${venv}.lock"
    flock 9
    if fits; then exit 0; fi
fi
if [ "${script}" != /bin/sh ] && { [[ ${venv} == *[[:space:]]* ]] || [ ${#venv} -gt 100 ]; }; then
    die "${venv} was made in ${made_in}; its scripts cannot name a place so long or with spaces: tools/setup_env.sh --force" \
        "makes it anew"
fi

# renamed OLD NEW FILE: every OLD in the file becomes NEW; the file is replaced, for a copy may share it with the original.
renamed() {
    local old new
    old=$(printf '%s' "$1" | sed 's/[][\\.*^$|]/\\&/g')
    new=$(printf '%s' "$2" | sed 's/[\\&|]/\\&/g')
    sed -i "s|${old}|${new}|g" "$3"
}
if ! [ "${runs}" -ef "${root}" ]; then
    printf '%s\n' "${root}" > "${link}.tmp"
    mv "${link}.tmp" "${link}"
    for record in "${link%/*}"/ellav-*.dist-info/direct_url.json; do
        [ ! -e "${record}" ] || renamed "${runs}" "${root}" "${record}"
    done
fi
# The script that tells the old place comes last: where this is killed, the next one finds it.
while IFS= read -r file; do
    [ "${file}" = "${venv}/bin/ellav" ] || renamed "${made_in}" "${venv}" "${file}"
done < <(grep -rlIF -- "${made_in}" "${venv}/bin" "${venv}/pyvenv.cfg")
renamed "${made_in}" "${venv}" "${venv}/bin/ellav"
echo "relocate_env.sh: this clone was moved or copied from ${runs}; its environment runs its own code now" >&2
