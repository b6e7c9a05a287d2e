#!/usr/bin/env bash
# Runs one etcd member as it runs in Kubernetes, but for the addresses: mutual TLS with a CA of its
# own for each side, and the flags of etcd-flags.txt.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/etcd-member.sh NAME DATA_DIR CERT_DIR CLIENT_PORT PEER_PORT INITIAL_CLUSTER [FLAG...]

Becomes one etcd member (exec), for development and tests. It listens on 127.0.0.1 only.

  NAME             the member's name in INITIAL_CLUSTER
  DATA_DIR         where it keeps its data; made where it is missing
  CERT_DIR         what certs/make-certs.sh filled
  CLIENT_PORT      https://127.0.0.1:CLIENT_PORT for clients (gRPC and the JSON gateway)
  PEER_PORT        https://127.0.0.1:PEER_PORT for the other members
  INITIAL_CLUSTER  for example m1=https://127.0.0.1:23801,m2=https://127.0.0.1:23811
  FLAG...          further etcd flags; a later flag overrides an earlier one, those of
                   etcd-flags.txt included

Environment:
  ETCD_INITIAL_CLUSTER_STATE   new (default), or existing for a member that joins later
  ETCD_BINARY                  another etcd than the one in PATH
TEXT
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit 0
fi
if (($# < 6)); then
    usage >&2
    exit 2
fi

name=$1 data_directory=$2 certificates=$3 client_port=$4 peer_port=$5 initial_cluster=$6
shift 6
cluster_state=${ETCD_INITIAL_CLUSTER_STATE:-new}
binary=${ETCD_BINARY:-etcd}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

for file in ca.pem peer-ca.pem \
    etcd-server.pem etcd-server-key.pem etcd-peer.pem etcd-peer-key.pem; do
    if [[ ! -r "$certificates/$file" ]]; then
        echo "etcd-member.sh: $certificates/$file is missing; run" \
            "certs/make-certs.sh $certificates" >&2
        exit 1
    fi
done
if ! command -v "$binary" >/dev/null; then
    echo "etcd-member.sh: $binary is missing; ./setup-env.sh installs etcd" >&2
    exit 1
fi
# etcd 3.4 refuses a data folder that others can read.
mkdir -p "$data_directory"
chmod 0700 "$data_directory"

# etcd also takes its settings from ETCD_* variables, and the ledger's own settings begin with
# ETCD_ too: none of them may reach the server. (etcd 3.4 starts on arm64 only with the exception.)
while IFS= read -r variable; do
    [[ "$variable" == ETCD_UNSUPPORTED_ARCH ]] || unset "$variable"
done < <(compgen -e ETCD_ || true)

mapfile -t flags < <(grep '^--' "$root/scripts/etcd-flags.txt")
# TLS 1.2 is the least that any etcd 3.4 or later speaks; 3.4.25 and 3.5.8 brought a flag to say so.
if [[ "$("$binary" --help 2>&1)" == *--tls-min-version* ]]; then
    flags+=(--tls-min-version=TLS1.2)
fi

exec "$binary" \
    --name "$name" \
    --data-dir "$data_directory" \
    --listen-client-urls "https://127.0.0.1:$client_port" \
    --advertise-client-urls "https://127.0.0.1:$client_port" \
    --listen-peer-urls "https://127.0.0.1:$peer_port" \
    --initial-advertise-peer-urls "https://127.0.0.1:$peer_port" \
    --initial-cluster "$initial_cluster" \
    --initial-cluster-state "$cluster_state" \
    --cert-file "$certificates/etcd-server.pem" \
    --key-file "$certificates/etcd-server-key.pem" \
    --trusted-ca-file "$certificates/ca.pem" \
    --peer-cert-file "$certificates/etcd-peer.pem" \
    --peer-key-file "$certificates/etcd-peer-key.pem" \
    --peer-trusted-ca-file "$certificates/peer-ca.pem" \
    "${flags[@]}" \
    "$@"
