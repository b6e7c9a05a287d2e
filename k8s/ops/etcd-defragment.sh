#!/usr/bin/env bash
# Gives back the space inside the members' database files that compaction freed, member by member.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: etcd-defragment.sh

Defragments every member that has at least DEFRAGMENT_MIN_FREE_MIB to give back, one after the other,
the leader last and after it handed over. A member answers nobody meanwhile; so it starts only when
all are healthy, and goes on only when the one before is healthy again.

  ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY   where all members are
  ETCDCTL_USER, ETCDCTL_PASSWORD   a user with the role root, where authentication is on
  DEFRAGMENT_MIN_FREE_MIB          (256; 0: always)
  DEFRAGMENT_TIMEOUT_SECONDS       for each member (900)
TEXT
}

if (($# > 0)); then
    usage
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
fi

# shellcheck source=k8s/ops/etcd-common.sh
source "$(dirname "${BASH_SOURCE[0]}")/etcd-common.sh"

DEFRAGMENT_MIN_FREE_MIB=${DEFRAGMENT_MIN_FREE_MIB:-256}
DEFRAGMENT_TIMEOUT_SECONDS=${DEFRAGMENT_TIMEOUT_SECONDS:-900}

# Those that follow first, then the leader.
leader_last() {
    local endpoint
    local -a leaders=()
    for endpoint in "${endpoints[@]}"; do
        if is_leader "$endpoint"; then
            leaders+=("$endpoint")
        else
            echo "$endpoint"
        fi
    done
    printf '%s\n' "${leaders[@]}"
}

# Leaves the leadership to another member: an orderly change takes milliseconds, a leader that does
# not answer costs an election.
hand_over() {
    local from=$1 endpoint id
    for endpoint in "${endpoints[@]}"; do
        [[ "$endpoint" != "$from" ]] || continue
        id=$(status_of "$endpoint" | json_number member_id)
        say "$from hands over to $endpoint"
        at "$from" move-leader "$(printf '%x' "$id")" >/dev/null
        wait_until_healthy "$DEFRAGMENT_TIMEOUT_SECONDS" "$endpoint"
        return
    done
}

defragment() {
    local endpoint=$1 status before free after
    status=$(status_of "$endpoint")
    before=$(json_number dbSize <<<"$status")
    free=$((before - $(json_number dbSizeInUse <<<"$status")))
    if ((free < DEFRAGMENT_MIN_FREE_MIB * 1048576)); then
        say "$endpoint: $before bytes, $free of them free: left as it is"
        return
    fi
    if is_leader "$endpoint"; then
        hand_over "$endpoint"
    fi
    at "$endpoint" --command-timeout="${DEFRAGMENT_TIMEOUT_SECONDS}s" defrag >/dev/null
    wait_until_healthy "$DEFRAGMENT_TIMEOUT_SECONDS" "$endpoint"
    after=$(status_of "$endpoint" | json_number dbSize)
    say "$endpoint: from $before to $after bytes"
}

require_number DEFRAGMENT_MIN_FREE_MIB DEFRAGMENT_TIMEOUT_SECONDS
read_endpoints
for endpoint in "${endpoints[@]}"; do
    is_healthy "$endpoint" || die "$endpoint is not healthy: no other member may pause now"
done
mapfile -t ordered < <(leader_last)
for endpoint in "${ordered[@]}"; do
    defragment "$endpoint"
done
