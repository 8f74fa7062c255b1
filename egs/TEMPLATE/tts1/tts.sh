#!/usr/bin/env bash
# The ten stages of a zero-shot TTS recipe. A recipe's run.sh calls this with the facts of its corpus.
[ -n "${BASH_VERSION:-}" ] || { echo "$0: needs bash; call it as 'bash $0'" >&2; exit 1; }
set -euo pipefail

SECONDS=0
log() { echo "$(date '+%F %T') (${recipe##*egs/}) $*"; }
die() { echo "tts.sh: $*" >&2; trap - EXIT; exit 1; }
caller=${PWD}
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arguments=("$@")

# Stages
stage=1
stop_stage=10000
skip_data_prep=false
skip_train=false
skip_eval=false
smoke=false

# Machine
nj=$(env -u OMP_NUM_THREADS nproc)
ngpu=1
num_nodes=1
gpu_encode=false
shards=auto
python=python3
allow_pipes=false

# Folders, from the recipe's folder on
datadir=data
dumpdir=dump
expdir=exp
tag=

# Corpus
fs=16000
train_set=train
valid_set=valid
test_sets="test"
local_data_opts=
speed_perturb_factors=
voice_warp_factors=

# Parts
text=g2p_en
text_conf=()
aligner=pocketsphinx
aligner_conf=()
prompt_aligner=
prompt_aligner_conf=()
least_pause=0.1
edge_silence=0.25
least_score=
max_rejected=0.05
codec=rvq_mel
codec_conf=()
ordering=interleaved
ordering_conf=()
plugin=()

# Training, decoding, scoring
train_config=conf/train/mini.yaml
nar_config=
init_from=
finetune=
adapt_codec=false
train_args=
nar_args=
decode_config=
decoder=
decoder_conf=()
continuation=false
inference_model=auto
inference_args=
scorers="wer similarity stability rtf"
score_args=
compare=()
report_args=
pack_args=

