#!/usr/bin/env bash
# Fetches a later etcd than this Debian has, to test with it; nothing is installed.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/get-etcd.sh

Unpacks etcd, etcdctl and etcdutl 3.5 of Debian 13 (trixie) to .local/etcd-3.5/usr/bin, where they are
not there yet. apt-get verifies their signatures with the keys of this machine's Debian, and keeps its
lists below .local. Put that folder first into PATH to use them.
TEXT
}

case ${1:-} in
    "") ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly folder=$root/.local/etcd-3.5 keys=/usr/share/keyrings/debian-archive-keyring.gpg
if [[ -x "$folder/usr/bin/etcd" && -x "$folder/usr/bin/etcdctl" ]]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [[ ! -r "$keys" ]]; then
    echo "get-etcd.sh: apt-get and $keys are needed; else put an etcd 3.5 into $folder/usr/bin" >&2
    exit 1
fi
rm -rf "$folder"
mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
# From where this machine has its own Debian.
# shellcheck disable=SC2016 # apt-get puts the value in
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Component: main' | grep -v -- '-security' | sed -n 1p || true)
if [[ -z "$mirror" ]]; then
    echo "get-etcd.sh: apt knows no Debian archive here (apt-get update?); else put an etcd 3.5 into $folder/usr/bin" >&2
    exit 1
fi
echo "deb [signed-by=$keys] $mirror trixie main" >"$folder/apt/sources.list"
apt=(apt-get --quiet --quiet -o "Dir::Etc::SourceList=$folder/apt/sources.list"
    -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$folder/apt/lists"
    -o "Dir::Cache=$folder/apt/cache" -o APT::Sandbox::User="$(id -un)")
"${apt[@]}" update
(cd "$folder/apt" && "${apt[@]}" download etcd-server etcd-client)
for package in "$folder"/apt/*.deb; do
    dpkg -x "$package" "$folder"
done
rm -rf "$folder/apt"
"$folder/usr/bin/etcd" --version | sed -n 1p
