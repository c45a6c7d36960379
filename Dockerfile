# One image per service: docker build --target metadata | storage | gateway .
# Dependencies come from the hashed lock; nothing runs as root.
# All modules are compiled here, Python's own too, which its images come without: containers write nothing beside them,
# and would compile them at each start and health check. By unchecked hashes: dating the files in the layers by the commit
# makes any other .pyc stale.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
COPY requirements/server.txt /tmp/server.txt
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes -r /tmp/server.txt \
 && /opt/venv/bin/pip check \
 && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

FROM packages AS sources
WORKDIR /app
COPY strongroom strongroom
COPY servicekit servicekit
COPY metadata_service metadata_service
COPY storage_service storage_service
COPY gateway gateway
RUN /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash .

FROM ${PYTHON_IMAGE} AS base
ARG STRONGROOM_VERSION="0.1.0"
ARG STRONGROOM_COMMIT=""
ARG STRONGROOM_CREATED=""
# `make images` sets all of these, and dates the files in the layers by the commit.
ARG SOURCE_DATE_EPOCH
LABEL org.opencontainers.image.version=${STRONGROOM_VERSION} \
      org.opencontainers.image.revision=${STRONGROOM_COMMIT} \
      org.opencontainers.image.created=${STRONGROOM_CREATED} \
      org.opencontainers.image.source="https://github.com/strongroom/strongroom" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="Strongroom"
# Metrics have a separate port (docs/metrics.md), so the gateway's public port does not serve them.
# MALLOC_*: without them glibc returns memory and requests it again repeatedly during large bodies.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STRONGROOM_METRICS_BIND=0.0.0.0:9464 \
    STRONGROOM_COMMIT=${STRONGROOM_COMMIT} \
    MALLOC_TRIM_THRESHOLD_=268435456 \
    MALLOC_MMAP_THRESHOLD_=33554432 \
    MALLOC_TOP_PAD_=16777216
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/(idlelib|lib2to3|site-packages|tests?|turtledemo)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
RUN groupadd --gid 10001 strongroom \
 && useradd --uid 10001 --gid strongroom --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin strongroom
WORKDIR /app
EXPOSE 9464
COPY --from=packages /opt/venv /opt/venv
COPY deploy/healthcheck.py deploy/healthcheck.py
COPY deploy/first_upload.py deploy/first_upload.py
COPY --from=sources /app/strongroom strongroom
COPY --from=sources /app/servicekit servicekit
USER 10001:10001

FROM base AS metadata
LABEL org.opencontainers.image.title="strongroom-metadata" \
      org.opencontainers.image.description="Strongroom metadata_service: owners, files and transactions, in Postgres"
COPY --from=sources /app/metadata_service metadata_service
ENV STRONGROOM_METADATA_BIND=0.0.0.0:50052
EXPOSE 50052
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "deploy/healthcheck.py", "grpc://127.0.0.1:50052"]
ENTRYPOINT ["python", "-m", "metadata_service"]
CMD ["serve"]

FROM base AS storage
LABEL org.opencontainers.image.title="strongroom-storage" \
      org.opencontainers.image.description="Strongroom storage_service: bytes, in S3"
COPY --from=sources /app/storage_service storage_service
ENV STRONGROOM_STORAGE_BIND=0.0.0.0:50051
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "deploy/healthcheck.py", "grpc://127.0.0.1:50051"]
ENTRYPOINT ["python", "-m", "storage_service"]
CMD ["serve"]

FROM base AS gateway
LABEL org.opencontainers.image.title="strongroom-gateway" \
      org.opencontainers.image.description="Strongroom gateway: REST, tus and the console"
COPY --from=sources /app/gateway gateway
ENV STRONGROOM_HTTP_BIND=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "deploy/healthcheck.py", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["python", "-m", "gateway"]
CMD ["serve"]
