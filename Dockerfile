# The core image: Python, Ray and all packages in the tested versions, and this code. Every node of a cluster runs it, too.
#
#     docker build -t clipmill .
#     docker run --rm -v ~/Films:/films:ro -v ~/curated:/out clipmill python -m pipelines curate /films /out
#
# With models: --build-arg EXTRAS='[models]', 7 GB more.
FROM python:3.11-slim-bookworm

# OpenCV wants libGL and GLib, KubeRay's health checks wget, `ray up` rsync.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 rsync wget \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /clipmill
ARG EXTRAS=
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt --editable ".${EXTRAS}"

# A user of its own; `~/.ray/auth_token` is looked for in its home. What it writes to has to belong to uid 1000.
RUN useradd --create-home --uid 1000 ray
USER ray
CMD ["python", "-m", "pipelines", "--help"]
