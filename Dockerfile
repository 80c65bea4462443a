# Farewell's images: one target each for gateway and worker, and three small ones that docker-compose.yml needs beside them.
#
#     docker build --target gateway -t farewell-gateway .
#
# Any base will do that has Debian 12's or 13's packages.
ARG BASE_IMAGE=debian:trixie-slim

# ---- build: compiles, runs the CUnit tests (not those that read the whole tree), installs to /out ----
FROM ${BASE_IMAGE} AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        build-essential autoconf automake pkg-config libfcgi-dev librabbitmq-dev libpq-dev libcurl4-openssl-dev libjson-c-dev \
        libjwt-dev libexpat1-dev libssl-dev libcunit1-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN ./bootstrap && ./configure --prefix=/usr --sysconfdir=/etc --localstatedir=/var \
 && make -j"$(nproc)" && make -j"$(nproc)" check style_tests= && make install-strip DESTDIR=/out
# Which packages have the shared libraries that each program names: their names differ between releases.
RUN for program in farewell-fcgi farewell-workerd; do \
        objdump -p /out/usr/sbin/$program | awk '$1 == "NEEDED" { print "*/" $2 }' | xargs dpkg -S \
            | cut -d: -f1 | sort -u >/out/$program.packages; \
    done

# ---- run: what every image of ours starts from. No privilege, and nothing that needs one ----
FROM ${BASE_IMAGE} AS run
# 101 is nginx's group in the official image: the gateway gives its socket to it.
RUN groupadd --system --gid 101 nginx && groupadd --system --gid 10001 farewell \
 && useradd --system --uid 10001 --gid farewell --groups nginx --home-dir / --no-create-home --shell /usr/sbin/nologin farewell \
 && install -d -o farewell -g farewell -m 0755 /run/farewell && install -d -m 0755 /run/secrets
COPY docker/farewell.conf /etc/farewell.conf
# A server that is stopped has no name in Docker's networks, and the lookup must not outlast a request.
ENV RES_OPTIONS="timeout:1 attempts:1"

# ---- gateway: farewell-fcgi. nginx finds its socket in the volume /run/gateway ----
FROM run AS gateway
COPY --from=build /out/farewell-fcgi.packages /tmp/
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(cat /tmp/*.packages) \
 && rm -rf /var/lib/apt/lists/* /tmp/*.packages && install -d -o farewell -g nginx -m 0750 /run/gateway
COPY --from=build /out/usr/sbin/farewell-fcgi /usr/sbin/
ENV FAREWELL_GATEWAY_SOCKET=/run/gateway/gateway.sock FAREWELL_GATEWAY_SOCKET_GROUP=nginx
USER farewell
VOLUME /run/gateway
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["farewell-fcgi", "-H"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["farewell-fcgi"]
CMD ["-f"]

# ---- worker: farewell-workerd ----
FROM run AS worker
COPY --from=build /out/farewell-workerd.packages /tmp/
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates $(cat /tmp/*.packages) \
 && rm -rf /var/lib/apt/lists/* /tmp/*.packages
COPY --from=build /out/usr/sbin/farewell-workerd /usr/sbin/
COPY --from=build /out/usr/share/farewell/mail /usr/share/farewell/mail
USER farewell
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["farewell-workerd", "-H"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["farewell-workerd"]
CMD ["-f"]

# ---- tools: the one-shots. Passwords, migrations, a sample account, tokens ----
FROM run AS tools
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql-client curl ca-certificates openssl \
 && rm -rf /var/lib/apt/lists/*
COPY db /usr/share/farewell/db
COPY docker/tools /usr/local/bin
USER farewell
CMD ["show"]

# ---- s3: an S3 store in one container, for trying out ----
FROM ${BASE_IMAGE} AS s3
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ceph-mon ceph-osd radosgw curl uuid-runtime \
 && rm -rf /var/lib/apt/lists/* /etc/ceph && install -d -o ceph -g ceph -m 0700 /var/lib/ceph-s3
COPY docker/s3/entrypoint /usr/local/bin/s3-entrypoint
USER ceph
VOLUME /var/lib/ceph-s3
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8000/"]
ENTRYPOINT ["s3-entrypoint"]

# ---- mail: takes every mail and puts it into a Maildir, for trying out ----
FROM run AS mail
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-aiosmtpd \
 && rm -rf /var/lib/apt/lists/* && install -d -o farewell -g farewell -m 0700 /var/mail/farewell
COPY tests/stack/smtpd.py /usr/local/lib/farewell/smtpd.py
USER farewell
VOLUME /var/mail/farewell
EXPOSE 2525
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "import smtplib; smtplib.SMTP('127.0.0.1', 2525, timeout=3).noop()"]
ENTRYPOINT ["python3", "-u", "/usr/local/lib/farewell/smtpd.py", "0.0.0.0:2525", "/var/mail/farewell/Maildir", "/dev/null"]
