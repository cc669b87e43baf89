# Trainscope in one container: web server, supervisor and workers; everything it keeps lies in /data.
#   docker build -t trainscope .
#   docker run --init --stop-timeout 40 -p 127.0.0.1:8501:8501 -v trainscope:/data trainscope
# docs/deploy.md has the rest: a team's server with PostgreSQL and TLS, updates, backups.

FROM python:3.12-slim AS packages

# An index with CPU builds of torch and torchvision makes the image several gigabytes smaller:
#   docker build --build-arg TORCH_INDEX=<its address> -t trainscope .
# It has builds of its own, whose hashes the lock cannot know: those two come by exact version, everything else by hash.
ARG TORCH_INDEX=""

COPY requirements.lock .
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
RUN if [ -z "$TORCH_INDEX" ]; then \
        cp requirements.lock hashed.lock; \
    else \
        awk '/^[a-z]/ { theirs = /^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/ } !theirs' requirements.lock > hashed.lock \
        && pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" $(grep -oE '^(torch|torchvision)==[^ ]+' requirements.lock); \
    fi \
    && pip install --no-cache-dir --no-deps --require-hashes -r hashed.lock \
    && pip check \
    && find /opt/venv -type d -name tests -prune -exec rm -r {} + # the packages' own: 160 MB

FROM python:3.12-slim

RUN useradd --create-home --uid 1000 trainscope && mkdir /data && chown trainscope /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
# Compiled once, here: the user that the server runs as cannot write beside the sources.
RUN python -m compileall -q .
USER trainscope

# STREAMLIT_SERVER_PORT may be another one: server and health check follow it.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TRAINSCOPE_HOME=/data \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=8501 \
    STREAMLIT_SERVER_HEADLESS=true
VOLUME /data
EXPOSE 8501
# Ready means that a run that is started now would train: the supervisor needs some seconds after the server.
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f\"http://127.0.0.1:{os.environ['STREAMLIT_SERVER_PORT']}/api/ready\", timeout=4)"]
# The server is the process that receives the stop signal. It ends within 40 seconds, in which every run saves a checkpoint.
STOPSIGNAL SIGTERM
CMD ["streamlit", "run", "app.py"]
