#!/usr/bin/env bash
# Runs a command as the operator of the local etcd cluster: with root's password and a certificate.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/as-operator.sh COMMAND [ARGUMENT...]

Runs COMMAND with etcdctl's variables set for etcd's user root on the local cluster, for example:

  scripts/as-operator.sh etcdctl user list
  scripts/as-operator.sh k8s/ops/etcd-bootstrap-auth.sh

The passwords are in LOCAL_STATE (.local), made when they are first needed. scripts/local-env.sh
says where everything else is.
TEXT
}

if (($# == 0)) || [[ $1 == -h || $1 == --help ]]; then
    usage
    (($# > 0)) && exit 0
    exit 2
fi

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/local-env.sh
source "$root/scripts/local-env.sh"
local_env "$root"

# The names that the scripts in k8s/ops take in Kubernetes.
export LEDGER_ETCD_USERNAME=$ETCD_USERNAME LEDGER_ETCD_PASSWORD=$ETCD_PASSWORD
export ETCDCTL_CERT=$LOCAL_CERTS/etcd-operations.pem
export ETCDCTL_KEY=$LOCAL_CERTS/etcd-operations-key.pem
export ETCDCTL_USER=root
ETCDCTL_PASSWORD=$(<"$LOCAL_STATE/etcd-root-password")
export ETCDCTL_PASSWORD
exec "$@"
