# shellcheck shell=bash disable=SC2154
# Sourced. Reads `--name value` options into variables that exist already.
#
# Dashes and underscores are the same. A variable that is `true` or `false` is a flag: its
# value may be left out. A variable that is an array collects: the option can be repeated
# and takes every word up to the next option. `--config FILE` is sourced first, so that the
# command line wins. `--help` calls help_message after all others are read, so that it shows what they set.
# Afterwards ${positional[@]} holds the words that belong to no option.

positional=()

_fail() { echo "${0##*/}: $*" >&2; exit 2; }

# _unknown OPTION: ends; names the option that begins most like it, if four letters agree.
_unknown() {
    local given=${1#--} most=3 near='' other length
    given=${given//-/_}
    for other in $(compgen -v); do
        if [[ ${other} =~ ^[a-z][a-z0-9_]*$ ]] && [[ " ${not_options:-} given most near other length " != *" ${other} "* ]]; then
            length=${#given}
            while [[ ${other} != "${given:0:length}"* ]]; do length=$((length - 1)); done
            if [ "${length}" -gt "${most}" ]; then most=${length} near=${other}; fi
        fi
    done
    [ -z "${near}" ] || near=" (did you mean '--${near//_/-}'?)"
    _fail "unknown option '$1'${near}; see --help"
}

_argument=
_help=false
_next_is_config=false
for _argument in "$@"; do
    if [ "${_next_is_config}" = true ]; then
        [ -r "${_argument}" ] || _fail "--config ${_argument}: no such file"
        # shellcheck disable=SC1090
        . "${_argument}"
        break
    fi
    if [ "${_argument}" = --config ]; then _next_is_config=true; fi
done

while [ $# -gt 0 ]; do
    case "$1" in
        -h|--help) _help=true; shift; continue ;;
        --*=*) _fail "write '${1%%=*} ${1#*=}' instead of '$1'" ;;
        --config) shift $(($# >= 2 ? 2 : 1)); continue ;;
        --?*) ;;
        *) positional+=("$1"); shift; continue ;;
    esac
    _option=$1
    _name=${_option#--}
    _name=${_name//-/_}
    shift
    if ! [[ ${_name} =~ ^[a-zA-Z][a-zA-Z0-9_]*$ ]] || ! _kind=$(declare -p "${_name}" 2> /dev/null) \
        || [[ " ${not_options:-} " == *" ${_name} "* ]] || [[ ${_name} =~ ^[A-Z] ]]; then
        _unknown "${_option}"
    fi
    case "${_kind%% "${_name}"*}" in
        "declare -a"*)
            [ $# -gt 0 ] && [[ $1 != --* ]] || _fail "option ${_option} needs a value"
            declare -n _list=${_name}
            while [ $# -gt 0 ] && [[ $1 != --* ]]; do
                _list+=("$1")
                shift
            done
            unset -n _list
            continue
            ;;
        "declare --"|"declare -x") ;;
        *) _unknown "${_option}" ;;
    esac
    if [ "${!_name}" = true ] || [ "${!_name}" = false ]; then
        _value=true
        if [ $# -gt 0 ] && [[ $1 != --* ]]; then
            _value=$1
            shift
        fi
        [ "${_value}" = true ] || [ "${_value}" = false ] || _fail "option ${_option} must be true or false, not '${_value}'"
    else
        # Only strings of further options may begin with dashes themselves.
        if [ $# -eq 0 ] || { [[ $1 == --* ]] && [[ ${_name} != *_args ]] && [[ ${_name} != *_opts ]]; }; then
            _fail "option ${_option} needs a value"
        fi
        _value=$1
        shift
    fi
    printf -v "${_name}" '%s' "${_value}"
done
if [ "${_help}" = true ]; then
    help_message
    exit 0
fi
unset _argument _help _next_is_config _option _name _kind _value
