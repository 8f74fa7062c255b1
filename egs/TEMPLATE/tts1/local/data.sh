#!/usr/bin/env bash
# Stage 1: writes one Kaldi-style data folder for each set. Called in the recipe's folder as
#   local/data.sh --out DIR --nj N [--local_data_opts of tts.sh]
# and must leave, for the sets named in run.sh, sorted under LC_ALL=C:
#   DIR/SET/wav.scp   utterance  path of its recording
#   DIR/SET/text      utterance  its transcript
#   DIR/SET/utt2spk   utterance  its speaker
# An utterance's id begins with its speaker's. `ellav data check DIR/SET` says what is wrong.
# A file local/about.txt may say what the speech is; report.html shows it at its top.
set -euo pipefail

echo "local/data.sh: write this script for your corpus; its comments say what it must leave" >&2
exit 1
