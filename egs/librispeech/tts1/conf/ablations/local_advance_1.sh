# ELLA-V with a local advance of 1 frames.
# shellcheck shell=bash disable=SC2034
ordering_conf=(local_advance=1)
tag=local_advance_1
