# Sourced by local/data.sh: one variable for each corpus, with the folder where it lies.
# `downloads` means that the recipe fetches it itself, into its folder downloads/.
# shellcheck shell=bash disable=SC2034

LIBRISPEECH=
MINI_LIBRISPEECH=
LIBRILIGHT=
LIBRIHEAVY=
LIBRILIGHT_LIMITED=
LIBRITTS=
AISHELL=
VCTK=
