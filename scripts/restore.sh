#!/usr/bin/env bash
# Restores the local ledger from a snapshot on fresh etcd members, unless that would lose events.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/restore.sh [OPTION...] [SNAPSHOT]

Restores SNAPSHOT (default: the newest in LOCAL_STATE/backups) on three fresh members with a new
cluster token, starts them and a replica of the ledger, compares the last event with the furthest
that is known, verifies every event, and only then puts the new members in the place of the old
ones. The old members' data are kept beside them. Nothing may run meanwhile; start the ledger with
make run afterwards.

What is known: the records in LOCAL_STATE/backups, what the old members still hold, and

  --known-sequence N      an event of this number was sealed (from a caller, a log, metrics)
  --known-hash HASH       its event_hash, 64 hexadecimal digits
  --accept-lost-events    restore although the ledger will then give numbers out a second time
  --bin FOLDER            where ledger-service and ledgerctl are (.build/release, .build/debug)

Exit status: 0 restored; 1 something failed; 2 wrong usage; 3 refused: sealed events would be lost;
4 refused: something still runs. Unless it is 0, nothing was changed.

Environment: as for scripts/run-local.sh.
TEXT
}

readonly refused_lost=3 refused_running=4

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/local-env.sh
source "$root/scripts/local-env.sh"
# shellcheck source=scripts/processes.sh
source "$root/scripts/processes.sh"
# shellcheck source=scripts/settings.sh
source "$root/scripts/settings.sh"
# shellcheck source=scripts/local-cluster.sh
source "$root/scripts/local-cluster.sh"

# refuse STATUS LINE...
refuse() {
    local status=$1
    shift
    printf 'restore.sh: %s\n' "$1" >&2
    shift
    printf '  %s\n' "$@" >&2
    exit "$status"
}

wrong_usage() {
    echo "restore.sh: $*; see --help" >&2
    exit 2
}

# Nothing runs

# has_ended /proc/PID: gone, or not yet waited for.
has_ended() {
    [[ ! -d $1 ]] || grep -q '^State:[[:space:]]*Z' "$1/status" 2>/dev/null
}

