# RevCart's two images: `docker build --target platform .` and `--target operator`. scripts/images builds them too where
# there is neither Docker nor a registry; images/README.md says how and what the images promise.
#
# A release pins the base by digest (--build-arg BASE_IMAGE=python:3.12-slim@sha256:…). Any image with `python3` >= 3.11
# will do, such as a company's own with its certificate authority in it.
ARG BASE_IMAGE=python:3.12-slim
ARG UV_IMAGE=ghcr.io/astral-sh/uv:0.13.9

FROM ${UV_IMAGE} AS uv

FROM ${BASE_IMAGE} AS dependencies
COPY --from=uv /uv /usr/local/bin/uv
# A build behind a proxy that opens TLS hands its bundle in as the secret `ca`; it stays in no layer.
ARG UV_CACHE=/root/.cache/uv
ENV UV_PROJECT_ENVIRONMENT=/opt/revcart UV_LINK_MODE=copy UV_PYTHON=python3 UV_PYTHON_DOWNLOADS=never \
    UV_CACHE_DIR=${UV_CACHE}
# Bytecode is trusted unseen: layers may carry other times of change than the files had, and reading sources to compare
# costs each start some tenths of a second.
ENV COMPILE="python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash"
WORKDIR /src
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=secret,id=ca,target=/run/ca.pem,required=false \
    if [ -s /run/ca.pem ]; then export SSL_CERT_FILE=/run/ca.pem; fi; \
    uv sync --frozen --no-dev --no-install-project --extra stores --extra otel \
    && ${COMPILE} /opt/revcart/lib

# The client's 1,700 models are loaded one by one when asked for, and we ask for hardly any: plain dicts go to the cluster.
FROM dependencies AS operator-dependencies
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=secret,id=ca,target=/run/ca.pem,required=false \
    if [ -s /run/ca.pem ]; then export SSL_CERT_FILE=/run/ca.pem; fi; \
    uv sync --frozen --no-dev --no-install-project --extra operator \
    && ${COMPILE} -x '/kubernetes/.*/models/' /opt/revcart/lib

# RevCart itself, apart from what it needs: a change of a service makes one small layer anew. The wheel's builder is not in
# the lock, hence asked for without the network first. uv_cache.json holds the time of the build.
FROM dependencies AS application
ARG SOURCE_DATE_EPOCH=0
COPY README.md LICENSE ./
COPY services services
COPY operator operator
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=secret,id=ca,target=/run/ca.pem,required=false \
    if [ -s /run/ca.pem ]; then export SSL_CERT_FILE=/run/ca.pem; fi; \
    { uv build --quiet --offline --wheel --out-dir /dist 2>/dev/null || uv build --quiet --wheel --out-dir /dist; } \
    && uv pip install --quiet --offline --no-deps --python /opt/revcart/bin/python --prefix /opt/application /dist/*.whl \
    && cd /opt/application/lib/python3*/site-packages/*.dist-info && rm uv_cache.json && sed -i /uv_cache.json/d RECORD \
    && ${COMPILE} /opt/application/lib

FROM ${BASE_IMAGE} AS runtime
RUN python3 -m compileall -q -f -j 0 --invalidation-mode unchecked-hash -x '/(dist-packages|site-packages|test|tests|idlelib|lib2to3|ensurepip)/' \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && echo 'revcart:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'revcart:x:10001:' >> /etc/group
ENV PATH=/opt/revcart/bin:${PATH} HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001

FROM runtime AS operator
COPY --from=operator-dependencies /opt/revcart /opt/revcart
COPY --from=application /opt/application /opt/revcart
ARG VERSION=0.1.0
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="RevCart operator" \
      org.opencontainers.image.source="https://github.com/revcart/revcart" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
ENTRYPOINT ["revcart", "operator"]

FROM runtime AS platform
COPY --from=dependencies /opt/revcart /opt/revcart
COPY --from=application /opt/application /opt/revcart
ARG VERSION=0.1.0
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="RevCart platform" \
      org.opencontainers.image.source="https://github.com/revcart/revcart" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
ENV REVCART_BUILD_COMMIT=${REVISION} REVCART_BUILD_TIME=${CREATED}
ENTRYPOINT ["revcart-service"]
