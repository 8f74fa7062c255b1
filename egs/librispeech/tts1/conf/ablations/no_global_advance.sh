# ELLA-V without its global advance: the phones before BOS are left out.
# shellcheck shell=bash disable=SC2034
ordering_conf=(global_advance=false)
tag=no_global_advance
