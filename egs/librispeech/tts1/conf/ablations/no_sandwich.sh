# ELLA-V without its phone sandwich: only EOP stands between the codes of the phones.
# shellcheck shell=bash disable=SC2034
ordering_conf=(phone_tokens=false)
tag=no_sandwich