help_message() {
    cat << EOF
Usage: $0 [--option value] ...

Stages: 1 data, 2 format wavs, 3 phones and alignment, 4 codes, 5 token list and statistics,
        6 train AR, 7 train NAR, 8 decode, 9 score and report, 10 pack
  --stage N            first stage to run (${stage})
  --stop-stage N       last stage to run (${stop_stage})
  --skip-data-prep     skip stages 1 to 5 (true|false; a flag's value may be left out)
  --skip-train         skip stages 6 and 7
  --skip-eval          skip stages 8 and 9
  --smoke              all stages with a tiny corpus and model, in data/smoke, dump/smoke, exp/smoke

Machine
  --nj N               parallel processes on this machine (${nj}); jobs of Slurm have as many as conf/slurm.conf gives
  --ngpu N             GPUs to train with; 0 keeps to the CPU (${ngpu}, where there is one)
  --num-nodes N        machines to train on, each with --ngpu GPUs; by Slurm only (${num_nodes})
  --gpu-encode         stage 4 encodes on a GPU, many utterances at once (${gpu_encode})
  --shards N           stages 2 to 5 cut each set into so many parts, which jobs of Slurm work on side by side (${shards}:
                       100,000 utterances in each)
  --python PROGRAM     Python interpreter (${python})
  --allow-pipes        run commands that wav.scp contains (${allow_pipes})
  --config FILE        shell file that sets options; the command line wins

Folders (relative to the recipe's folder)
  --datadir DIR        data folders (${datadir})
  --dumpdir DIR        what stages 2 to 5 make (${dumpdir})
  --expdir DIR         codec, models, results (${expdir})
  --tag NAME           folder of this experiment in --expdir (the ordering's name)

Corpus
  --fs HZ              sample rate of the dumped waveforms (${fs})
  --train-set NAME     (${train_set})
  --valid-set NAME     (${valid_set})
  --test-sets 'A B'    (${test_sets})
  --local-data-opts S  options for local/data.sh
  --speed-perturb-factors 'A B'  copies of the training utterances, so many times as fast, each by a reader of its own
                       ('0.9 1.1'; none)
  --voice-warp-factors 'AxB'  copies with F0 A times as high and formants B times, by WORLD ('1.2x1.08 0.85x0.95'; none)

Parts (ellav plugins list); options of each as --NAME-conf key=value ...
  --plugin FILE        import a plugin: file or module (repeatable)
  --text NAME          text front end (${text})
  --aligner NAME       (${aligner})
  --prompt-aligner NAME  aligns prompts at synthesis, where --aligner works on whole sets only (--aligner)
  --least-pause S      seconds from which a silence between two words is a pause of its own (${least_pause})
  --edge-silence S     seconds of silence that stay at either end of an utterance (${edge_silence})
  --least-score X      training and validation utterances that fit their words worse are set aside: the aligner's score,
                       or auto for its own threshold (none)
  --max-rejected X     share of utterances that a stage may set aside (${max_rejected})
  --codec NAME         (${codec})
  --ordering NAME      (${ordering})

Training, decoding, scoring
  --train-config YAML  of the AR model (${train_config}); looked for in the recipe, then in conf/ of the project
  --nar-config YAML    of the NAR model (--train-config)
  --init-from DIR      a packed model or exp/TAG whose weights both models begin with, by phone, code and control
  --finetune DIR       the same, with the codec and all phones of that packed model too, so that little speech of a new
                       voice is enough (conf/train/finetune.yaml)
  --adapt-codec        with --finetune: bend that codec to the training set's speech, which it may never have heard the
                       like of (true|false; ${adapt_codec})
  --train-args S       further options of 'ellav train ar'
  --nar-args S         further options of 'ellav train nar'
  --decode-config YAML options of 'ellav decode'
  --decoder NAME       greedy, topk, nucleus, ras or a plugin's
  --continuation       continue the beginning of each utterance instead of speaking it after another (${continuation});
                       decoded into decode_continuation, a table of its own in RESULTS.md
  --inference-model W  averaged, best or last; auto takes the one with the lowest validation loss (${inference_model})
  --inference-args S   further options of 'ellav decode'
  --scorers 'A B'      (${scorers})
  --score-args S       further options of 'ellav score'
  --compare DIR        experiments to show beside this one, for example exp/valle (repeatable)
  --report-args S      further options of 'ellav report', which makes the page report.html of stage 9
  --pack-args S        further options of 'ellav pack'
EOF
}

not_options="caller recipe arguments not_options"
# shellcheck source=utils/parse_options.sh
. "${recipe}/utils/parse_options.sh"
[ ${#positional[@]} -eq 0 ] || die "unexpected argument '${positional[0]}'; options begin with --"
for name in stage stop_stage nj ngpu num_nodes fs; do
    [[ ${!name} =~ ^[0-9]+$ ]] || die "option --${name} must be a whole number, not '${!name}'"
done
[ "${stage}" -le "${stop_stage}" ] || die "--stop-stage ${stop_stage} lies before --stage ${stage}: no stage would run"
[ "${stage}" -ge 1 ] && [ "${stage}" -le 10 ] || die "--stage ${stage}: there are stages 1 to 10"
[ "${nj}" -ge 1 ] || die "option --nj must be at least 1"
[ "${num_nodes}" -ge 1 ] || die "option --num-nodes must be at least 1"
[ "${gpu_encode}" = false ] || [ "${ngpu}" -ge 1 ] || die "--gpu-encode encodes on a GPU, and --ngpu 0 hides it"
[ "${adapt_codec}" = false ] || [ -n "${finetune}" ] || die "--adapt-codec adapts the codec of a --finetune DIR"
[[ ${shards} =~ ^(auto|[1-9][0-9]*)$ ]] || die "option --shards must be a whole number or auto, not '${shards}'"
speed_perturb_factors=${speed_perturb_factors//,/ }
voice_warp_factors=${voice_warp_factors//,/ }
[[ ${speed_perturb_factors} =~ ^([0-9.]+\ *)*$ ]] ||
    die "option --speed-perturb-factors must be numbers, as '0.9 1.1', not '${speed_perturb_factors}'"
[[ ${voice_warp_factors} =~ ^([0-9.]+x[0-9.]+\ *)*$ ]] ||
    die "option --voice-warp-factors must be factors on F0 and formants, as '1.2x1.08', not '${voice_warp_factors}'"
[[ ${least_score} =~ ^(auto|-?[0-9.]+)?$ ]] || die "option --least-score must be a number or auto, not '${least_score}'"

# What a person names is looked for where they stand, in the recipe, and in the project.
find_file() {
    local folder
    for folder in "${caller}" "${recipe}" "${ELLAV_ROOT}"; do
        if [[ $1 == /* ]]; then folder=; fi
        if [ -e "${folder:+${folder}/}$1" ]; then
            printf '%s\n' "${folder:+${folder}/}$1"
            return
        fi
    done
    if [[ $1 == /* ]]; then die "$1: no such file"; fi
    if [ "${caller}" != "${recipe}" ]; then folder="${caller}, ${recipe}"; else folder=${recipe}; fi
    die "$1: no such file in ${folder} or ${ELLAV_ROOT}"
}

# This command as it can be given in the recipe's folder, whatever the folder it was given in.
command_line() {
    local word
    printf 'cd egs/%s && ./tts.sh' "${recipe##*egs/}"
    for word in "${arguments[@]}"; do
        if [[ ${word} == *?.* ]] && [[ ${word} != /* ]] && [ -f "${caller}/${word}" ]; then
            word=$(realpath --no-symlinks --relative-to="${recipe}" "${caller}/${word}")
        fi
        printf ' %q' "${word}"
    done
}

on_path=$(command -v ellav || true)
# shellcheck source=path.sh
. "${recipe}/path.sh"
cd "${recipe}"
# shellcheck source=cmd.sh
. ./cmd.sh
case "${train_cmd:-}" in
    ''|srun*) die "$(realpath cmd.sh) is of an older ellav; copy ${ELLAV_ROOT}/egs/TEMPLATE/tts1/cmd.sh over it" ;;
esac
if [ "${num_nodes}" -gt 1 ] && [ "${cmd_backend:-}" != slurm ]; then
    die "--num-nodes ${num_nodes} needs a cluster: 'export cmd_backend=slurm', or write it into $(realpath cmd.sh)"
fi

if [ "${smoke}" = true ]; then
    datadir=${datadir}/smoke
    dumpdir=${dumpdir}/smoke
    expdir=${expdir}/smoke
    if [ -z "${finetune}" ]; then
        train_config=conf/train/smoke.yaml
    else # the shape is the model's
        train_args="--train_conf max_steps=2 ${train_args}"
        nar_args="--train_conf max_steps=2 ${nar_args}"
    fi
    [ "${codec}" != rvq_conv ] || codec_conf=(frames_seen=20000 "${codec_conf[@]}")
    nar_config=
    local_data_opts="--hours 0.02 ${local_data_opts}"
    max_rejected=0.5 # so few sentences do not hold every phone
    inference_args="--limit 4 ${inference_args}" # a toy speaks each phone as long as it may
fi
tag=${tag:-${ordering}}
exp=${expdir}/${tag}
mode=cross-sentence
decoded=decode
if [ "${continuation}" = true ]; then
    mode=continuation
    decoded=decode_continuation
fi
tokens=${dumpdir}/tokens
taken_codec=()
taken_phones=()
if [ -n "${finetune}" ]; then
    finetune=$(find_file "${finetune}")
    init_from=${init_from:-${finetune}}
    taken_codec=(--codec_from "${finetune}")
    if [ "${adapt_codec}" = true ]; then taken_codec+=(--adapt); fi
    taken_phones=(--phones_from "${finetune}")
fi
logs=${dumpdir}/log
nj_of_stages=${nj}
[ "${cmd_backend:-}" = local ] || nj_of_stages=0 # as many as the job has
read -r -a tests <<< "${test_sets}"
sets=("${train_set}" "${valid_set}" "${tests[@]}")

# Words of an option string, quotes respected: words "--a 'b c'" -> ${words[@]}
split() { mapfile -t words < <(xargs -r printf '%s\n' <<< "$1"); }
# Pairs of a --X_conf, given as words or as one quoted string -> ${words[@]}
conf() {
    local name=$1 value
    shift
    words=()
    for value in "$@"; do
        if [[ ${value} =~ ^([^[:space:]=]+=[^[:space:]]*[[:space:]]*)+$ ]]; then
            local -a parts
            read -r -a parts <<< "${value}"
            words+=("--${name}" "${parts[@]}")
        else
            words+=("--${name}" "${value}")
        fi
    done
}

plugins=()
for file in "${plugin[@]}"; do
    if [[ ${file} == *.py ]] || [[ ${file} == */* ]]; then file=$(find_file "${file}"); fi
    plugins+=(--plugin "${file}")
done
conf text_conf "${text_conf[@]}"; text_options=(--text "${text}" "${words[@]}")
conf aligner_conf "${aligner_conf[@]}"; aligner_options=(--aligner "${aligner}" "${words[@]}")
conf prompt_aligner_conf "${prompt_aligner_conf[@]}"; prompt_aligner_options=("${words[@]}")
[ -z "${prompt_aligner}" ] || prompt_aligner_options=(--prompt_aligner "${prompt_aligner}" "${prompt_aligner_options[@]}")
conf codec_conf "${codec_conf[@]}"; codec_options=(--codec "${codec}" "${words[@]}")
conf ordering_conf "${ordering_conf[@]}"; ordering_options=(--ordering "${ordering}" "${words[@]}")
conf decoder_conf "${decoder_conf[@]}"; decoder_options=("${words[@]}")
[ -z "${decoder}" ] || decoder_options=(--decoder "${decoder}" "${decoder_options[@]}")
if [ "${ngpu}" -eq 0 ]; then export CUDA_VISIBLE_DEVICES=; fi

# follow COMMAND ...: runs it so that SIGTERM to this script alone reaches it too, and lets it end in its own time.
child=
stopped=
trap 'stopped=143; [ -z "${child}" ] || kill -TERM "${child}" 2> /dev/null || true' TERM
trap 'stopped=130' INT # Ctrl-C reaches what runs by itself
follow() {
    local status=0
    (trap - INT TERM; exec "$@") &
    child=$!
    wait "${child}" || status=$?
    while kill -0 "${child}" 2> /dev/null; do # a signal ended the waiting, not what is waited for
        status=0
        wait "${child}" || status=$?
    done
    child=
    [ -z "${stopped}" ] || exit "${stopped}"
    return "${status}"
}

# on PREFIX [JOB=1:N] LOG COMMAND ...: one command of the project, started by a prefix of cmd.sh
launch=()
on() {
    local -a prefix array=()
    read -r -a prefix <<< "$1"
    shift
    if [[ $1 == JOB=* ]]; then array=("$1"); shift; fi
    local log=$1
    shift
    follow "${prefix[@]}" "${array[@]}" "${log}" "${python}" "${launch[@]}" -m ellav.bin.main "$@" "${plugins[@]}"
}
# shards_of SET: how many it has, as stage 2 cut it
shards_of() {
    local -a folders=("${dumpdir}/split/$1/shards"/*-of-*)
    if [ -e "${folders[0]}" ]; then echo "${#folders[@]}"; else echo 1; fi
}
# over SET PREFIX NAME COMMAND ...: a command that works on the shards of a set, a job for each
over() {
    local starter=$2 name=$3_$1 count
    count=$(shards_of "$1")
    shift 3
    if [ "${count}" -eq 1 ]; then
        on "${starter}" "${logs}/${name}.log" "$@"
    else
        on "${starter}" "JOB=1:${count}" "${logs}/${name}.JOB.log" "$@" --shard JOB
    fi
}
begin() {
    current=$1
    began=${SECONDS}
    log "Stage $1: $2"
}
finish() { log "Stage ${current} took $((SECONDS - began)) s"; }
# need PATH STAGE: stops with what is missing and how to make it.
need() { [ -e "$1" ] || die "stage ${current} needs $1, which is not there; run stage $2 first (--stage ${2%% *})"; }
runs() { [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ]; }
prepares() { [ "${skip_data_prep}" = false ] && runs "$1"; }
trains() { [ "${skip_train}" = false ] && runs "$1"; }
evaluates() { [ "${skip_eval}" = false ] && runs "$1"; }

# What is misspelt is said now, not hours later.
read -r -a scorer_names <<< "${scorers}"
if trains 6 || trains 7; then train_config=$(find_file "${train_config}"); fi
if trains 7 && [ -n "${nar_config}" ]; then nar_config=$(find_file "${nar_config}"); fi
if evaluates 8 && [ -n "${decode_config}" ]; then decode_config=$(find_file "${decode_config}"); fi
follow "${python}" -m ellav.bin.main check-config "${text_options[@]}" "${aligner_options[@]}" "${prompt_aligner_options[@]}" \
    "${codec_options[@]}" "${ordering_options[@]}" "${decoder_options[@]}" --scorers "${scorer_names[@]}" "${plugins[@]}"

trap '[ $? -eq 0 ] || echo "tts.sh: stopped in stage ${current:-0} after ${SECONDS} s;" \
    "the same command with --stage ${current:-1} goes on from there" >&2' EXIT

pipes=()
[ "${allow_pipes}" = false ] || pipes=(--allow_pipes true)
if prepares 1; then
    begin 1 "data -> ${datadir}"
    split "${local_data_opts}"
    follow local/data.sh --out "${datadir}" --nj "${nj}" "${words[@]}"
    for set in "${sets[@]}"; do
        on "${train_cmd}" "${logs}/check_${set}.log" data check --data "${datadir}/${set}" "${pipes[@]}"
    done
    finish
fi

# wanted_shards DATA: into how many shards a data folder is to be cut
wanted_shards() {
    if [ "${shards}" != auto ]; then
        echo "${shards}"
    elif [ -e "$1/text" ]; then
        echo $((($(wc -l < "$1/text") + 99999) / 100000))
    else
        echo 1
    fi
}

if prepares 2; then
    begin 2 "format wavs -> ${dumpdir}/raw"
    for set in "${sets[@]}"; do
        need "${datadir}/${set}" "1 (data)"
        perturbing=()
        if [ "${set}" = "${train_set}" ]; then
            read -ra factors <<< "${speed_perturb_factors}"
            [ ${#factors[@]} -eq 0 ] || perturbing+=(--speed_perturb_factors "${factors[@]}")
            read -ra factors <<< "${voice_warp_factors}"
            [ ${#factors[@]} -eq 0 ] || perturbing+=(--voice_warp_factors "${factors[@]}")
        fi
        source=${datadir}/${set}
        count=$(wanted_shards "${source}")
        if [ "${count}" -gt 1 ]; then
            on "${train_cmd}" "${logs}/shards_${set}.log" data shards --data "${source}" --out "${dumpdir}/split/${set}" \
                --count "${count}"
            source=${dumpdir}/split/${set}
        else
            rm -rf "${dumpdir}/split/${set}"
        fi
        over "${set}" "${train_cmd}" format_wavs format-wavs --data "${source}" --out "${dumpdir}/raw/${set}" \
            --sample_rate "${fs}" --max_rejected "${max_rejected}" --nj "${nj_of_stages}" "${pipes[@]}" "${perturbing[@]}"
    done
    finish
fi

if prepares 3; then
    begin 3 "phones and alignment -> ${expdir}/text, ${expdir}/aligner, ${dumpdir}/phones, ${dumpdir}/align"
    need "${dumpdir}/raw/${train_set}" "2 (format wavs)"
    on "${train_cmd}" "${logs}/fit_text.log" fit-text --data "${dumpdir}/raw/${train_set}" \
        --out "${expdir}/text" "${text_options[@]}"
    for set in "${sets[@]}"; do
        need "${dumpdir}/raw/${set}" "2 (format wavs)"
        over "${set}" "${train_cmd}" phones phones --data "${dumpdir}/raw/${set}" --out "${dumpdir}/phones/${set}" \
            --config "${expdir}/text/text.yaml" --max_rejected "${max_rejected}" --nj "${nj_of_stages}"
    done
    fit_aligner() {
        local name=$1
        shift
        on "${train_cmd}" "${logs}/fit_${name}.log" fit-aligner --data "${dumpdir}/raw/${train_set}" \
            --phones "${dumpdir}/phones/${train_set}" --out "${expdir}/${name}" "$@"
    }
    fit_aligner aligner "${aligner_options[@]}"
    [ -z "${prompt_aligner}" ] || fit_aligner prompt_aligner "${prompt_aligner_options[@]}"
    for set in "${sets[@]}"; do
        fitting=()
        if [ -n "${least_score}" ] && [[ ${set} == "${train_set}" || ${set} == "${valid_set}" ]]; then
            fitting=(--least_score "${least_score}")
        fi
        over "${set}" "${train_cmd}" align align --data "${dumpdir}/raw/${set}" --phones "${dumpdir}/phones/${set}" \
            --out "${dumpdir}/align/${set}" --config "${expdir}/aligner/aligner.yaml" \
            "${fitting[@]}" --least_pause "${least_pause}" --max_rejected "${max_rejected}" --nj "${nj_of_stages}"
    done
    finish
fi

if prepares 4; then
    begin 4 "codes -> ${expdir}/codec, ${dumpdir}/codes"
    need "${dumpdir}/raw/${train_set}" "2 (format wavs)"
    on "${cuda_cmd}" "${logs}/fit_codec.log" fit-codec --data "${dumpdir}/raw/${train_set}" \
        --align "${dumpdir}/align/${train_set}" --out "${expdir}/codec" "${codec_options[@]}" "${taken_codec[@]}"
    starter=${train_cmd}
    on_gpu=()
    if [ "${gpu_encode}" = true ]; then
        starter=${cuda_cmd}
        on_gpu=(--device cuda)
    fi
    for set in "${sets[@]}"; do
        need "${dumpdir}/raw/${set}" "2 (format wavs)"
        over "${set}" "${starter}" encode encode --data "${dumpdir}/raw/${set}" --codec "${expdir}/codec" \
            --out "${dumpdir}/codes/${set}" --max_rejected "${max_rejected}" --nj "${nj_of_stages}" "${on_gpu[@]}"
    done
    finish
fi

if prepares 5; then
    begin 5 "token list and statistics -> ${tokens}"
    for set in "${sets[@]}"; do
        need "${dumpdir}/align/${set}" "3 (phones and alignment)"
        need "${dumpdir}/codes/${set}" "4 (codes)"
    done
    tokens_options=(--train_set "${train_set}" --raw "${dumpdir}/raw" --align "${dumpdir}/align" --codes "${dumpdir}/codes"
        --codec "${expdir}/codec" --out "${tokens}" --edge_silence "${edge_silence}" --max_rejected "${max_rejected}"
        "${taken_phones[@]}")
    cut=()
    for set in "${sets[@]}"; do
        [ "$(shards_of "${set}")" -eq 1 ] || cut+=("${set}")
    done
    if [ ${#cut[@]} -gt 0 ]; then
        on "${train_cmd}" "${logs}/token_list.log" tokens --list_only --sets "${train_set}" "${tokens_options[@]}"
        for set in "${cut[@]}"; do
            over "${set}" "${train_cmd}" tokens tokens --sets "${set}" "${tokens_options[@]}"
        done
    fi
    on "${train_cmd}" "${logs}/tokens.log" tokens --sets "${sets[@]}" "${tokens_options[@]}"
    finish
fi

# train ar|nar CONFIG ARGS
train() {
    local model=$1 config=$2
    need "${tokens}/${train_set}" "5 (token list and statistics)"
    need "${tokens}/${valid_set}" "5 (token list and statistics)"
    split "$3"
    local -a launch=()
    local starter=${cuda_cmd}
    [ "${num_nodes}" -eq 1 ] || starter+=" --num-nodes=${num_nodes}"
    if [ "${num_nodes}" -gt 1 ] || [ "${ngpu}" -gt 1 ]; then
        launch=(-m ellav.bin.launch --nnodes "${num_nodes}" --nproc_per_node "$((ngpu > 0 ? ngpu : 1))")
    fi
    [ -z "${init_from}" ] || words+=(--init_from "$(find_file "${init_from}")")
    on "${starter}" "${exp}/log/train_${model}.log" train "${model}" --config "${config}" \
        --train "${tokens}/${train_set}" --valid "${tokens}/${valid_set}" --tokens "${tokens}/list" \
        --codec "${expdir}/codec" --out "${exp}/${model}" "${ordering_options[@]}" "${words[@]}"
}

if trains 6; then
    begin 6 "train AR -> ${exp}/ar"
    train ar "${train_config}" "${train_args}"
    finish
fi

if trains 7; then
    begin 7 "train NAR -> ${exp}/nar"
    train nar "${nar_config:-${train_config}}" "${nar_args}"
    finish
fi

if evaluates 8; then
    begin 8 "decode -> ${exp}/${decoded}"
    need "${exp}/ar" "6 (train AR)"
    need "${exp}/nar" "7 (train NAR)"
    config=()
    [ -z "${decode_config}" ] || config=(--config "${decode_config}")
    for set in "${tests[@]}"; do
        need "${tokens}/${set}" "5 (token list and statistics)"
        split "${inference_args}"
        on "${decode_cmd}" "${exp}/log/${decoded}_${set}.log" decode "${config[@]}" \
            --ar "${exp}/ar" --nar "${exp}/nar" --codec "${expdir}/codec" \
            --data "${tokens}/${set}" --raw "${dumpdir}/raw/${set}" --tokens "${tokens}/list" \
            --out "${exp}/${decoded}/${set}" --which "${inference_model}" --mode "${mode}" \
            "${decoder_options[@]}" "${words[@]}"
    done
    finish
fi

if evaluates 9; then
    begin 9 "score -> ${exp}/RESULTS.md, ${exp}/report.html"
    for set in "${tests[@]}"; do
        need "${exp}/${decoded}/${set}" "8 (decode)"
    done
    beside=()
    for folder in "${compare[@]}"; do
        beside+=(--compare "${folder}")
    done
    split "${score_args}"
    on "${train_cmd}" "${exp}/log/score.log" score --exp "${exp}" --mode "${mode}" \
        --sets "${tests[@]}" --train_set "${train_set}" --raw "${dumpdir}/raw" \
        --phones "${dumpdir}/phones" --codes "${dumpdir}/codes" --codec "${expdir}/codec" --cache "${expdir}/scores" --lm "${expdir}/lm" \
        --scorers "${scorer_names[@]}" --command_line "$(command_line)" "${beside[@]}" --nj "${nj_of_stages}" "${words[@]}"
    about=()
    [ ! -e local/about.txt ] || about=(--about local/about.txt)
    split "${report_args}"
    on "${train_cmd}" "${exp}/log/report.log" report --exp "${exp}" --raw "${dumpdir}/raw" \
        --align "${dumpdir}/align" --codes "${dumpdir}/codes" --codec "${expdir}/codec" --cache "${expdir}/scores" \
        "${about[@]}" "${beside[@]}" "${words[@]}"
    finish
fi

if runs 10; then
    begin 10 "pack -> ${exp}/packed"
    need "${exp}/ar" "6 (train AR)"
    need "${exp}/nar" "7 (train NAR)"
    need "${expdir}/text" "3 (phones and alignment)"
    need "${expdir}/aligner" "3 (phones and alignment)"
    parts=(--config "${expdir}/text/text.yaml" --config "${expdir}/aligner/aligner.yaml")
    if [ -n "${prompt_aligner}" ]; then
        need "${expdir}/prompt_aligner" "3 (phones and alignment)"
        parts+=(--config "${expdir}/prompt_aligner/aligner.yaml")
    fi
    built_in=()
    if [ -e "${dumpdir}/raw/${tests[0]}" ]; then built_in=(--prompts "${dumpdir}/raw/${tests[0]}"); fi
    if [ -e local/card.md ]; then built_in+=(--card local/card.md); fi
    split "${pack_args}"
    on "${train_cmd}" "${exp}/log/pack.log" pack "${parts[@]}" \
        --ar "${exp}/ar" --nar "${exp}/nar" --codec "${expdir}/codec" --tokens "${tokens}/list" \
        --which "${inference_model}" "${decoder_options[@]}" "${built_in[@]}" "${words[@]}" --out "${exp}/packed"
    finish
fi

if [ -e "${exp}/RESULTS.md" ] && evaluates 9; then
    cat "${exp}/RESULTS.md"
    log "Results: $(realpath "${exp}/RESULTS.md"); to look at and listen to: $(realpath "${exp}/report.html")"
fi
log "Successfully finished. [elapsed=${SECONDS}s]"

# Lines to paste in any folder: the whole path of ellav where the caller's shell does not find this one.
# The first argument is what is said, as a shell reads it.
hello() {
    local program=ellav says=$1
    shift
    [ "${on_path}" = "${ELLAV_VENV}/bin/ellav" ] || program=${ELLAV_VENV}/bin/ellav
    printf '  %q synth%s %s\n' "${program}" "$([ $# -eq 0 ] || printf ' %q' "$@")" "${says}"
}
if runs 10 && [ -e "${exp}/packed/model.yaml" ]; then
    english='--text "Hello, this is my voice." --out hello.wav'
    # The model card has a sentence in a language that the model speaks.
    says=$(sed -n 's/^ellav synth .* \(--text .* --out hello\.wav.*\)/\1/p' "${exp}/packed/README.md" 2> /dev/null | head -n 1) || true
    printf 'Hear what was trained here:\n%s\n' \
        "$(hello "${says:-${english}}" --model "$(realpath "${exp}/packed")" "${plugins[@]}")"
    if [ -e "${ELLAV_ROOT}/ellav/pretrained/libri/model.yaml" ]; then
        printf 'Hear the model that comes with ellav:\n%s\n' "$(hello "${english}")"
    fi
fi
