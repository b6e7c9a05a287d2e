#!/usr/bin/env bash
# Prepares a machine for building, testing and running the ledger.
#
#   ./setup-env.sh          installs what is missing, makes certificates and a Python environment
#   source setup-env.sh     the same, and sets this shell's environment for the local ledger
#
# `./setup-env.sh --help` says more. Sourcing changes variables only: no shell option is touched.

setup_env_usage() {
    cat <<'TEXT'
Usage: ./setup-env.sh [--help]
       source setup-env.sh        (bash)

Run, it does what is not done yet, and says what it does:
  - installs missing Debian packages with apt-get (with sudo where you are not root)
  - checks that Swift 6.2 or later is there
  - makes the development certificates in certs/dev
  - makes a Python environment in .local/venv for the Python client tests
  - unpacks Debian's prometheus to .local/prometheus for the tests of alerts, unless there is one
  - says which of the tools for images and Kubernetes are not here; it does not install those

Sourced, it also exports, for this shell:
  ETCD_ENDPOINTS, ETCD_CA_CERT, ETCD_CLIENT_CERT, ETCD_CLIENT_KEY,
  ETCD_USERNAME, ETCD_PASSWORD                                      for ledger-service
  ETCDCTL_*                                                         for etcdctl
  LEDGER_ADDRESS                                                    for ledgerctl
  PATH                                         with the built programs (release before debug)

Other ports: set LOCAL_ETCD_PORT (nine ports from 23790), LEDGER_PORT (50051),
LEDGER_INTERNAL_PORT (50052) or LEDGER_ADMIN_PORT (9464) before.
TEXT
}

setup_env_say() {
    echo "setup-env: $*"
}

# Prints the names of the Debian packages that are missing. It looks for what a package brings and
# not for the package, so that tools installed in another way do.
setup_env_missing_packages() {
    local command package
    while read -r command package; do
        command -v "$command" >/dev/null || echo "$package"
    done <<'LIST'
etcd etcd-server
etcdctl etcd-client
protoc protobuf-compiler
pkg-config pkg-config
openssl openssl
curl curl
git git
make make
shellcheck shellcheck
pgrep procps
python3 python3
LIST
    # Without pkg-config nothing is known of the libraries; installing what is there is harmless.
    pkg-config --exists libcurl 2>/dev/null || echo libcurl4-openssl-dev
    pkg-config --exists openssl 2>/dev/null || echo libssl-dev
    pkg-config --exists zlib 2>/dev/null || echo zlib1g-dev
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    # The tests' S3 server, which runs in Debian's own Python whatever comes first in PATH.
    /usr/bin/python3 -c 'import swift.proxy.server' 2>/dev/null || echo python3-swift
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
}

