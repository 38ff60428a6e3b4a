# The service in a container: web page and REST interface. No PyTorch, no compiler, not root.
#
#   docker build --tag tumorlens .
#
# docs/how-to/deploy.md says how it is run.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY docs/reference/evaluation.json docs/reference/evaluation.json
COPY src src
RUN python -m venv /opt/tumorlens \
    && /opt/tumorlens/bin/pip install ".[serve,postgres,nifti]"

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="TumorLens" \
      org.opencontainers.image.description="Finds tumors in brain MRI. For research and education only." \
      org.opencontainers.image.licenses="Apache-2.0"
# Letters for the names in PDF reports: Latin, Greek, Cyrillic, Devanagari, Chinese.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        fonts-dejavu-core fonts-lohit-deva fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home --home-dir /data --shell /usr/sbin/nologin tumorlens \
    && chmod 0700 /data
COPY --from=build /opt/tumorlens /opt/tumorlens
ENV PATH=/opt/tumorlens/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TUMORLENS_ACCOUNTS=true \
    TUMORLENS_DATA_DIR=/data \
    TUMORLENS_HOST=0.0.0.0 \
    TUMORLENS_PORT=8000
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "tumorlens.serve.probe"]
ENTRYPOINT ["tumorlens"]
CMD ["serve"]
