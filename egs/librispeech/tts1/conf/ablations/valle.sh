# VALL-E: phones, then codes.
# shellcheck shell=bash disable=SC2034
ordering=concat
tag=valle
