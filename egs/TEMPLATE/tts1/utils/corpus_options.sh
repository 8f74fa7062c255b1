# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by the run.sh of a corpus of people, which has set ${corpus} (as in `ellav corpus NAME`),
# ${corpus_options[@]} (what it has beside the options below, with underscores), and defaults.
# Takes these options out of "$@" into variables of their names; ${others[@]} is left for tts.sh.

corpus_options+=(
    test_subsets pairing prompt_seconds prompt_seed test_least_seconds test_most_seconds most_targets
    valid_readers held_out_readers least_seconds most_seconds least_rate most_rate hours seed download
)
# English is tested on LibriSpeech, whatever was trained on.
[ "${corpus}" = aishell ] || corpus_options+=(librispeech test_list libritts_text)
_paths=" librispeech librilight libriheavy test_list aishell "
others=()
corpus_more=
while [ $# -gt 0 ]; do
    _name=${1#--}
    _name=${_name//-/_}
    if [[ $1 == -h || $1 == --help ]]; then
        echo "Options of this corpus, for local/data.sh (ellav corpus ${corpus} --help says more):"
        for _name in "${corpus_options[@]}"; do echo "  --${_name//_/-}"; done
        echo
    elif [[ $1 == --* ]] && [[ " ${corpus_options[*]} local_data_opts " == *" ${_name} "* ]]; then
        if [ "${_name}" = download ] && { [ $# -eq 1 ] || [[ $2 == --* ]]; }; then
            download=true
            shift
            continue
        fi
        [ $# -ge 2 ] || { echo "${0##*/}: option $1 needs a value" >&2; exit 2; }
        _value=$2
        if [[ ${_paths} == *" ${_name} "* ]] && [ -e "${_value}" ]; then
            _value=$(realpath --no-symlinks "${_value}") # from where the caller stands
        fi
        [ "${_name}" != local_data_opts ] || _name=corpus_more
        printf -v "${_name}" '%s' "${_value}"
        shift 2
        continue
    fi
    others+=("$1")
    shift
done

[ "${held_out_readers:-}" != random:0 ] || held_out_readers= # none

# The options as one string for --local_data_opts.
corpus_words() {
    local name
    for name in "${corpus_options[@]}"; do
        if [ -v "${name}" ]; then printf -- '--%s %q ' "${name}" "${!name}"; fi
    done
    printf '%s' "${corpus_more}"
}

# The test sets that the options make. $1: those of the readers of the training subsets.
corpus_tests() {
    local tests=${test_subsets:-}
    [ -z "${test_list:-}" ] || tests=test_list
    echo "$1" "${tests//-/_}"
}
