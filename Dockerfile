# Two images: `worker` decodes, `light` submits, reads and asks, without media libraries.
#
#   docker build --target worker -t shardmill-worker .
#   docker build --target light  -t shardmill-light  .
#
# Where pip needs a configuration of its own (a proxy, another index), hand it over for the build
# alone; it stays in no layer:   --secret id=pip.conf,src=/etc/pip.conf   (and --network host)
ARG PYTHON_IMAGE=python:3.13-slim

# Every file that the lock pins, its hash checked; from here on nothing comes from outside.
FROM ${PYTHON_IMAGE} AS pinned
WORKDIR /build
COPY requirements/run.lock .
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf,mode=0444 \
    --mount=type=cache,target=/root/.cache/pip \
    pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: \
        --require-hashes --requirement run.lock --dest /pinned

# The packages of each image, before any code, so that a change of code leaves their layers alone.
FROM pinned AS light-packages
COPY pyproject.toml .
RUN touch README.md LICENSE && mkdir producer worker && python -m venv --without-pip /opt/shardmill \
 && pip --disable-pip-version-check --python /opt/shardmill/bin/python install --quiet \
        --no-index --find-links /pinned . \
 && cd /opt/shardmill/lib/python3*/site-packages/pyarrow \
 && rm -rf include tests _flight* libarrow_flight* libarrow_python_flight*

FROM light-packages AS worker-packages
RUN pip --disable-pip-version-check --python /opt/shardmill/bin/python install --quiet \
        --no-index --find-links /pinned '.[worker]'

FROM pinned AS project
COPY pyproject.toml README.md LICENSE ./
COPY producer producer
COPY worker worker
RUN pip --disable-pip-version-check wheel --quiet --no-deps --no-index --find-links /pinned \
        --wheel-dir /project .

FROM ${PYTHON_IMAGE} AS base
# A bind mount hides these; a fresh volume takes over their owner.
RUN useradd --uid 1000 --no-create-home --home-dir /tmp shardmill \
 && mkdir /data /out && chown shardmill:shardmill /data /out
ENV PATH=/opt/shardmill/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1
WORKDIR /out

FROM base AS light
COPY --from=light-packages /opt/shardmill /opt/shardmill
RUN --mount=type=bind,from=project,source=/project,target=/project \
    pip --disable-pip-version-check --python /opt/shardmill/bin/python install --quiet \
        --no-cache-dir --no-index --no-deps --force-reinstall /project/*.whl
USER shardmill
ENTRYPOINT ["shardmill"]
CMD ["--help"]

FROM base AS worker
COPY --from=worker-packages /opt/shardmill /opt/shardmill
RUN --mount=type=bind,from=project,source=/project,target=/project \
    pip --disable-pip-version-check --python /opt/shardmill/bin/python install --quiet \
        --no-cache-dir --no-index --no-deps --force-reinstall /project/*.whl
USER shardmill
ENV SHARDMILL_HEARTBEAT=/tmp/heartbeat
# The worker touches this file from the loop that takes its messages.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["sh", "-c", "test -n \"$(find \"$SHARDMILL_HEARTBEAT\" -mmin -0.5)\""]
ENTRYPOINT ["shardmill"]
CMD ["worker"]
