# One image for every part of the program; docker-compose.yml says which part runs.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Nothing is installed that is not pinned by its hash.
COPY requirements.txt /tmp/requirements.txt
RUN pip install --require-hashes --no-deps --only-binary=:all: -r /tmp/requirements.txt && rm /tmp/requirements.txt

# A user of its own; /data holds keys, journals and the spool, and a new volume takes over its owner from here.
RUN groupadd --system --gid 10001 dispatcher \
    && useradd --system --uid 10001 --gid dispatcher --home-dir /data --shell /usr/sbin/nologin dispatcher \
    && install -d -o dispatcher -g dispatcher -m 0700 /data

WORKDIR /app
COPY campaigns campaigns
COPY config config
COPY providers providers
COPY workers workers
COPY dispatcher dispatcher

USER dispatcher
ENV DISPATCHER_DATA=/data
VOLUME /data
ENTRYPOINT ["python", "-c", "from dispatcher.cli import main; main()"]
CMD ["--help"]
