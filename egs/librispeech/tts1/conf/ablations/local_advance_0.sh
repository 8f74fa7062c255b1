# ELLA-V with a local advance of 0 frames.
# shellcheck shell=bash disable=SC2034
ordering_conf=(local_advance=0)
tag=local_advance_0
