#!/usr/bin/env bash
# Runs the whole ledger on this machine: three etcd members with mutual TLS, users and roles, as in
# Kubernetes, and one ledger-service.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/run-local.sh [--bin FOLDER]

Prepares the machine (setup-env.sh), builds ledger-service and ledgerctl, starts three etcd
members and the service on loopback, seals a few events, and runs until Ctrl-C or SIGTERM. Then
it stops the service first and etcd after it. Events stay: the next start finds them.

  --bin FOLDER   take ledger-service and ledgerctl from there instead of building them

Environment (default):
  LOCAL_STATE            data, logs and etcd's passwords (.local: etcd/ and logs/ below it)
  LOCAL_CERTS            certificates (certs/dev)
  LOCAL_ETCD_PORT        the first of nine ports in a row for etcd (23790)
  LEDGER_PORT            gRPC (50051)
  LEDGER_INTERNAL_PORT   between replicas (50052)
  LEDGER_ADMIN_PORT      health and metrics over HTTP (9464)
  LEDGER_ARCHIVE         where sealed events are archived (the folder archive in LOCAL_STATE; empty:
                         nowhere)
and every other setting of ledger-service.

Exit status: 0 after a clean stop, 1 when something could not be started, ended by itself or had
to be killed.
TEXT
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/local-env.sh
source "$root/scripts/local-env.sh"
# shellcheck source=scripts/processes.sh
source "$root/scripts/processes.sh"
# shellcheck source=scripts/settings.sh
source "$root/scripts/settings.sh"
# shellcheck source=scripts/local-cluster.sh
source "$root/scripts/local-cluster.sh"

# A background job of a plain shell starts with SIGINT ignored, and bash cannot trap a signal that
# was ignored from the start: begin again with the default.
if [[ "$(trap -p INT)" == "trap -- '' SIGINT" ]]; then
    exec env --default-signal=INT "$0" "$@"
fi

readonly service_stop_seconds=30

binaries=""
service_pid=""
archive=""

check_ports() {
    check_etcd_ports
    check_port "$LEDGER_PORT" "gRPC" LEDGER_PORT
    check_port "$LEDGER_INTERNAL_PORT" "between replicas" LEDGER_INTERNAL_PORT
    check_port "$LEDGER_ADMIN_PORT" "admin HTTP" LEDGER_ADMIN_PORT
}

# The members' addresses are part of their data: with others, the cluster would not form.
check_state() {
    local recorded=$etcd_data/port
    lock_state ||
        die "a ledger already runs with the data in $LOCAL_STATE; set LOCAL_STATE to another folder"
    mkdir -p "$etcd_data"
    chmod 0700 "$etcd_data"
    if [[ -s "$recorded" && "$(<"$recorded")" != "$LOCAL_ETCD_PORT" ]]; then
        die "the data in $etcd_data were made with LOCAL_ETCD_PORT=$(<"$recorded");" \
            "use that, or set LOCAL_STATE to another folder"
    fi
    echo "$LOCAL_ETCD_PORT" >"$recorded"
}

build() {
    local program
    if [[ -z "$binaries" ]]; then
        say "Building (the first time takes some minutes)"
        for program in ledger-service ledgerctl; do
            if ! swift build -c release --product "$program"; then
                [[ $stop_requested == no ]] || exit 0
                die "the build of $program failed"
            fi
        done
        binaries="$(swift build -c release --show-bin-path)"
    fi
    for program in ledger-service ledgerctl; do
        [[ -x "$binaries/$program" ]] || die "$binaries/$program is missing"
    done
}

# etcd's users may use what is below the ledger's prefix, which a .env file may set.
ask_settings() {
    local settings
    settings=$(settings_here "$binaries" "$root") ||
        die "ledger-service does not accept its settings, see above"
    LEDGER_PREFIX=$(setting LEDGER_PREFIX <<<"$settings")
    export LEDGER_PREFIX
    origin=$(setting LEDGER_ORIGIN <<<"$settings")
    signing_key=$(setting LEDGER_SIGNING_KEY <<<"$settings")
    archive=$(setting LEDGER_ARCHIVE <<<"$settings")
}

# A key of this ledger's own, where none is named: it signs checkpoints, and receipts rest on them.
make_signing_key() {
    [[ -z "$signing_key" ]] || return 0
    LEDGER_SIGNING_KEY=$LOCAL_STATE/signing-key.pem
    export LEDGER_SIGNING_KEY
    [[ -e "$LEDGER_SIGNING_KEY" ]] ||
        "$binaries/ledgerctl" keygen --name "$origin" --out "$LEDGER_SIGNING_KEY" >/dev/null ||
        die "no signing key could be made"
    verifier_key=$("$binaries/ledgerctl" keygen --name "$origin" --public "$LEDGER_SIGNING_KEY") ||
        die "the signing key $LEDGER_SIGNING_KEY cannot be read"
    printf '%s\n' "$verifier_key" >"$LOCAL_STATE/verifier-key"
}

