#!/usr/bin/env bash
# Builds the images where there is neither Docker nor a registry, and looks at what came out.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: sudo scripts/try-image.sh [--remove] [-- BUILDAH_OPTION...]

Builds both targets of the Dockerfile with buildah, in a container storage of its own below
.local/try-image, on base images that bear the real ones' names but are made here:

  debian:bookworm-slim   by debootstrap, without manuals and documentation
  swift:6.3-bookworm     that, with this machine's Swift toolchain and the packages it needs
  etcd                   that, with Debian's etcd, which is older than the real one and has no
                         etcdutl: a script stands in that only says so

Then it starts the programs in the image, as the image's user, and lists the image's contents. This
shows that the Dockerfile's steps work and fit together. It does not show what the real base images
contain.

Needs root, about 12 GB, buildah and debootstrap; for a Debian mirror other
than debootstrap's own set DEBIAN_MIRROR.

  --remove   remove the storage and do nothing else
  --         what follows goes to `buildah build`, for example --volume FOLDER:FOLDER:ro
TEXT
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly state=$root/.local/try-image
readonly debian=docker.io/library/debian:bookworm-slim
readonly isolation=--isolation=chroot
# Nothing stands for debootstrap's own.
readonly mirror=(${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"})

say() {
    echo "==> $*"
}

die() {
    echo "try-image.sh: $*" >&2
    exit 1
}

images() {
    buildah --root "$state/storage" --runroot "$state/run" "$@"
}

# base_named NAME: the default of the Dockerfile's ARG.
base_named() {
    sed -n "s/^ARG $1=//p" "$root/Dockerfile"
}

exists() {
    images inspect --type image "$1" >/dev/null 2>&1
}

make_debian() {
    local folder=$state/debian container
    say "Making $debian"
    rm -rf "$folder"
    debootstrap --variant=minbase bookworm "$folder" "${mirror[@]}" >"$state/debootstrap.log" ||
        die "debootstrap failed; see $state/debootstrap.log"
    rm -rf "$folder"/usr/share/{doc,info,locale,man}/* "$folder"/var/cache/apt/archives/*.deb \
        "$folder"/var/lib/apt/lists/*
    # As the real image does it: apt leaves nothing behind that a layer would keep.
    cat >"$folder/etc/apt/apt.conf.d/docker-clean" <<'CONF'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
CONF
    container=$(images from scratch)
    images add --quiet "$container" "$folder" / >/dev/null
    images config --cmd bash "$container"
    images commit --quiet --rm "$container" "$debian" >/dev/null
    rm -rf "$folder"
}

make_swift() {
    local container toolchain
    toolchain=$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")
    say "Making $(base_named SWIFT_IMAGE) from $toolchain"
    container=$(images from "$debian")
    images run "$isolation" "$container" -- sh -c 'apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            binutils ca-certificates git libc6-dev libcurl4-openssl-dev libedit2 libgcc-12-dev \
            libncurses6 libsqlite3-0 libstdc++-12-dev libxml2 tzdata zlib1g-dev' \
        >"$state/swift.log" 2>&1 || die "apt-get failed; see $state/swift.log"
    images add --quiet "$container" "$toolchain" /usr >/dev/null
    images commit --quiet --rm "$container" "$(base_named SWIFT_IMAGE)" >/dev/null
}

make_etcd() {
    local container
    say "Making $(base_named ETCD_IMAGE) from Debian's packages"
    container=$(images from "$debian")
    images run "$isolation" "$container" -- sh -c 'apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            etcd-client etcd-server &&
        mv /usr/bin/etcd /usr/bin/etcdctl /usr/local/bin/ &&
        printf "#!/bin/sh\necho stand-in: Debian has no etcdutl >&2\nexit 1\n" \
            >/usr/local/bin/etcdutl && chmod 0755 /usr/local/bin/etcdutl' \
        >"$state/etcd.log" 2>&1 || die "apt-get failed; see $state/etcd.log"
    images commit --quiet --rm "$container" "$(base_named ETCD_IMAGE)" >/dev/null
}

build() {
    local target=$1 started=$SECONDS
    shift
    say "Building the target $target (log: $state/$target.log)"
    images build "$isolation" --layers --pull-never --target "$target" \
        --tag "localhost/try-$target" --build-arg VERSION=trial \
        --build-arg "REVISION=$(git -C "$root" rev-parse HEAD)" "$@" "$root" \
        >"$state/$target.log" 2>&1 || {
        tail -n 30 "$state/$target.log" >&2
        die "the build of $target failed; the whole log is $state/$target.log"
    }
    say "Built $target in $((SECONDS - started)) s"
}

# in_image TARGET COMMAND...: as the image's own user.
in_image() {
    local container result=0
    container=$(images from "localhost/try-$1")
    images run "$isolation" "$container" -- "${@:2}" || result=$?
    images rm "$container" >/dev/null
    return "$result"
}

look() {
    local container folder result=0
    say "Starting the programs"
    in_image service id
    in_image service ledgerctl --help | sed -n 1p
    in_image service env LEDGER_PORT=none ledger-service || result=$?
    ((result == 64)) || die "ledger-service ended with $result where a wrong setting gives 64"
    in_image ops etcdctl version
    in_image ops etcd-bootstrap-auth.sh --help | sed -n 1p

    container=$(images from localhost/try-service)
    folder=$(images mount "$container")
    say "Libraries of ledger-service"
    chroot "$folder" ldd /usr/local/bin/ledger-service | awk '{ print "    " $1 }' | sort
    "$root/scripts/sbom.py" --root "$folder" >"$state/sbom.cdx.json"
    say "$(grep -c '"bom-ref"' "$state/sbom.cdx.json") parts in $state/sbom.cdx.json"
    du --summarize --human-readable --apparent-size "$folder"/usr/local/bin/ledger* |
        sed "s|$folder|    |"
    images umount "$container" >/dev/null
    images rm "$container" >/dev/null
    images images --filter reference='localhost/try-*'
    images images "$debian"
}

# A trial that was stopped may have left file systems mounted.
remove() {
    local mounted
    while read -r mounted; do
        umount "$mounted"
    done < <(awk -v below="$state/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r)
    rm -rf "$state"
}

while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --remove)
            remove
            exit 0
            ;;
        --)
            shift
            break
            ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    shift
done

((EUID == 0)) || die "this needs root: sudo scripts/try-image.sh"
for tool in buildah debootstrap swift; do
    command -v "$tool" >/dev/null || die "$tool is missing; install it and run this again"
done
mkdir -p "$state"
exists "$debian" || make_debian
exists "$(base_named SWIFT_IMAGE)" || make_swift
exists "$(base_named ETCD_IMAGE)" || make_etcd
build ops "$@"
build service "$@"
look
