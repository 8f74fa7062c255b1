# ELLA-V with a local advance of 5 frames.
# shellcheck shell=bash disable=SC2034
ordering_conf=(local_advance=5)
tag=local_advance_5