# Sealed events are archived into a folder, so that the log can be looked at as files.
make_archive() {
    local state
    [[ -z "$archive" && -z "${LEDGER_ARCHIVE+set}" ]] || return 0
    mkdir -p "$LOCAL_STATE/archive"
    state="$(cd "$LOCAL_STATE" && pwd)"
    # What a location cannot hold has no archive by default.
    [[ "$state" =~ ^/[A-Za-z0-9._/@+~=,-]+$ ]] || return 0
    archive=file://$state/archive
    export LEDGER_ARCHIVE=$archive
}

start_etcd() {
    say "Starting three etcd members on $ETCD_ENDPOINTS"
    start_members "${#members[@]}"
    say "Giving the ledger's etcd user what it needs, and no more"
    restrict_access
}

start_service() {
    local log=$LOCAL_STATE/logs/ledger-service.log deadline=$((SECONDS + start_seconds))
    say "Starting ledger-service (gRPC $LEDGER_ADDRESS, HTTP 127.0.0.1:$LEDGER_ADMIN_PORT)"
    : >"$log"
    # The service warns of names that are only for ledgerctl and etcdctl.
    start "$log" env -u LEDGER_ADDRESS -u ETCDCTL_API -u ETCDCTL_ENDPOINTS -u ETCDCTL_CACERT \
        -u ETCDCTL_CERT -u ETCDCTL_KEY -u ETCDCTL_USER -u ETCDCTL_PASSWORD \
        LEDGER_BIND_ADDRESS="${LEDGER_BIND_ADDRESS:-127.0.0.1}" \
        "$binaries/ledger-service"
    service_pid=$started_pid
    until curl --silent --fail --max-time 2 --output /dev/null \
        "http://127.0.0.1:$LEDGER_ADMIN_PORT/readyz"; do
        if ! is_running "$service_pid"; then
            show_log ledger-service "$log"
            die "ledger-service ended while it started"
        fi
        if ((SECONDS >= deadline)); then
            show_log ledger-service "$log"
            die "ledger-service was not ready within $start_seconds s"
        fi
        pause
    done
}

# Sealing becomes possible a moment after reading: the first event is submitted until it is sealed.
# The same event may be submitted again whatever the answer was.
seal() {
    local id=$1 payload=$2 deadline=$((SECONDS + start_seconds)) answer
    until answer=$("$binaries/ledgerctl" submit --id "$id" --payload "$payload" 2>&1); do
        if ((SECONDS >= deadline)) || ! is_running "$service_pid"; then
            echo "$answer" >&2
            show_log ledger-service "$LOCAL_STATE/logs/ledger-service.log"
            die "no event could be sealed within $start_seconds s"
        fi
        pause
    done
    echo "$answer"
}

head_number() {
    curl --silent --max-time 2 "http://127.0.0.1:$LEDGER_ADMIN_PORT/metrics" |
        awk '$1 ~ /^ledger_head_sequence_number/ { printf "%d", $2 }' || true
}

demonstrate() {
    local run number head first
    run=$(date -u +%Y%m%dT%H%M%SZ)
    head=$(head_number)
    if ((${head:-0} > 0)); then
        say "This ledger already holds $head events"
    fi
    say "Sealing three events"
    for number in 1 2 3; do
        seal "demo-$run-$number" "payload $number of $run"
    done
    head=$(head_number)
    first=$((${head:-1} > 6 ? head - 5 : 1))
    say "Events from number $first on (ledgerctl list --first $first)"
    "$binaries/ledgerctl" list --first "$first" || die "ledgerctl list failed"
    say "Checking every event's bytes against the chain and the tree (ledgerctl verify)"
    "$binaries/ledgerctl" verify || die "ledgerctl verify failed"
    [[ -z "${verifier_key:-}" ]] || demonstrate_receipt
}

# The newest event's receipt, fetched and then checked without the ledger.
demonstrate_receipt() {
    local number folder=$LOCAL_STATE/receipts
    number=$(head_number)
    mkdir -p "$folder"
    say "Keeping the receipt of number $number, and checking it without the ledger (ledgerctl receipt)"
    rm -f "$folder/event-$number".*
    "$binaries/ledgerctl" receipt get "$number" --verifier-key "$verifier_key" \
        --out "$folder/event-$number.receipt" --entry-out "$folder/event-$number.entry" ||
        die "ledgerctl receipt get failed"
    "$binaries/ledgerctl" receipt verify --verifier-key "$verifier_key" \
        --receipt "$folder/event-$number.receipt" --entry "$folder/event-$number.entry" ||
        die "ledgerctl receipt verify failed"
}

