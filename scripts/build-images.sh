#!/usr/bin/env bash
# Builds the image of the ledger and the image of its tools on this machine.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/build-images.sh [--engine NAME] [--registry PREFIX]

Builds PREFIX/immutable-ledger and PREFIX/immutable-ledger-ops (PREFIX is localhost where none is
given). The tag is the git revision; changes that are not committed add -dirty- and a mark of them.

  --engine NAME      docker, podman or buildah (default: the first that works)
  --registry PREFIX  for example registry.example.org/ledger; nothing is pushed
TEXT
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/deploy/common.sh
source "$root/scripts/deploy/common.sh"
# shellcheck source=scripts/deploy/images.sh
source "$root/scripts/deploy/images.sh"

while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --engine) engine=${2:-} ;;
        --registry) registry=${2:-} ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    if [[ -z "${2:-}" ]]; then
        usage >&2
        exit 2
    fi
    shift 2
done
need git
build_images
say "Built $image and $ops_image"
