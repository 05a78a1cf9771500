# The README's steps in a container: docker build -t realfake . && docker run --rm -v "$PWD/outputs:/realfake/outputs" realfake
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /realfake
COPY . .
RUN make setup

ENV PATH=/realfake/.venv/bin:$PATH
CMD ["make", "demo"]
