#!/usr/bin/env bash
# Builds the programs of another revision of this repository, beside those of this one.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/build-revision.sh REVISION [debug|release]

Checks REVISION out into a worktree of its own below .local/revisions, builds ledger-service and ledgerctl
there (debug, unless release is asked for) into a build folder of its own, and prints the folder in which
they are. What was built once is not built again. Progress goes to standard error; a first build takes about
ten minutes on two cores. To get rid of everything: rm -r .local/revisions && git worktree prune
TEXT
}

case ${1:-} in
    -h | --help)
        usage
        exit 0
        ;;
esac
configuration=${2:-debug}
if [[ $# -lt 1 || $# -gt 2 || ! $configuration =~ ^(debug|release)$ ]]; then
    usage >&2
    exit 2
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! revision=$(git rev-parse --verify --quiet "$1^{commit}"); then
    echo "build-revision.sh: this clone has no revision $1; git fetch --unshallow --tags may bring it" >&2
    exit 1
fi
readonly folder=$PWD/.local/revisions/${revision:0:12}
readonly tree=$folder/tree build=$folder/build products=(ledger-service ledgerctl)

if [[ ! -e $folder/made ]]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    git worktree add --force --detach "$tree" "$revision" >&2
    # The same releases of what it depends on as here, as far as it asks for the same.
    [[ ! -e Package.resolved || -e $tree/Package.resolved ]] || cp Package.resolved "$tree"
    touch "$folder/made"
fi
if [[ ! -e $folder/$configuration ]]; then
    for product in "${products[@]}"; do
        echo "building $product of $(git log -1 --format='%h, %cs' "$revision")" >&2
        swift build --package-path "$tree" --scratch-path "$build" -c "$configuration" --product "$product" >&2
    done
    touch "$folder/$configuration"
fi
swift build --package-path "$tree" --scratch-path "$build" -c "$configuration" --show-bin-path
