# Trainscope for a team: one container with web server, supervisor and workers; everything it keeps lies in /data.
#   docker build -t trainscope . && docker run -p 8501:8501 -v trainscope:/data trainscope
FROM python:3.12-slim

# Where pip finds torch is the builder's choice: a CPU-only index makes the image several gigabytes smaller, for example
#   docker build --build-arg PIP_ARGS="--extra-index-url <index of CPU builds>" .
ARG PIP_ARGS=""

WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir ${PIP_ARGS} -r requirements.txt

RUN useradd --create-home --uid 1000 trainscope && mkdir /data && chown trainscope /data
COPY --chown=trainscope app.py ./
COPY --chown=trainscope .streamlit .streamlit
COPY --chown=trainscope pages pages
COPY --chown=trainscope trainer trainer
USER trainscope

ENV TRAINSCOPE_HOME=/data \
    PYTHONUNBUFFERED=1 \
    STREAMLIT_SERVER_HEADLESS=true
VOLUME /data
EXPOSE 8501
# The server answers before torch is imported; the supervisor needs some seconds more.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/api/health', timeout=4)"]
# exec form: the server is process 1 and receives the stop signal, so runs are checkpointed before the container ends
STOPSIGNAL SIGTERM
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501"]
