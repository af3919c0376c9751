# The service, started as `remediator serve`; what follows the image's name replaces that `serve`:
#   make image IMAGE=remediator
#   docker run --rm -p 127.0.0.1:8080:8080 -p 127.0.0.1:9090:9090 remediator serve --embedded --insecure-no-auth
# It runs as any user, without capabilities, and with a read-only root; a /tmp is only needed for --embedded and for a
# kubeconfig with certificates inside.
# Its own copy of rules/ is at /etc/remediator/rules; mount yours over it, or give --config.file.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim

FROM ${BASE_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/remediator
ENV PATH=/opt/remediator/bin:${PATH}
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
# The lock files are complete. A cache in a stage that is thrown away takes no room.
# hadolint ignore=DL3042
RUN pip install --no-compile --no-deps --require-hashes --requirement requirements.txt \
 && python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-compile --no-deps --require-hashes --requirement requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY remediator remediator
COPY rules rules
# The bytecode does not depend on times of files, which
# not every tool keeps: the root is read-only, so what is not compiled here would be compiled at every start.
# hadolint ignore=DL3042
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /src/dist . \
 && pip install --no-compile --no-deps --no-index /src/dist/*.whl \
 && pip uninstall --yes setuptools pip \
 && python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash /opt/remediator/lib

FROM ${BASE_IMAGE}
# Blocks from 256 KiB on are always mappings, so that the memory of large bodies goes back to the system.
ENV PATH=/opt/remediator/bin:${PATH} PYTHONUNBUFFERED=1 MALLOC_MMAP_THRESHOLD_=262144
COPY --from=builder /opt/remediator /opt/remediator
WORKDIR /etc/remediator
COPY rules rules
# The interpreter comes without bytecode of its own library: starting each command once leaves what they need of it.
# Then its pip goes as well.
RUN chmod -R a+rX . && remediator check --lint-fatal && python -m remediator.sandbox --help > /dev/null \
 && python -c 'import remediator.service' \
 && stdlib=$(python -c 'import os; print(os.path.dirname(os.__file__))') \
 && rm -rf "$stdlib/ensurepip" "$stdlib"/site-packages/pip "$stdlib"/site-packages/pip-* /usr/local/bin/pip*
ENV PYTHONDONTWRITEBYTECODE=1
ARG VERSION=unknown
LABEL org.opencontainers.image.title="Remediator" \
      org.opencontainers.image.description="The safety reflex of a canary rollout: an Alertmanager webhook that can only make things safer." \
      org.opencontainers.image.source="https://github.com/denis-run/remediator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
USER 65532:65532
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["remediator"]
CMD ["serve"]
