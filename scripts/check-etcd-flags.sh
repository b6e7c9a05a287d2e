#!/usr/bin/env bash
# Checks that Kubernetes starts etcd's members with the flags that they are tested with here.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/check-etcd-flags.sh [MANIFEST]

Fails where MANIFEST, the StatefulSet of etcd as YAML (default: k8s/etcd/etcd-statefulset.yaml), lacks
one of the flags in scripts/etcd-flags.txt, or has it with another value. A value that comes from a
variable, as the quota does, is not compared.
TEXT
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit 0
fi
if (($# > 1)); then
    usage >&2
    exit 2
fi
manifest=${1:-$root/k8s/etcd/etcd-statefulset.yaml}
[[ -r "$manifest" ]] || {
    echo "check-etcd-flags.sh: there is no $manifest; name the manifest of etcd's StatefulSet" >&2
    exit 2
}

status=0
while read -r flag; do
    found=$(sed -n "s/^ *- *[\"']\{0,1\}\(${flag%%=*}=[^\"' ]*\).*/\1/p" "$manifest")
    # What depends on the memory there comes from a variable: k8s/checks looks at it.
    [[ "$found" != "${flag%%=*}=\$("*")" ]] || continue
    if [[ "$found" != "$flag" ]]; then
        echo "$manifest: ${found:-no ${flag%%=*}} where scripts/etcd-flags.txt has $flag" >&2
        status=1
    fi
done < <(grep '^--' "$root/scripts/etcd-flags.txt")
exit "$status"
