#!/usr/bin/env bash
# Tries a clean clone on another release of Debian: set-up, then tests, as an ordinary user in a root of its own.
set -euo pipefail

help_message="Usage: test/debian.sh [--suite NAME] [--mirror URL] [--root DIR] [--keep] [ARGUMENT ...]

Makes a root folder with debootstrap, clones into it what is committed here, runs test/run.sh there as an
ordinary user (which sets up first), and removes the root. Needs to be root itself. Ends as the tests do.

  --suite NAME   release of Debian (trixie)
  --mirror URL   archive to take it from (the first of Debian's that apt uses here)
  --root DIR     where the root goes: 4 GB, with a torch for CUDA 10 GB (/var/tmp/ellav-debian-NAME)
  --keep         leave the root there; the next run goes on with it
  ARGUMENT ...   of test/run.sh (-n 2 test/unit test/recipes/test_smoke.py)

pip in there is configured as it is here: by the system's files and yours, by the variables PIP_*, *_proxy and those
of certificates, and with the files and folders that they name, which can only be read there."

die() { echo "debian.sh: $*" >&2; exit 1; }

suite=trixie
mirror=
root=
keep=false
while [ $# -gt 0 ]; do
    case "$1" in
        -h|--help) printf '%s\n' "${help_message}"; exit 0 ;;
        --suite|--mirror|--root)
            [ $# -ge 2 ] || die "$1 needs a value; see --help"
            printf -v "${1#--}" '%s' "$2"
            shift 2
            ;;
        --keep) keep=true; shift ;;
        --*) die "unknown option '$1'; see --help" ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || set -- -n 2 test/unit test/recipes/test_smoke.py
root=${root:-/var/tmp/ellav-debian-${suite}}
[[ ${root} == /?* ]] || die "--root must be a whole path, not '${root}'"
# Only a folder of this script's making is used, and removed.
marker=${root}/.ellav-debian
if [ -e "${root}" ] && ! [ -e "${marker}" ]; then
    die "${root} is there and was not made by this script; name another place with --root"
fi
[ "$(id -u)" -eq 0 ] || die "must be run as root, which debootstrap, mount and chroot need"
for program in debootstrap unshare git; do
    command -v "${program}" > /dev/null || die "no ${program}; install it first: apt-get install debootstrap util-linux git"
done
if [ -z "${mirror}" ]; then
    mirror=$(apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 'Label: Debian' | sed -n 1p)
    [ -n "${mirror}" ] || die "apt here uses no archive of Debian; name one with --mirror"
fi
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
user=tester
home=/home/${user}
clone=${root}${home}/ellav

[ "${keep}" = true ] || trap 'rm -rf "${root}"' EXIT

if [ "$(cat "${marker}" 2> /dev/null)" != "${suite}" ]; then
    rm -rf "${root}"
    mkdir -p "${root}"
    touch "${marker}"
    echo "debian.sh: making ${root} with Debian's ${suite}"
    # debootstrap mounts things, which go with the namespace however it ends.
    unshare --mount debootstrap --variant=minbase --include=ca-certificates,g++,git,python3,python3-dev,python3-venv \
        "${suite}" "${root}" "${mirror}" > "${root}.log" 2>&1 \
        || { tail -n 5 "${root}.log" >&2; die "debootstrap failed; its whole log is ${root}.log"; }
    rm -f "${root}.log"
    apt-config dump Acquire::http Acquire::https > "${root}/etc/apt/apt.conf.d/90host"
    chroot "${root}" useradd --create-home --shell /bin/bash "${user}"
    printf '%s\n' "${suite}" > "${marker}"
fi

# What is committed, as a clone of it: nothing built here comes along.
git init --quiet "${clone}"
as_root=(git -c "safe.directory=*" -C "${clone}")
"${as_root[@]}" fetch --quiet --depth 1 "file://${project}" HEAD
"${as_root[@]}" checkout --quiet --force --detach FETCH_HEAD

# What pip goes by: files of configuration, variables, and the files and folders that these name.
read_by_pip=(/etc/pip.conf /etc/xdg/pip/pip.conf "${HOME}/.config/pip/pip.conf" "${HOME}/.pip/pip.conf" "${PIP_CONFIG_FILE:-}")
configs=()
for file in "${read_by_pip[@]}"; do
    [ ! -f "${file}" ] || configs+=("${file}")
done
environment=()
for name in $(compgen -e | grep -E '^(PIP_|UV_|SSL_CERT_|REQUESTS_CA_BUNDLE$|CURL_CA_BUNDLE$|ELLAV_TORCH_INDEX$)|_(proxy|PROXY)$'); do
    environment+=("${name}=${!name}")
done
mapfile -t places < <({ cat /dev/null "${configs[@]}"; printf '%s\n' "${environment[@]}"; } \
    | grep -oE '(^|[ =,]|file://)/[^ ,:;"]+' | sed -E 's,^[ =],,' | sort -u)
# An index that is a folder links to its neighbours.
for number in "${!places[@]}"; do
    place=${places[number]}
    if [[ ${place} == file:///*/*/* ]]; then place=$(dirname "${place}"); fi
    places[number]=${place#file://}
done
for file in "${configs[@]}"; do
    if [[ ${file} == "${HOME}"/* ]]; then
        install -D --mode 644 "${file}" "${root}${home}/${file#"${HOME}"/}"
    else
        places+=("${file}")
    fi
done
chroot "${root}" chown -R "${user}:" "${home}"

# inside ROOT PLACE ... -- COMMAND ...: the command in the root, with these places of the machine to read.
inside() {
    local root=$1 place
    shift
    mount -t proc proc "${root}/proc"
    mount --rbind /dev "${root}/dev"
    while [ "$1" != -- ]; do
        place=$1
        shift
        [ -e "${place}" ] || continue
        if [ -d "${place}" ]; then
            mkdir -p "${root}${place}"
        elif ! [ -e "${root}${place}" ]; then
            install -D /dev/null "${root}${place}"
        fi
        mount --bind "${place}" "${root}${place}"
        mount -o remount,ro,bind "${root}${place}"
    done
    shift
    exec chroot --userspec "${user}:${user}" "${root}" "$@"
}
export user
echo "debian.sh: test/run.sh $* in ${root}"
unshare --mount bash -euo pipefail -c "$(declare -f inside); inside \"\$@\"" inside \
    "${root}" /etc/resolv.conf /etc/hosts "${places[@]}" -- \
    env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="${home}" USER="${user}" LANG=C.UTF-8 PIP_NO_CACHE_DIR=1 ELLAV_NO_BROWSER=1 \
    "${environment[@]}" bash "${home}/ellav/test/run.sh" "$@"
