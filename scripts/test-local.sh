#!/usr/bin/env bash
# Tests the whole ledger from outside: starts it with run-local.sh, runs the Python client against
# it, stops it, and starts it again to see that the events are still there.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/test-local.sh --bin FOLDER

  --bin FOLDER   where ledger-service and ledgerctl are

Uses a temporary folder and ports of its own, and leaves nothing running.
TEXT
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit 0
fi
if (($# != 2)) || [[ $1 != --bin ]]; then
    usage >&2
    exit 2
fi
binaries=$2
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly start_seconds=180
readonly stop_seconds=60
work=$(mktemp -d)
runner_pid=""

clean_up() {
    if [[ -n "$runner_pid" ]] && kill -TERM "$runner_pid" 2>/dev/null; then
        wait "$runner_pid" || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

die() {
    echo "test-local: $*" >&2
    if [[ -s "$work/output" ]]; then
        sed 's/^/    /' "$work/output" >&2
    fi
    if [[ -s "$work/state/logs/ledger-service.log" ]]; then
        echo "test-local: the end of ledger-service's log:" >&2
        tail -n 40 "$work/state/logs/ledger-service.log" | sed 's/^/    /' >&2
    fi
    exit 1
}

start_ledger() {
    local deadline=$((SECONDS + start_seconds))
    # Not what an earlier start has written, whenever the new one gets so far.
    : >"$work/output"
    "$root/scripts/run-local.sh" --bin "$binaries" >"$work/output" 2>&1 </dev/null &
    runner_pid=$!
    until grep -q "ImmutableLedger is running" "$work/output"; do
        kill -0 "$runner_pid" 2>/dev/null || die "run-local.sh ended while it started"
        ((SECONDS < deadline)) || die "run-local.sh was not ready within $start_seconds s"
        sleep 0.2
    done
}

# stop_ledger SIGNAL: what was started ends by it, in time, and with status 0.
stop_ledger() {
    local deadline=$((SECONDS + stop_seconds)) status=0
    kill -s "$1" "$runner_pid"
    while kill -0 "$runner_pid" 2>/dev/null; do
        ((SECONDS < deadline)) || die "run-local.sh did not stop within $stop_seconds s of SIG$1"
        sleep 0.1
    done
    wait "$runner_pid" || status=$?
    runner_pid=""
    ((status == 0)) || die "run-local.sh ended with status $status after SIG$1"
}

# Who has handed them out keeps them from others, until this script ends.
coproc ports { cd "$root/scripts" && exec python3 -B -c \
    "import sys; from loopback_ports import free_ports; print(free_ports(12), flush=True); sys.stdin.read()"; }
read -r first_port <&"${ports[0]}"
export LOCAL_STATE=$work/state LOCAL_ETCD_PORT=$first_port
export LEDGER_PORT=$((first_port + 9))
export LEDGER_INTERNAL_PORT=$((first_port + 10))
export LEDGER_ADMIN_PORT=$((first_port + 11))
# A debug build beside a busy machine's other work is slower than the contract: what is tested here
# is what is answered, not how fast.
export LEDGER_COMMIT_DEADLINE_MS=${LEDGER_COMMIT_DEADLINE_MS:-1000}
export LEDGER_RESOLVE_DEADLINE_MS=${LEDGER_RESOLVE_DEADLINE_MS:-2000}

start_ledger
"$root/.local/venv/bin/python" "$root/Tests/python/client_test.py" \
    --server "127.0.0.1:$LEDGER_PORT" --admin "127.0.0.1:$LEDGER_ADMIN_PORT" ||
    die "the Python client found differences"
"$root/.local/venv/bin/python" "$root/scripts/verify-archive.py" "$LOCAL_STATE/archive" \
    --verifier-key "$(<"$LOCAL_STATE/verifier-key")" --size-at-least 1 ||
    die "the archive is not right"
stop_ledger INT

start_ledger
grep -q "This ledger already holds" "$work/output" || die "the second start found no events"
stop_ledger TERM
echo "run-local.sh: started twice, stopped twice, events kept"
