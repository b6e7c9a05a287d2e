#!/usr/bin/env bash
# Runs before a member of etcd starts: brings a member that lost its data back into its cluster.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: etcd-rejoin.sh ETCD_FLAG...

The flags are those with which the member is going to be started. Where it has data, this does nothing.
Where it has none:

- The others have a cluster, and know this member as one that ran: it lost its data, and with them what
  it had promised to the others. It is removed, announced anew and started here until it has caught up;
  then it is stopped, and starts as a member like any other. Only while all the votes that the cluster
  needs are there without it: otherwise this ends with status 1, and says why.
- The others have a cluster that waits for this member, or never saw it: it joins in the same way, or
  starts for the first time.
- All the others are empty too, or begin right now: the cluster is new.
- Anything else is not known for certain, and waited for: a member without data that begins anew while
  others are merely away could make them forget events.

While it waits it says "empty" to the other members, by TLS with the certificates of members, at a port
of its own: that of the peers, and two more.

  ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY   where all members are
  ETCDCTL_USER, ETCDCTL_PASSWORD                root, and its password, once etcd has users
  REJOIN_WAIT_SECONDS                           how long to wait for others, and to catch up (600)
TEXT
}

if (($# == 0)) || [[ $1 == -h || $1 == --help ]]; then
    usage
    (($# > 0)) && exit 0
    exit 2
fi

# shellcheck source=k8s/ops/etcd-common.sh
source "$(dirname "${BASH_SOURCE[0]}")/etcd-common.sh"

REJOIN_WAIT_SECONDS=${REJOIN_WAIT_SECONDS:-600}
readonly flags=("$@")
stand_in=""
joining=""

# flag NAME: the value of the last flag of that name.
flag() {
    local one found=""
    for one in "${flags[@]}"; do
        [[ "$one" != "--$1="* ]] || found=${one#*=}
    done
    [[ -n "$found" ]] || die "the flag --$1 is missing"
    echo "$found"
}

own_name=$(flag name)
data=$(flag data-dir)
own_peer_url=$(flag initial-advertise-peer-urls)
initial_cluster=$(flag initial-cluster)
peer_tls=(--cert "$(flag peer-cert-file)" --key "$(flag peer-key-file)"
    --cacert "$(flag peer-trusted-ca-file)")
own_endpoint=$(flag advertise-client-urls)
readonly own_name data own_peer_url own_endpoint initial_cluster peer_tls
# Beside the data, on the same volume: what was joined becomes the data in one step.
readonly joined=${data%/}.joining

end_children() {
    local child
    for child in $stand_in $joining; do
        kill "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    [[ -z "${folder:-}" ]] || rm -rf "$folder"
}

# Answers the other members until this script ends, for they cannot know otherwise that this one is there
# and has nothing.
stand_in() {
    local address
    address=$(stand_in_of "$own_peer_url")
    folder=$(mktemp -d)
    echo empty >"$folder/state"
    (
        cd "$folder"
        # It ends where a connection breaks in the wrong moment.
        trap 'kill "$server" 2>/dev/null; exit' TERM
        while true; do
            openssl s_server -accept "${address##*:}" -WWW -quiet -verify_return_error \
                -cert "${peer_tls[1]}" -key "${peer_tls[3]}" -CAfile "${peer_tls[5]}" -Verify 2 \
                >/dev/null 2>&1 &
            server=$!
            wait "$server" || true
            sleep 0.2
        done
    ) &
    stand_in=$!
}

# Where etcd keeps connections open, a server that serves one caller after the other would serve no other.
stand_in_of() {
    echo "${1%:*}:$((${1##*:} + 2))"
}

# ask URL: as a member. HTTP/2 is not for what etcd answers on this port.
ask() {
    curl --silent --http1.1 --max-time 3 --fail "${peer_tls[@]}" "$1"
}

# state_of PEER_URL: prints
#   member   etcd runs there, in a cluster of which some member has begun to serve
#   new      etcd runs there, and no member of its cluster has served yet
#   empty    that member waits as this one does
#   silent   nothing of this is known
state_of() {
    local answer
    answer=$(ask "$1/members") || answer=$(ask "$(stand_in_of "$1")/state") || answer=""
    case $answer in
        *'"clientURLs":["'*) echo member ;;
        *'"peerURLs":["'*) echo new ;;
        empty) echo empty ;;
        *) echo silent ;;
    esac
}

# What all the others are, one word each, in the array `states`, and with names in `told`.
look_around() {
    local one
    states=() told=""
    while IFS= read -r -d , one; do
        [[ "${one%%=*}" != "$own_name" ]] || continue
        states+=("$(state_of "${one#*=}")")
        told+="${told:+, }${one%%=*} ${states[-1]}"
    done <<<"$initial_cluster,"
}

# The endpoints of the others that answer a read which needs the quorum, in the array `healthy`.
find_healthy() {
    local endpoint
    healthy=() refusal=""
    for endpoint in "${endpoints[@]}"; do
        [[ "$endpoint" != "$own_endpoint" ]] || continue
        if refusal=$(at "$endpoint" endpoint health 2>&1); then
            healthy+=("$endpoint")
        elif [[ "$refusal" == *"invalid user ID or password"* ]]; then
            die "$endpoint refuses ETCDCTL_USER and ETCDCTL_PASSWORD: $own_name cannot be taken in again"
        fi
    done
}

# The cluster's members in the array `members`, each as "id, started, name, peer URLs, client URLs, ...".
list_members() {
    local answer
    answer=$(at "${healthy[0]}" member list 2>&1) || die "${healthy[0]} tells no members: $answer"
    # Without what etcdctl says beside it: that etcd has no users yet, for example.
    mapfile -t members < <(grep -E '^[0-9a-f]+, (un)?started, ' <<<"$answer")
    ((${#members[@]} > 0)) || die "${healthy[0]} tells no members: $answer"
}

# Sets id, and known to started, begun (announced, never served) or no.
find_itself() {
    local member status other_name peers clients
    id="" known=no
    for member in "${members[@]}"; do
        IFS=, read -r id status other_name peers clients _ <<<"${member//, /,}"
        if [[ "$other_name" == "$own_name" || "$peers" == "$own_peer_url" ]]; then
            if [[ "$status" == unstarted || -z "$other_name" ]]; then
                known=announced
            elif [[ -z "$clients" ]]; then
                known=begun
            else
                known=started
            fi
            return
        fi
    done
    id=""
}

# Without this member there must be as many votes as the cluster needs with it. It cannot vote before it
# has caught up, and a member that is away may stay away.
check_votes() {
    local size=${#members[@]} needed
    [[ $known != no ]] || size=$((size + 1))
    needed=$((size / 2 + 1))
    ((${#healthy[@]} >= needed)) ||
        die "$own_name has no data, and of the $size members only ${#healthy[@]} are healthy, where" \
            "$needed are needed to take it in again ($told). Bring the others back; where their" \
            "data are lost as well, restore a backup"
}

# Removes and announces. etcd wants to have seen the others healthy for five seconds.
announce() {
    local answer deadline=$((SECONDS + REJOIN_WAIT_SECONDS))
    if [[ $known == started ]]; then
        say "$own_name has lost its data: it is removed as $id, and announced anew"
        answer=$(at "${healthy[0]}" member remove "$id" 2>&1) ||
            die "$own_name could not be removed: $answer"
    fi
    if [[ $known != announced ]]; then
        until answer=$(at "${healthy[0]}" member add "$own_name" --peer-urls="$own_peer_url" 2>&1); do
            [[ "$answer" == *"unhealthy cluster"* || "$answer" == *"too many learner"* ]] ||
                die "$own_name could not be announced: $answer"
            ((SECONDS < deadline)) || die "$own_name could not be announced in time: $answer"
            sleep 1
        done
    fi
    list_members
}

# Prints the members as --initial-cluster wants them.
cluster_of_members() {
    local member status other_name peers url all=""
    for member in "${members[@]}"; do
        IFS=, read -r _ status other_name peers _ <<<"${member//, /,}"
        [[ "$peers" != "$own_peer_url" ]] || other_name=$own_name
        [[ -n "$other_name" ]] || die "another member, at $peers, is announced and not there yet"
        for url in ${peers//;/ }; do
            all+="${all:+,}$other_name=$url"
        done
    done
    echo "$all"
}

is_up() {
    [[ "$(curl --silent --max-time 3 "http://127.0.0.1:${metrics##*:}/health")" == \
        *'"health":"true"'* ]]
}

join() {
    local cluster metrics deadline=$((SECONDS + REJOIN_WAIT_SECONDS))
    cluster=$(cluster_of_members)
    metrics=$(flag listen-metrics-urls)
    rm -rf "$joined"
    end_children
    stand_in="" folder=""
    say "$own_name joins $cluster"
    # Of a flag that comes twice, etcd takes the last.
    etcd "${flags[@]}" --data-dir="$joined" --initial-cluster="$cluster" \
        --initial-cluster-state=existing &
    joining=$!
    until is_up; do
        kill -0 "$joining" 2>/dev/null || die "etcd ended while it joined, see its log above"
        ((SECONDS < deadline)) ||
            die "$own_name did not catch up within $REJOIN_WAIT_SECONDS s; it is announced, and tries again"
        sleep 0.5
    done
    kill -TERM "$joining"
    wait "$joining" || true
    joining=""
    [[ -d "$joined/member/wal" ]] || die "etcd joined, and left no data"
    # Empty, if it is there at all.
    [[ ! -d "$data" ]] || rmdir "$data"
    mv "$joined" "$data"
    sync "$(dirname "$data")"
    say "$own_name has caught up"
}

# Sets verdict to what the others' states mean: new, first, rejoin, or wait where they mean nothing yet.
decide() {
    verdict="wait"
    look_around
    case " ${states[*]} " in
        *" member "*) ;;
        *" silent "*) return ;;
        *)
            verdict="new"
            return
            ;;
    esac
    find_healthy
    if ((${#healthy[@]} == 0)); then
        told+="; none answers a read that needs a quorum: ${refusal##*$'\n'}"
        return
    fi
    list_members
    find_itself
    verdict=rejoin
    [[ $known != begun ]] || verdict=first
}

require_number REJOIN_WAIT_SECONDS
if [[ -n "$(ls -A "$data" 2>/dev/null)" ]]; then
    exit 0
fi
# What a run that was cut off has left; its member is announced, or started.
rm -rf "$joined"
if [[ "$initial_cluster" != *,* ]]; then
    say "$own_name is the only member, and begins anew"
    exit 0
fi
read_endpoints
trap end_children EXIT
trap 'exit 143' TERM INT HUP
stand_in
deadline=$((SECONDS + REJOIN_WAIT_SECONDS))
# Not as a condition: in one, bash passes over every error in what it calls.
decide
while [[ $verdict == wait ]]; do
    ((SECONDS < deadline)) ||
        die "$own_name has no data, and whether the ledger has begun is not known for certain: $told." \
            "It starts when every other member says that it has none, or when enough of them answer"
    sleep 1
    decide
done
case $verdict in
    new) say "$own_name begins a new cluster: $told" ;;
    first) say "$own_name starts for the first time in a cluster that has begun without it" ;;
    rejoin)
        check_votes
        announce
        join
        ;;
esac
