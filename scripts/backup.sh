#!/usr/bin/env bash
# Takes a verified snapshot of the running local ledger, with a record of what it holds.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/backup.sh

Writes LOCAL_STATE/backups/etcd-<time>.db and, beside it, etcd-<time>.db.json: the number and hash of
the last event in it, etcd's revision, size and SHA-256. Both appear only when the snapshot could be
read. It is k8s/ops/etcd-backup.sh that does it, as in Kubernetes; its --help says which older
snapshots it lets go. The ledger goes on meanwhile. docs/backup-restore.md says how to restore.

Environment: as for scripts/run-local.sh.
TEXT
}

if (($# > 0)); then
    usage
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
fi

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/local-env.sh
source "$root/scripts/local-env.sh"
# shellcheck source=scripts/settings.sh
source "$root/scripts/settings.sh"
local_env "$root"

# The ledger that make run serves, of which a .env file may say below which prefix it lies.
if [[ -z "${LEDGER_PREFIX:-}" && -e "$root/.env" ]]; then
    binaries=$(find_binaries "$root")
    if [[ -z "$binaries" ]] || ! settings=$(settings_here "$binaries" "$root"); then
        echo "backup.sh: ledger-service, which reads $root/.env, cannot be asked: make build, or set" \
            "LEDGER_PREFIX" >&2
        exit 1
    fi
    LEDGER_PREFIX=$(setting LEDGER_PREFIX <<<"$settings")
    export LEDGER_PREFIX
fi

# A snapshot holds every payload, and the hashes of etcd's passwords.
umask 077
export BACKUP_DIRECTORY=$LOCAL_STATE/backups
mkdir -p "$BACKUP_DIRECTORY"
if ! etcdctl endpoint health >/dev/null 2>&1 &&
    ! (exec 3<>"/dev/tcp/127.0.0.1/$LOCAL_ETCD_PORT") 2>/dev/null; then
    echo "backup.sh: etcd does not run on 127.0.0.1:$LOCAL_ETCD_PORT; start it with make run" >&2
    exit 1
fi
exec "$root/scripts/as-operator.sh" "$root/k8s/ops/etcd-backup.sh"