archive_hint() {
    [[ -n "$archive" ]] || return 0
    echo "Archive: $archive, where every event is 30 s after it was sealed, as files of a C2SP log"
    [[ -s "$LOCAL_STATE/verifier-key" ]] || return 0
    echo "  .local/venv/bin/python scripts/verify-archive.py $archive \\"
    # shellcheck disable=SC2016 # What the reader's shell is to expand.
    echo '      --verifier-key "$(cat '"$LOCAL_STATE/verifier-key"')"'
}

suggest() {
    cat <<TEXT

==> ImmutableLedger is running. Ctrl-C stops it. Things to try in another terminal:

  cd $root
  ${port_settings}source setup-env.sh
  ledgerctl submit --id my-event-1 --payload hello
  ledgerctl tail
  ledgerctl health
  ledgerctl receipt get 1 --verifier-key-file $LOCAL_STATE/verifier-key
  curl http://127.0.0.1:$LEDGER_ADMIN_PORT/checkpoint
  grpcurl -plaintext $LEDGER_ADDRESS list
  grpcurl -plaintext -d '{"event_id":"my-event-2","payload":"aGVsbG8="}' \\
      $LEDGER_ADDRESS ledger.ImmutableLedger/SubmitEvent
  etcdctl endpoint status --write-out table
  etcdctl get ${LEDGER_PREFIX}head
  curl http://127.0.0.1:$LEDGER_ADMIN_PORT/metrics
  curl http://127.0.0.1:$(metrics_port 0)/metrics
  scripts/as-operator.sh etcdctl user list
  make backup
  .local/venv/bin/python Tests/python/client_test.py --server $LEDGER_ADDRESS \\
      --admin 127.0.0.1:$LEDGER_ADMIN_PORT

Logs: $LOCAL_STATE/logs
$(archive_hint)

TEXT
}

# Looks once a second whether all still run. Of a lost etcd member run-etcd.py only tells: with two of
# three the ledger goes on, and seeing that is one of the things to try.
watch() {
    while [[ $stop_requested == no ]]; do
        if ! is_running "$service_pid"; then
            show_log ledger-service "$LOCAL_STATE/logs/ledger-service.log"
            die "ledger-service ended by itself"
        fi
        is_running "$etcd_pid" || die "etcd ended by itself"
        # In the background and waited for: bash runs a trap at once in wait, after a command else.
        sleep 1 &
        wait $! || true
    done
}

stop_service() {
    local status=0
    if [[ -z "$service_pid" ]] || ! is_running "$service_pid"; then
        return
    fi
    say "Stopping ledger-service"
    stop_process ledger-service "$service_pid" "$service_stop_seconds"
    wait "$service_pid" || status=$?
    if ((status != 0)); then
        echo "ledger-service ended with status $status" >&2
        show_log ledger-service "$LOCAL_STATE/logs/ledger-service.log"
        failed=yes
    fi
}

stop_etcd() {
    [[ -z "$etcd_pid" ]] || say "Stopping etcd"
    stop_members
}

# The EXIT trap: whichever way the script ends, nothing that it started goes on.
clean_up() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    set +e
    stop_service
    stop_etcd
    remove_root_certificate
    if ((status == 0)) && [[ $failed == yes ]]; then
        status=1
    fi
    if ((status == 0)); then
        say "Stopped cleanly"
    fi
    exit "$status"
}

while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --bin)
            if [[ -z ${2:-} ]]; then
                usage >&2
                exit 2
            fi
            binaries="$(cd "$2" && pwd)"
            shift
            ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    shift
done

# What another terminal has to set to find this ledger: only what is not the default.
port_settings=""
local_env "$root"
etcd_data=$LOCAL_STATE/etcd
for name in LOCAL_STATE LOCAL_CERTS LOCAL_ETCD_PORT LEDGER_PORT LEDGER_ADMIN_PORT; do
    default=$(
        unset "$name"
        local_env "$root"
        echo "${!name}"
    )
    if [[ "${!name}" != "$default" ]]; then
        port_settings+="export $name=${!name}; "
    fi
done

trap 'stop_requested=yes' INT TERM HUP
trap clean_up EXIT

cd "$root"
say "Preparing this machine"
"$root/setup-env.sh"
[[ "$LOCAL_CERTS" == "$root/certs/dev" ]] || "$root/certs/make-certs.sh" "$LOCAL_CERTS"
build
if [[ $stop_requested == yes ]]; then
    exit 0
fi
ask_settings
check_state
check_ports
make_signing_key
make_archive
start_etcd
start_service
demonstrate
suggest
watch
