#!/usr/bin/env bash
# Takes one snapshot of etcd, proves that it can be read, records what it holds, and lets go of old ones.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: etcd-backup.sh

Writes BACKUP_DIRECTORY/etcd-<time>.db and, beside it, etcd-<time>.db.json: the number and hash of the
last event in it, its revision, and its SHA-256. Both appear under these names only when the snapshot
was verified. Then older snapshots are thinned out: all of the last BACKUP_KEEP_ALL_HOURS, the last of
each day for BACKUP_KEEP_DAYS.

It fails, and deletes nothing, where the ledger ends before an event that an earlier record knows, or
ends with another hash: then etcd was set back, and numbers are given out again.

  ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY   where etcd is
  ETCDCTL_USER, ETCDCTL_PASSWORD   a user with the role root, where authentication is on
  LEDGER_PREFIX                    below which the ledger's keys are (ledger/)
  BACKUP_DIRECTORY                 (/backups)
  BACKUP_KEEP_ALL_HOURS            (48)
  BACKUP_KEEP_DAYS                 (30)
TEXT
}

if (($# > 0)); then
    usage
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
fi

# shellcheck source=k8s/ops/etcd-common.sh
source "$(dirname "${BASH_SOURCE[0]}")/etcd-common.sh"

LEDGER_PREFIX=${LEDGER_PREFIX:-ledger/}
BACKUP_DIRECTORY=${BACKUP_DIRECTORY:-/backups}
BACKUP_KEEP_ALL_HOURS=${BACKUP_KEEP_ALL_HOURS:-48}
BACKUP_KEEP_DAYS=${BACKUP_KEEP_DAYS:-30}

# A healthy member, and one that follows where there is one: the leader has enough to do.
choose_member() {
    local endpoint leader=""
    for endpoint in "${endpoints[@]}"; do
        is_healthy "$endpoint" || continue
        if ! is_leader "$endpoint"; then
            echo "$endpoint"
            return
        fi
        leader=$endpoint
    done
    [[ -n "$leader" ]] || die "no member is healthy"
    echo "$leader"
}

check_space() {
    local needed available
    needed=$(status_of "$member" | json_number dbSize)
    available=$(df --output=avail --block-size=1 "$BACKUP_DIRECTORY" | tail -n 1)
    ((available > needed)) ||
        die "a snapshot takes $needed bytes, $BACKUP_DIRECTORY has only $((available)) left"
}

# etcd sends a SHA-256 of the snapshot after it, which becomes the file's last 32 bytes.
check_digest() {
    local expected actual
    expected=$(tail -c 32 "$partial" | od -An -v -tx1 | tr -d ' \n')
    actual=$(head -c -32 "$partial" | sha256sum)
    [[ "$expected" == "${actual%% *}" ]] || die "the snapshot from $member was damaged on its way"
}

# Reads the whole database. etcd 3.6 has this in etcdutl only, 3.4 in etcdctl only.
snapshot_status() {
    if command -v etcdutl >/dev/null; then
        etcdutl snapshot status "$partial" --write-out=json
    else
        etcdctl snapshot status "$partial" --write-out=json
    fi
}

# The head as it is in the snapshot, whose revision is known: the present one where it has not changed
# since, else the one of that revision, which etcd keeps for some minutes.
read_head() {
    local answer head changed
    sequence_number=0 event_hash=""
    answer=$(at "$member" get --write-out=json "${LEDGER_PREFIX}head")
    changed=$(json_number mod_revision <<<"$answer")
    # Nothing of a ledger is ever deleted: what is not there now was not there before.
    [[ -n "$changed" ]] || return 0
    if ((changed <= revision)); then
        head=$(json_text value <<<"$answer" | base64 --decode)
    else
        head=$(at "$member" get --rev="$revision" --print-value-only "${LEDGER_PREFIX}head")
        [[ -n "$head" ]] || return 0
    fi
    sequence_number=$(json_number sequence <<<"$head")
    event_hash=$(json_text event_hash <<<"$head")
    [[ "$sequence_number" =~ ^[1-9][0-9]*$ && "$event_hash" =~ ^[0-9a-f]{64}$ ]] ||
        die "${LEDGER_PREFIX}head is not what the ledger writes"
}

write_record() {
    local digest
    digest=$(sha256sum <"$partial")
    printf '{"snapshot":"%s","sha256":"%s","bytes":%d,"revision":%d,"sequence_number":%d,"event_hash":"%s"}\n' \
        "$name" "${digest%% *}" "$(stat --format=%s "$partial")" "$revision" "$sequence_number" \
        "$event_hash" >"$partial.json"
    sync "$partial" "$partial.json"
    mv "$partial" "$BACKUP_DIRECTORY/$name"
    mv "$partial.json" "$BACKUP_DIRECTORY/$name.json"
}

# Prints number and hash of the furthest head that a record knows.
furthest_record() {
    find "$BACKUP_DIRECTORY" -maxdepth 1 -name 'etcd-*.db.json' -exec cat {} + |
        sed -n 's/.*"sequence_number":\([0-9]*\),"event_hash":"\([0-9a-f]*\)".*/\1 \2/p' |
        sort -n | tail -n 1
}

check_history() {
    local furthest_number furthest_hash
    read -r furthest_number furthest_hash < <(furthest_record) || return 0
    if ((furthest_number > sequence_number)); then
        die "the ledger ends with event $sequence_number, an earlier snapshot knew $furthest_number:" \
            "etcd was set back. Nothing is deleted until the newer records are moved away"
    fi
    if ((furthest_number == sequence_number)) && [[ "$furthest_hash" != "$event_hash" ]]; then
        die "event $sequence_number has the hash $event_hash, an earlier snapshot knew" \
            "$furthest_hash: etcd was set back, or its data were changed"
    fi
}

# taken_at NAME: seconds since 1970, by the time in the name.
taken_at() {
    local time=${1#etcd-}
    time=${time%.db}
    date -u -d "${time:0:4}-${time:4:2}-${time:6:2}T${time:9:2}:${time:11:2}:${time:13:2}Z" +%s
}

thin_out() {
    local now file age day
    local -A kept_days=()
    now=$(taken_at "$name")
    # Newest first, so that the first of a day is its last.
    while read -r file; do
        age=$((now - $(taken_at "$file")))
        day=${file:5:8}
        if ((age > BACKUP_KEEP_DAYS * 86400)) ||
            { ((age > BACKUP_KEEP_ALL_HOURS * 3600)) && [[ -n "${kept_days[$day]:-}" ]]; }; then
            # The record last: what has none is not a backup.
            rm -f "$BACKUP_DIRECTORY/$file" "$BACKUP_DIRECTORY/$file.json"
            say "removed $file"
        else
            kept_days[$day]=yes
        fi
    done < <(find "$BACKUP_DIRECTORY" -maxdepth 1 -printf '%f\n' |
        grep -E '^etcd-[0-9]{8}T[0-9]{6}Z\.db$' | sort -r)
}

require_number BACKUP_KEEP_ALL_HOURS BACKUP_KEEP_DAYS
[[ -w "$BACKUP_DIRECTORY" ]] || die "$BACKUP_DIRECTORY is not a folder that can be written to"
read_endpoints
# What a run that was cut off has left.
rm -f "$BACKUP_DIRECTORY"/.etcd-*.partial*

name=etcd-$(date -u +%Y%m%dT%H%M%SZ).db
partial=$BACKUP_DIRECTORY/.$name.partial
member=$(choose_member)
check_space
saved=$(at "$member" snapshot save "$partial" 2>&1) || die "$member gave no snapshot: $saved"
check_digest
status=$(snapshot_status) || die "the snapshot from $member cannot be read"
revision=$(json_number revision <<<"$status")
[[ -n "$revision" ]] || die "the snapshot's revision is not known: $status"
read_head
write_record
say "wrote $name from $member: revision $revision, $sequence_number events"
check_history
thin_out
