# The image of docker-compose.yml: a Django site with the sync in it. The shop of examples/ is the site that is there
# without further words; docs/deployment.md shows how a project of yours takes its place.

# Here the wheel is built. Nothing but the wheel leaves this stage.
FROM rust:1.95-slim-bookworm AS wheel
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /build \
    && /build/bin/pip install --no-cache-dir "maturin>=1.9,<2" "Babel>=2.16"
WORKDIR /src
COPY Cargo.toml Cargo.lock pyproject.toml README.md LICENSE ./
COPY src src
COPY python python
RUN /build/bin/pybabel --quiet compile --directory python/db_sync/locale --domain django \
    && /build/bin/maturin build --release --locked --out /wheels

# Here the site runs.
FROM python:3.13-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_ROOT_USER_ACTION=ignore
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[mysql,scheduler]" "redis>=5" "gunicorn>=23" "whitenoise>=6.9"
# The account has a folder of its own for SQLite files, and may write nowhere else but to /tmp.
RUN useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin site \
    && install --directory --owner=site --group=site /data
WORKDIR /app
# A folder with manage.py, and requirements.txt where the project needs more than is here.
ARG PROJECT=examples/shop
COPY ${PROJECT} .
RUN if [ -f requirements.txt ]; then pip install --no-cache-dir --requirement requirements.txt; fi
USER 10001
EXPOSE 8000
# The settings are those of DJANGO_SETTINGS_MODULE.
CMD ["gunicorn", "--bind=0.0.0.0:8000", "--workers=2", "--threads=4", "--worker-tmp-dir=/dev/shm", "--access-logfile=-", "django.core.wsgi:get_wsgi_application()"]