setup_env_install_packages() {
    local -a missing as_root=()
    mapfile -t missing < <(setup_env_missing_packages)
    if ((${#missing[@]} == 0)); then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        setup_env_say "these Debian packages' contents are missing: ${missing[*]}" >&2
        setup_env_say "there is no apt-get here; install them in this system's way" >&2
        return 1
    fi
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            setup_env_say "run this as root: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    setup_env_say "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
    if [[ " ${missing[*]} " == *" etcd-server "* && -d /run/systemd/system ]]; then
        setup_env_say "Debian's etcd-server has started an etcd of its own on port 2379. The" \
            "ledger does not use it: sudo systemctl disable --now etcd"
    fi
}

setup_env_check_swift() {
    local version="" required=6.2
    if command -v swift >/dev/null; then
        version=$(swift --version 2>/dev/null |
            sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | sed -n 1p)
    fi
    if [[ -n "$version" &&
        "$(printf '%s\n' "$required" "$version" | sort -V | sed -n 1p)" == "$required" ]]; then
        setup_env_say "Swift $version"
        return
    fi
    {
        setup_env_say "Swift $required or later is needed; found ${version:-none}"
        setup_env_say "get it with swiftly (https://www.swift.org/install/linux/):" \
            "swiftly install latest"
        setup_env_say "or unpack a toolchain for this system and put its usr/bin into PATH"
    } >&2
    return 1
}

# Nothing that a build, a test or a local ledger needs: said in one line, not installed.
setup_env_optional_tools() {
    local absent=""
    command -v kubectl >/dev/null || absent+="; kubectl (./deploy.sh, make manifests)"
    command -v docker >/dev/null || command -v podman >/dev/null || command -v buildah >/dev/null ||
        absent+="; docker, podman or buildah (make image, compose.yaml)"
    command -v kind >/dev/null || command -v minikube >/dev/null ||
        absent+="; kind or minikube (./deploy.sh dev on this machine)"
    command -v gcloud >/dev/null || absent+="; gcloud (./create-prod-cluster.sh)"
    [[ -z "$absent" ]] || setup_env_say "not here, and needed for these only: ${absent#; }"
}

setup_env_python() {
    local root=$1
    local venv=$root/.local/venv requirements=$root/Tests/python/requirements.txt stamp
    stamp=$(cksum <"$requirements")
    if [[ -x "$venv/bin/python" && "$(cat "$venv/.requirements" 2>/dev/null)" == "$stamp" ]] &&
        "$venv/bin/python" -c 'import grpc' 2>/dev/null; then
        return
    fi
    setup_env_say "making the Python environment .local/venv"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
    echo "$stamp" >"$venv/.requirements"
}

# promtool and prometheus. Installed, Debian's package would start a service; unpacked, it does not.
setup_env_prometheus() {
    local root=$1 work
    local folder=$root/.local/prometheus
    if command -v promtool >/dev/null && command -v prometheus >/dev/null ||
        [[ -x "$folder/usr/bin/promtool" ]]; then
        return
    fi
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        setup_env_say "promtool and prometheus are missing; install them in this system's way" >&2
        return 1
    fi
    setup_env_say "unpacking prometheus to .local/prometheus"
    work=$(mktemp -d)
    if ! (cd "$work" && apt-get download -qq prometheus 2>/dev/null); then
        if ((EUID == 0)); then apt-get update -qq; else sudo apt-get update -qq; fi
        (cd "$work" && apt-get download -qq prometheus)
    fi
    dpkg-deb --extract "$work"/prometheus_*.deb "$work/unpacked"
    rm -rf "$folder"
    mv "$work/unpacked" "$folder"
    rm -rf "$work"
}

# Everything that changes the machine; runs in a process of its own.
setup_env_prepare() {
    local root=$1
    setup_env_install_packages
    setup_env_check_swift
    "$root/certs/make-certs.sh"
    mkdir -p "$root/.local"
    setup_env_python "$root"
    setup_env_prometheus "$root"
    setup_env_optional_tools
    setup_env_say "ready"
}

# Everything that a user's shell keeps.
setup_env_export() {
    local root=$1 folder
    # shellcheck source=scripts/local-env.sh
    source "$root/scripts/local-env.sh"
    local_env "$root"
    for folder in "$root/.build/debug" "$root/.build/release"; do
        case ":$PATH:" in
            *":$folder:"*) ;;
            *) PATH="$folder:$PATH" ;;
        esac
    done
    export PATH
}

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
    set -euo pipefail
    case ${1:-} in
        "") setup_env_prepare "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)" ;;
        -h | --help) setup_env_usage ;;
        *)
            setup_env_usage >&2
            exit 2
            ;;
    esac
else
    if bash "${BASH_SOURCE[0]}"; then
        setup_env_export "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
        setup_env_say "this shell is set for the ledger at $LEDGER_ADDRESS"
        setup_env_status=0
    else
        setup_env_say "this shell was not changed" >&2
        setup_env_status=1
    fi
    unset -f setup_env_usage setup_env_say setup_env_missing_packages setup_env_install_packages
    unset -f setup_env_check_swift setup_env_optional_tools setup_env_python setup_env_prometheus
    unset -f setup_env_prepare
    unset -f setup_env_export local_env
    return "$setup_env_status"
fi
