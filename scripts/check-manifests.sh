#!/usr/bin/env bash
# Renders the Kubernetes manifests and checks them, without a cluster.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/check-manifests.sh [--static]

Renders every overlay of k8s/overlays, with what k8s/persistent has for it, to
.local/manifests/<overlay>.yaml; once more in another namespace, and prod with every other storage of
k8s/storage, with `kubectl kustomize`. Then, on all of them: Kubernetes' own schemas
(kubernetes-validate, strict), the project's checks (k8s/checks/check.py, and the tests of these),
and checkov, whose exceptions k8s/checks/checkov.yaml explains. Last, this machine's etcd is run with
the manifests' flags, the scripts of k8s/ops on it, and members lose their data.

Needs kubectl 1.27 or later, or kustomize 5, and etcd. The Python tools are installed into
.local/venv-k8s when that is not done yet.

  --static   run no etcd
TEXT
}

static=no
case ${1:-} in
    "") ;;
    --static) static=yes ;;
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
readonly checks=$root/k8s/checks rendered=$root/.local/manifests venv=$root/.local/venv-k8s
# Nothing of these checks belongs into the tree.
export PYTHONDONTWRITEBYTECODE=1

say() {
    echo "==> $*"
}

# The same resources rendered by an old kustomize are other resources: Debian 12's kubectl has 2.0.
choose_renderer() {
    if kubectl kustomize --help >/dev/null 2>&1 &&
        kubectl version --client 2>/dev/null | grep '^Kustomize Version: v5' >/dev/null; then
        renderer=(kubectl kustomize)
    elif kustomize version 2>/dev/null | grep '^v5' >/dev/null; then
        renderer=(kustomize build)
    else
        {
            echo "check-manifests.sh: kubectl 1.27 or later, or kustomize 5, is missing"
            echo "(https://kubernetes.io/docs/tasks/tools/)"
        } >&2
        exit 1
    fi
}

prepare_python() {
    local stamp
    stamp=$(cksum <"$checks/requirements.txt")
    if [[ "$(cat "$venv/.requirements" 2>/dev/null)" == "$stamp" ]]; then
        return
    fi
    say "Making the Python environment .local/venv-k8s"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --requirement "$checks/requirements.txt"
    echo "$stamp" >"$venv/.requirements"
}

# whole FOLDER OVERLAY: what is there after both have been applied.
whole() {
    "${renderer[@]}" "$1/persistent/$2"
    echo ---
    "${renderer[@]}" "$1/overlays/$2"
}

# changed NAME FILE EXPRESSION: the overlay once more, from a copy in which sed changed one line of a file.
# kustomize reads only inside the project.
changed() {
    cp -R "$root/k8s" "$work/k8s"
    sed -i "$3" "$work/k8s/$2"
    whole "$work/k8s" "$overlay" >"$rendered/$overlay-$1.yaml"
    rm -rf "$work/k8s"
}

# Writes the list of the components that fit an overlay and that it does not have.
list_components() {
    local component other=bucket
    [[ $1 == dev ]] || other=folder
    for component in "$root"/k8s/components/*/; do
        component=$(basename "$component")
        [[ $component != "archive-$other" ]] || continue
        grep -q "components/$component\$" "$root/k8s/overlays/$1/kustomization.yaml" ||
            echo "  - ../../components/$component"
    done >"$work/components"
}

# render OVERLAY: as it is; in another namespace; with components; and, where a storage is named, with each other one.
render() {
    local overlay=$1 storage place=persistent/$1/kustomization.yaml
    whole "$root/k8s" "$overlay" >"$rendered/$overlay.yaml"
    list_components "$overlay"
    changed elsewhere namespace/kustomization.yaml 's/^namespace: .*/namespace: elsewhere/'
    # With the components that fit: all but the other kind of archive.
    changed components "overlays/$overlay/kustomization.yaml" "/^components:/r $work/components"
    grep -q '^kind: StorageClass' "$rendered/$overlay.yaml" || return 0
    for storage in "$root"/k8s/storage/*/; do
        storage=$(basename "$storage")
        grep -q "storage/$storage\$" "$root/k8s/$place" ||
            changed "$storage" "$place" "s|storage/[a-z-]*\$|storage/$storage|"
    done
}

# What an overlay has, `delete -k` takes away. Volumes, and the namespace with everything in it, stay.
check_deletion() {
    local kinds
    kinds=$("${renderer[@]}" "$root/k8s/overlays/$1" |
        grep -E '^kind: (Namespace|PersistentVolumeClaim|StorageClass|Secret)$') || return 0
    echo "k8s/overlays/$1 has what must outlive it: $kinds" >&2
    return 1
}

choose_renderer
mkdir -p "$rendered"
rm -f "$rendered"/*.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prepare_python

say "Rendering with ${renderer[*]}"
for overlay in "$root"/k8s/overlays/*/; do
    render "$(basename "$overlay")"
    check_deletion "$(basename "$overlay")"
done

say "Schemas, and what they cannot see"
"$root/scripts/check-etcd-flags.sh"
(cd "$rendered" && "$venv/bin/python" "$checks/check.py" ./*.yaml)

say "The checks themselves"
(cd "$checks" && "$venv/bin/python" -m unittest --quiet test_checks)

say "checkov"
# It asks its maker's server for texts that are not needed here, unless told not to.
(cd "$rendered" && "$venv/bin/checkov" --config-file "$checks/checkov.yaml" --skip-download \
    --directory .)

if [[ $static == no ]]; then
    say "etcd with the manifests' flags, and the scripts of k8s/ops on it"
    (cd "$checks" && "$venv/bin/python" -m unittest --quiet test_etcd)
    say "Members that lose their data"
    (cd "$checks" && "$venv/bin/python" -m unittest --quiet test_rejoin)
fi
say "All well. The manifests are in .local/manifests"
