# Two images: the ledger itself (the default target), and `ops`, which the cluster's jobs use to set up, back up
# and defragment etcd, and its members to come back when they lost their data.
#
#   docker build -t immutable-ledger .
#   docker build -t immutable-ledger-ops --target ops .
#
# podman and buildah build them too. The images below can be replaced by a mirror's with --build-arg.
ARG SWIFT_IMAGE=docker.io/library/swift:6.3-bookworm
ARG DEBIAN_IMAGE=docker.io/library/debian:bookworm-slim
ARG ETCD_IMAGE=gcr.io/etcd-development/etcd:v3.6.15

# hadolint global ignore=DL3008
# Debian's mirrors keep only the newest version of a package: a version pinned here would stop the build at the
# next security update. scripts/sbom.sh lists the versions that went in.

FROM ${SWIFT_IMAGE} AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libcurl4-openssl-dev pkg-config \
        zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# The packages this one depends on stay in a layer of their own until Package.swift changes. Without a
# Package.resolved, this writes one, and the build below keeps to it.
COPY Package.swift Package.resolve[d] ./
RUN swift package resolve --cache-path /var/cache/swiftpm --scratch-path /tmp/resolved \
    && rm -rf /tmp/resolved

# SwiftPM looks at the folders of all targets, also of those that are not built here.
COPY Benchmarks Benchmarks
COPY Tests Tests
COPY Sources Sources
# Where the builder keeps the cache mount, only what changed is compiled again. What is wanted leaves it in the
# same step.
RUN --mount=type=cache,target=/src/.build,sharing=locked \
    for program in ledger-service ledgerctl; do \
        swift build -c release --product "$program" --static-swift-stdlib \
            --cache-path /var/cache/swiftpm --force-resolved-versions -Xlinker -s || exit; \
    done \
    && install -D -t /out/bin .build/release/ledger-service .build/release/ledgerctl \
    && install -D -m 0644 -t /out/share Package.resolved \
    && swift --version > /out/share/swift-version


FROM ${ETCD_IMAGE} AS etcd


FROM ${DEBIAN_IMAGE} AS ops
ARG VERSION=unknown
ARG REVISION=unknown
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bash ca-certificates curl openssl \
    && rm -rf /var/lib/apt/lists/*
COPY --from=etcd /usr/local/bin/etcd /usr/local/bin/etcdctl /usr/local/bin/etcdutl /usr/local/bin/
COPY --chmod=0755 k8s/ops/*.sh /usr/local/bin/
USER 65532:65532
LABEL org.opencontainers.image.title="immutable-ledger-ops" \
      org.opencontainers.image.description="etcdctl, etcdutl and the scripts that set up, back up and defragment the ledger's etcd" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"


FROM ${DEBIAN_IMAGE} AS service
ARG VERSION=unknown
ARG REVISION=unknown
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates libcurl4 libstdc++6 zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/share/ /usr/share/immutable-ledger/
COPY --from=build /out/bin/ /usr/local/bin/
# A number, so that Kubernetes can see that it is not root's. Nothing is written anywhere: the root file system
# may be read-only.
USER 65532:65532
EXPOSE 50051 50052 9464
ENTRYPOINT ["/usr/local/bin/ledger-service"]
LABEL org.opencontainers.image.title="immutable-ledger" \
      org.opencontainers.image.description="Seals certified events into etcd, one definitive number each" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
