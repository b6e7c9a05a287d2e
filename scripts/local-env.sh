# shellcheck shell=bash
# Sourced, never run: where the local cluster and the local ledger are. setup-env.sh exports it to
# a user's shell and run-local.sh starts processes there, so both agree.
#
# What may be set before: LOCAL_STATE (folder of all local state, default .local), LOCAL_CERTS
# (default certs/dev), LOCAL_ETCD_PORT (the first of nine ports in a row, default 23790, away from
# etcd's own 2379), LEDGER_PORT, LEDGER_INTERNAL_PORT, LEDGER_ADMIN_PORT.

# local_env ROOT
local_env() {
    local root=$1 user file draft
    LOCAL_STATE=${LOCAL_STATE:-$root/.local}
    LOCAL_CERTS=${LOCAL_CERTS:-$root/certs/dev}
    LOCAL_ETCD_PORT=${LOCAL_ETCD_PORT:-23790}
    LEDGER_PORT=${LEDGER_PORT:-50051}
    LEDGER_INTERNAL_PORT=${LEDGER_INTERNAL_PORT:-50052}
    LEDGER_ADMIN_PORT=${LEDGER_ADMIN_PORT:-9464}
    LEDGER_ADDRESS=127.0.0.1:$LEDGER_PORT

    # Member i has the client port BASE + 2(i-1) and, right behind it, its peer port. The three
    # ports for metrics come last.
    ETCD_ENDPOINTS="https://127.0.0.1:$LOCAL_ETCD_PORT"
    ETCD_ENDPOINTS+=",https://127.0.0.1:$((LOCAL_ETCD_PORT + 2))"
    ETCD_ENDPOINTS+=",https://127.0.0.1:$((LOCAL_ETCD_PORT + 4))"
    ETCD_CA_CERT=$LOCAL_CERTS/ca.pem
    ETCD_CLIENT_CERT=$LOCAL_CERTS/etcd-client.pem
    ETCD_CLIENT_KEY=$LOCAL_CERTS/etcd-client-key.pem

    # The passwords of etcd's users, made when they are first asked for. `ln` does not replace: of
    # two that make one at the same time, both then read the same.
    for user in "" root-; do
        file=$LOCAL_STATE/etcd-${user}password
        if [[ ! -s "$file" ]]; then
            mkdir -p "$LOCAL_STATE"
            draft=$(mktemp "$file.XXXXXX")
            openssl rand -hex 32 >"$draft"
            ln "$draft" "$file" 2>/dev/null || true
            rm -f "$draft"
        fi
    done
    LEDGER_ETCD_QUOTA_BYTES=$(sed -n 's/^--quota-backend-bytes=//p' "$root/scripts/etcd-flags.txt")
    ETCD_USERNAME=ledger
    ETCD_PASSWORD=$(<"$LOCAL_STATE/etcd-password")

    ETCDCTL_API=3
    ETCDCTL_ENDPOINTS=$ETCD_ENDPOINTS
    ETCDCTL_CACERT=$ETCD_CA_CERT
    ETCDCTL_CERT=$ETCD_CLIENT_CERT
    ETCDCTL_KEY=$ETCD_CLIENT_KEY
    ETCDCTL_USER=$ETCD_USERNAME
    ETCDCTL_PASSWORD=$ETCD_PASSWORD

    export LOCAL_STATE LOCAL_CERTS LOCAL_ETCD_PORT
    export LEDGER_PORT LEDGER_INTERNAL_PORT LEDGER_ADMIN_PORT LEDGER_ADDRESS
    export ETCD_ENDPOINTS ETCD_CA_CERT ETCD_CLIENT_CERT ETCD_CLIENT_KEY
    export ETCD_USERNAME ETCD_PASSWORD LEDGER_ETCD_QUOTA_BYTES
    export ETCDCTL_API ETCDCTL_ENDPOINTS ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY
    export ETCDCTL_USER ETCDCTL_PASSWORD
}
