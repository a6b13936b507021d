# syntax=docker/dockerfile:1
# By digest, so that a build is repeated with the same base. To renew it:
#   docker buildx imagetools inspect python:3.11-slim
FROM python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7 AS build
COPY requirements/serve.txt /build/requirements/serve.txt
# Of OpenVINO, only what runs on a processor.
RUN python -m venv /opt/postern \
    && /opt/postern/bin/pip install --no-cache-dir --quiet --no-deps --require-hashes -r /build/requirements/serve.txt \
    && cd /opt/postern/lib/python3.11/site-packages/openvino/libs \
    && rm -f libopenvino_intel_gpu_plugin.so libopenvino_intel_npu_plugin.so cache.json

FROM python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7
# Runs as nobody, writes nothing: `docker run --read-only --cap-drop ALL` works.
ENV ORT_DISABLE_TELEMETRY=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/postern/bin:$PATH PYTHONPATH=/srv/postern/app
COPY --from=build /opt/postern /opt/postern
WORKDIR /srv/postern
COPY app app
COPY artifacts/postern-minilm/2.0.0 artifacts/postern-minilm/2.0.0
# For other languages. POSTERN_LANGUAGE_ARTIFACTS= (empty) leaves it out of memory.
COPY artifacts/postern-multilingual/1.3.0 artifacts/postern-multilingual/1.3.0
USER 65534:65534
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["python", "-m", "postern", "probe", "http://127.0.0.1:8000/healthz"]
# It listens for everyone who reaches the container, so it asks for keys: give it POSTERN_API_KEYS
# (or POSTERN_API_KEYS_FILE), or POSTERN_ALLOW_ANONYMOUS=true; with neither it says so and ends.
# Exec form: signals reach the server, which drains before it leaves.
ENTRYPOINT ["python", "-m", "postern", "serve"]
CMD ["--host", "0.0.0.0", "--port", "8000"]
