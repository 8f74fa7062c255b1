# ellav with its recipes, as tools/setup_env.sh sets them up on Debian 12.
#
#     docker build -t ellav .                               speaks, serves, trains, on a CPU
#     docker build -t ellav-cuda --build-arg TORCH=cuda .   on a GPU: run it with --gpus all
#     docker run --rm -v "$PWD:/data" --user "$(id -u)" ellav synth --text hello --out hello.wav
#     docker run --rm -p 127.0.0.1:8000:8000 ellav serve --host 0.0.0.0

ARG BASE=debian:12-slim
# hadolint ignore=DL3006
FROM ${BASE}

# cpu or cuda. The libraries of CUDA come with torch, so that the base is the same; the driver is the host's.
ARG TORCH=cpu
# A package index that has the CPU build of torch, where the usual one has not; without it 3 GB of CUDA come along.
ARG ELLAV_TORCH_INDEX=

# g++ and python3-dev: pyworld, webrtcvad and pesq are compiled. flite speaks the corpus of egs/mini.
# Debian keeps no old versions that could be named.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates flite g++ git python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 ellav \
    && install --directory --owner ellav /opt/ellav /data

USER 1000
WORKDIR /opt/ellav
COPY --chown=1000 . .
RUN PIP_NO_CACHE_DIR=1 tools/setup_env.sh --torch "${TORCH}"

ENV PATH=/opt/ellav/tools/venv/bin:${PATH} LC_ALL=C.UTF-8 PYTHONUTF8=1 PYTHONNOUSERSITE=1
WORKDIR /data
EXPOSE 8000
ENTRYPOINT ["ellav"]
CMD ["--help"]