# Prints the pids of replicas that use this cluster. A replica that waits for etcd to come back is as dangerous as one
# that seals: it may have a transaction under way. One that cannot be asked may be one of them.
find_replicas() {
    local process name pid endpoints
    for process in /proc/[0-9]*; do
        { read -r name <"$process/comm"; } 2>/dev/null || continue
        [[ $name == ledger-service ]] || continue
        ! has_ended "$process" || continue
        pid=${process#/proc/}
        endpoints=$(settings_of_process "$binaries" "$pid" | setting ETCD_ENDPOINTS) || true
        ! has_ended "$process" || continue
        if [[ -z "$endpoints" ]] || grep -Eq ":($used_ports)(,|\$)" <<<"$endpoints"; then
            echo "$pid"
        fi
    done
}

check_nothing_runs() {
    local i replicas sealer prefix
    used_ports=$(for i in "${!members[@]}"; do client_port "$i"; done | paste -sd '|')
    mapfile -t replicas < <(find_replicas)
    if ((${#replicas[@]} > 0)); then
        prefix=$(settings_of_process "$binaries" "${replicas[0]}" | setting LEDGER_PREFIX) || true
        sealer=$(timeout 5 etcdctl get --print-value-only "${prefix:-ledger/}sealer" \
            2>/dev/null) || true
        refuse "$refused_running" "refused: a replica of the ledger runs (process ${replicas[*]})" \
            "A request that it has under way would be answered wrongly across the restore." \
            ${sealer:+"The sealer is: $sealer"} \
            "Stop it (Ctrl-C where make run runs, or kill), then restore again."
    fi
    lock_state || refuse "$refused_running" "refused: $LOCAL_STATE is in use" \
        "Stop the ledger that runs with it (Ctrl-C where make run runs), then restore again."
    for i in "${!members[@]}"; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$(client_port "$i")") 2>/dev/null; then
            refuse "$refused_running" \
                "refused: something listens on 127.0.0.1:$(client_port "$i"), where etcd ${members[i]} will" \
                "Stop it, then restore again."
        fi
    done
    check_etcd_ports
}

# Reading databases

# restore_database DATABASE TOKEN COUNT [OPTION...]: makes the data of the first so many members.
restore_database() {
    local database=$1 token=$2 count=$3 i tool=etcdctl
    shift 3
    # etcd 3.6 has this in etcdutl only, 3.4 in etcdctl only.
    if command -v etcdutl >/dev/null; then
        tool=etcdutl
    fi
    for ((i = 0; i < count; i++)); do
        "$tool" snapshot restore "$database" "$@" --name "${members[i]}" \
            --data-dir "$etcd_data/${members[i]}" --initial-cluster-token "$token" \
            --initial-cluster "$(initial_cluster "$count")" \
            --initial-advertise-peer-urls "https://127.0.0.1:$(peer_port "$i")" \
            >>"$LOCAL_STATE/logs/restore.log" 2>&1 || return 1
    done
}

# Prints number and hash of the last event in the first member's database; "0 -" where it is empty.
# By certificate, for the passwords in a snapshot are those of its time.
# The counter must say the same, or the ledger is not whole.
read_head() {
    local head counter number hash prefix=$LEDGER_PREFIX
    head=$(as_root get --print-value-only "${prefix}head") &&
        counter=$(as_root get --print-value-only "${prefix}sequence_counter") || return 1
    if [[ -z "$head" && -z "$counter" ]]; then
        echo "0 -"
        return
    fi
    number=$(sed -n 's/.*"sequence":\([0-9]*\).*/\1/p' <<<"$head")
    hash=$(sed -n 's/.*"event_hash":"\([0-9a-f]*\)".*/\1/p' <<<"$head")
    [[ -n "$number" && "$number" == "$counter" ]] ||
        die "counter (${counter:-none}) and head (${number:-none}) do not agree in this database"
    echo "$number $hash"
}

# What is known

# know NUMBER HASH SOURCE: that an event of this number was sealed; the hash may be -.
know() {
    known+=("$1 $2 $3")
}

# read_record FILE: sets its caller's number and hash to the first that stand there, or to nothing.
read_record() {
    number=$(sed -n '/.*"sequence_number": *"\{0,1\}\([0-9]*\).*/{s//\1/p;q}' "$1")
    hash=$(sed -n '/.*"event_hash": *"\([0-9a-f]*\)".*/{s//\1/p;q}' "$1")
}

# The furthest record: of a backup, or any JSON with these two fields that was put there.
know_records() {
    local file number hash furthest=0 furthest_hash="" furthest_file=""
    for file in "$backups"/*.json; do
        [[ -r "$file" ]] || continue
        read_record "$file"
        if ((${number:-0} > furthest)); then
            furthest=$number furthest_hash=$hash furthest_file=$file
        fi
    done
    if ((furthest > 0)); then
        know "$furthest" "${furthest_hash:--}" "the record $(basename "$furthest_file")"
    fi
}

# What the old members' databases hold is what they had written a tenth of a second before their
# end: at least so many events were sealed.
know_old_members() {
    local member head database
    for member in "${members[@]}"; do
        database=$LOCAL_STATE/etcd/$member/member/snap/db
        [[ -r "$database" ]] || continue
        etcd_data=$work/$member
        if ! head=$(head_of_member "$database" 2>>"$LOCAL_STATE/logs/restore.log"); then
            echo "what the old member $member holds could not be read" >&2
        elif [[ $head != "0 -" ]]; then
            know "${head% *}" "${head#* }" "what the old member $member holds"
        fi
        rm -rf "$etcd_data"
    done
}

# In a process of its own, which ends the member whatever happens. Alone, it need not wait long for
# an election.
head_of_member() (
    trap stop_members EXIT
    restore_database "$1" "probe-$(openssl rand -hex 8)" 1 --skip-hash-check &&
        start_members 1 --heartbeat-interval=10 --election-timeout=100 && read_head
)

# Comparing

# check_nothing_lost NUMBER HASH
check_nothing_lost() {
    local restored=$1 restored_hash=$2 line number hash source furthest=0 from="" other=""
    for line in "${known[@]}"; do
        read -r number hash source <<<"$line"
        if ((number > furthest)); then
            furthest=$number from=$source
        fi
        if ((number == restored)) && [[ $hash != - && $hash != "$restored_hash" ]]; then
            other="event $number has the hash $restored_hash here, and $hash in $source"
        fi
    done
    if ((furthest <= restored)) && [[ -z "$other" ]]; then
        return
    fi
    local -a story=("$(basename "$snapshot") ends with event $restored${restored_hash:+, hash $restored_hash}")
    if ((furthest > restored)); then
        story+=("event $furthest is known to be sealed, from $from"
            "The numbers $((restored + 1)) to $furthest, $((furthest - restored)) of them, would be given to other events:"
            "callers hold answers and receipts that the ledger would then contradict, and whoever"
            "remembers a later head refuses to go on (FENCED).")
    fi
    if [[ -n "$other" ]]; then
        story+=("$other: this is another history")
    fi
    if [[ $accept_lost_events == yes ]]; then
        say "Accepted, as asked, that sealed events are lost"
        printf '    %s\n' "${story[@]}"
        say "Have every event after number $restored submitted again"
        lost=yes
        return
    fi
    refuse "$refused_lost" "refused: numbers would be given out a second time; nothing was changed" \
        "${story[@]}" \
        "Restore a newer snapshot, or one of this ledger. Where the old members' data are whole, start" \
        "with those (make run). If nothing newer exists: --accept-lost-events; see docs/backup-restore.md."
}

# Events that were known before, and are not the last, must be what they were.
check_known_hashes() {
    local line number hash source actual
    for line in "${known[@]}"; do
        read -r number hash source <<<"$line"
        if ((number > restored_number)) || [[ $hash == - ]]; then
            continue
        fi
        actual=$(ledgerctl get "$number" --output json | sed -n 's/.*"event_hash":"\([0-9a-f]*\)".*/\1/p')
        if [[ "$actual" != "$hash" && $lost == no ]]; then
            refuse "$refused_lost" "refused: this is another history; nothing was changed" \
                "event $number has the hash $actual here, and $hash in $source"
        fi
    done
}

# The restored ledger

check_members_agree() {
    local hashes
    hashes=$("$root/scripts/as-operator.sh" etcdctl endpoint hashkv --write-out=json |
        grep -o '"hash":[0-9]*' | sort | uniq -c)
    [[ "$hashes" =~ ^\ *${#members[@]}\ [^$'\n']*$ ]] ||
        die "the restored members do not hold the same: $hashes"
}

ledgerctl() {
    LEDGER_ADDRESS=127.0.0.1:$replica_port "$binaries/ledgerctl" "$@"
}

logged_port() {
    sed -n "s/.*the $1 port listens.*port=\([0-9]*\).*/\1/p" "$LOCAL_STATE/logs/restore-service.log"
}

# A replica for reading, on free ports, with nobody else's settings.
start_replica() {
    local log=$LOCAL_STATE/logs/restore-service.log deadline=$((SECONDS + start_seconds))
    : >"$log"
    start "$log" env --ignore-environment --chdir="$work" PATH="$PATH" \
        ETCD_ENDPOINTS="$ETCD_ENDPOINTS" ETCD_CA_CERT="$ETCD_CA_CERT" \
        ETCD_CLIENT_CERT="$ETCD_CLIENT_CERT" ETCD_CLIENT_KEY="$ETCD_CLIENT_KEY" \
        ETCD_USERNAME="$ETCD_USERNAME" ETCD_PASSWORD="$ETCD_PASSWORD" \
        LEDGER_PREFIX="$LEDGER_PREFIX" LEDGER_BIND_ADDRESS=127.0.0.1 \
        LEDGER_PORT=0 LEDGER_INTERNAL_PORT=0 LEDGER_ADMIN_PORT=0 \
        "$binaries/ledger-service"
    replica_pid=$started_pid
    disown "$replica_pid"
    until [[ -n "$(logged_port admin)" ]] && curl --silent --fail --max-time 2 --output /dev/null \
        "http://127.0.0.1:$(logged_port admin)/readyz"; do
        if ! is_running "$replica_pid" || ((SECONDS >= deadline)); then
            show_log ledger-service "$log"
            die "ledger-service was not ready on the restored members"
        fi
        pause
    done
    replica_port=$(logged_port gRPC)
}

verify_events() {
    local report
    start_replica
    report=$(ledgerctl verify) || die "the restored events do not verify; nothing was changed: $report"
    say "$report"
    if ((restored_number > 0)); then
        [[ "$report" == "valid: $restored_number events"* ]] ||
            die "not $restored_number events were verified; nothing was changed"
        check_known_hashes
    fi
    stop_process ledger-service "$replica_pid" 30
    replica_pid=""
}

# Putting it in place

put_in_place() {
    local time kept
    time=$(date -u +%Y%m%dT%H%M%SZ)
    echo "$LOCAL_ETCD_PORT" >"$etcd_data/port"
    if [[ -d "$LOCAL_STATE/etcd" ]]; then
        kept=$LOCAL_STATE/etcd.before-$time
        mv "$LOCAL_STATE/etcd" "$kept"
        say "The old members' data are in $kept; delete them when nobody misses anything"
    fi
    mv "$etcd_data" "$LOCAL_STATE/etcd"
    if [[ $lost == yes ]]; then
        set_records_aside "$backups/abandoned-$time"
    fi
}

# Records of the history that was given up would refuse every later restore and backup.
set_records_aside() {
    local folder=$1 file number hash
    for file in "$backups"/*.json; do
        [[ -r "$file" ]] || continue
        read_record "$file"
        if ((${number:-0} > restored_number)) ||
            { ((${number:-0} == restored_number)) && [[ "$hash" != "$restored_hash" ]]; }; then
            mkdir -p "$folder"
            mv "$file" "$folder"
            [[ ! -e "${file%.json}" ]] || mv "${file%.json}" "$folder"
        fi
    done
    [[ ! -d "$folder" ]] || say "What was known of the history that was given up is in $folder"
}

clean_up() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    set +e
    if [[ -n "$replica_pid" ]]; then
        stop_process ledger-service "$replica_pid" 30
    fi
    stop_members
    remove_root_certificate
    rm -rf "$work"
    if ((status == 0)) && [[ $failed == yes || $finished == no ]]; then
        status=1
    fi
    exit "$status"
}

# since MOMENT: the seconds since then, with one decimal.
since() {
    awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'
}

snapshot="" binaries="" accept_lost_events=no known_sequence="" known_hash="-"
known=() lost=no replica_pid="" finished=no
while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --accept-lost-events) accept_lost_events=yes ;;
        --known-sequence | --known-hash | --bin)
            (($# > 1)) || wrong_usage "$1 needs a value"
            case $1 in
                --known-sequence) known_sequence=$2 ;;
                --known-hash) known_hash=$2 ;;
                --bin) binaries=$2 ;;
            esac
            shift
            ;;
        -*) wrong_usage "unknown option $1" ;;
        *)
            [[ -z "$snapshot" ]] || wrong_usage "only one snapshot can be given"
            snapshot=$1
            ;;
    esac
    shift
done
[[ -z "$known_sequence" || "$known_sequence" =~ ^[1-9][0-9]{0,17}$ ]] ||
    wrong_usage "--known-sequence is a number from 1 on, not $known_sequence"
[[ "$known_hash" == - || ("$known_hash" =~ ^[0-9a-f]{64}$ && -n "$known_sequence") ]] ||
    wrong_usage "--known-hash is 64 hexadecimal digits, and belongs to a --known-sequence"

local_env "$root"
backups=$LOCAL_STATE/backups
if [[ -z "$snapshot" ]]; then
    snapshot=$(find "$backups" -maxdepth 1 -name 'etcd-*.db' 2>/dev/null | sort | tail -n 1)
    [[ -n "$snapshot" ]] || die "there is no snapshot in $backups; name one, or make backup first"
fi
[[ -r "$snapshot" ]] || die "the snapshot $snapshot cannot be read"
[[ -n "$binaries" ]] || binaries=$(find_binaries "$root")
[[ -x "$binaries/ledger-service" && -x "$binaries/ledgerctl" ]] ||
    die "ledger-service and ledgerctl are missing: make release, or name their folder with --bin"
binaries=$(cd "$binaries" && pwd)

begin=$EPOCHREALTIME
check_nothing_runs
work=$(mktemp -d "$LOCAL_STATE/restoring.XXXXXX")
trap 'stop_requested=yes' INT TERM HUP
trap clean_up EXIT
"$root/certs/make-certs.sh" "$LOCAL_CERTS" >/dev/null
# The ledger that make run would serve: below another prefix there would seem to be no event, and nothing to lose.
settings=$(settings_here "$binaries" "$root") ||
    die "the settings of the ledger that make run starts are not accepted, see above. Nothing was changed"
LEDGER_PREFIX=$(setting LEDGER_PREFIX <<<"$settings")
export LEDGER_PREFIX
make_root_certificate
: >"$LOCAL_STATE/logs/restore.log"

say "Restoring $snapshot"
if [[ -r "$snapshot.json" ]]; then
    expected=$(sed -n 's/.*"sha256":"\([0-9a-f]*\)".*/\1/p' "$snapshot.json")
    actual=$(sha256sum <"$snapshot")
    [[ "${actual%% *}" == "$expected" ]] ||
        die "the snapshot is not what its record says (SHA-256); take another one. Nothing was changed"
fi
[[ -z "$known_sequence" ]] || know "$known_sequence" "$known_hash" "--known-sequence"
know_records
know_old_members
known_seconds=$(since "$begin")

moment=$EPOCHREALTIME
etcd_data=$work/etcd
mkdir -m 0700 "$etcd_data"
restore_database "$snapshot" "restored-$(openssl rand -hex 8)" "${#members[@]}" || {
    show_log "etcd's restore" "$LOCAL_STATE/logs/restore.log"
    die "etcd refuses the snapshot; take another one. Nothing was changed"
}
start_members "${#members[@]}"
read -r restored_number restored_hash < <(read_head)
[[ -n "$restored_number" ]] || exit 1
check_nothing_lost "$restored_number" "$restored_hash"
restrict_access
check_members_agree
restore_seconds=$(since "$moment")

moment=$EPOCHREALTIME
verify_events
verify_seconds=$(since "$moment")
stop_members
put_in_place
finished=yes
say "Restored: the ledger ends with event $restored_number, hash $restored_hash"
say "Took $(since "$begin") s: looking for what is known $known_seconds, restoring and starting" \
    "$restore_seconds, verifying $verify_seconds"
say "Events sealed after the snapshot are not in it. Whoever knows of a number above" \
    "$restored_number: stop, and restore a newer one. Else: make run"
