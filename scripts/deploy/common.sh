# shellcheck shell=bash
# Sourced by deploy.sh and build-images.sh, never run: their settings, and how they speak.
# The variables set here are for the other parts.
# shellcheck disable=SC2034,SC2154

namespace=$(sed -n 's/^namespace: //p' "$root/k8s/namespace/kustomization.yaml")
readonly namespace
readonly etcd=statefulset/etcd
readonly cronjobs=(etcd-bootstrap-auth etcd-backup etcd-defragment)
readonly ledger=deployment/ledger-service

# What the command line chose; context and kubectl are set by choose_context, work by
# make_work_folder.

environment=""
given_context=""
registry=""
image=""
ops_image=""
engine=""
timeout=300
seal=""
make_secrets=yes
assume_yes=no
dry_run=no
delete_data=no
context=""
kubectl=(kubectl)
work=""

say() {
    echo "==> $*"
}

# Says what is wrong and what to do now, and leaves.
die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# change COMMAND...: does it, or with --dry-run only says so. Everything that alters the cluster,
# the registry or this machine goes through here.
change() {
    if [[ $dry_run == yes ]]; then
        printf 'would run:'
        printf ' %q' "$@"
        printf '\n'
    else
        "$@"
    fi
}

# need TOOL...
need() {
    local tool missing=()
    for tool in "$@"; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    ((${#missing[@]} == 0)) ||
        die "these tools are missing: ${missing[*]}. Install them and run this again"
}

# ask QUESTION EXPECTED: whether exactly that was typed.
ask() {
    local answer=""
    read -r -p "$1 " answer || true
    [[ "$answer" == "$2" ]]
}

# kube ARGUMENT...: kubectl, always in the context that was chosen at the start.
kube() {
    "${kubectl[@]}" "$@"
}

# exists KIND NAME; a question that was not answered is no "no".
exists() {
    local found
    found=$(kube get "$1" "$2" --ignore-not-found --output name) ||
        die "whether $1 $2 exists could not be found out, see above; run this again when it can"
    [[ -n "$found" ]]
}

# A folder of this run, removed at its end. kustomize wants the overlay in it to lie in the project.
make_work_folder() {
    mkdir -p "$root/.local"
    work=$(mktemp -d "$root/.local/deploy.XXXXXX")
    trap 'rm -rf "$work"' EXIT
}
