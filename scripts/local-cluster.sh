# shellcheck shell=bash
# Sourced, never run: the three etcd members of the local cluster, for run-local.sh and restore.sh.
# Needs processes.sh, and local_env called before. `etcd_data` is the folder with the members' data.
# The variables set here are for the script that sources this.
# shellcheck disable=SC2034,SC2154

readonly members=(m1 m2 m3)
readonly start_seconds=90
readonly etcd_stop_seconds=15
declare -A member_pids=()
root_certificate=""

client_port() {
    echo $((LOCAL_ETCD_PORT + 2 * $1))
}

peer_port() {
    echo $((LOCAL_ETCD_PORT + 2 * $1 + 1))
}

metrics_port() {
    echo $((LOCAL_ETCD_PORT + 2 * ${#members[@]} + $1))
}

# initial_cluster COUNT: the first so many members, as etcd's flag of that name wants them.
initial_cluster() {
    local i cluster=""
    for ((i = 0; i < $1; i++)); do
        cluster+="${cluster:+,}${members[i]}=https://127.0.0.1:$(peer_port "$i")"
    done
    echo "$cluster"
}

check_etcd_ports() {
    local i
    for i in "${!members[@]}"; do
        check_port "$(client_port "$i")" "etcd ${members[i]}, clients" LOCAL_ETCD_PORT
        check_port "$(peer_port "$i")" "etcd ${members[i]}, peers" LOCAL_ETCD_PORT
        check_port "$(metrics_port "$i")" "etcd ${members[i]}, metrics" LOCAL_ETCD_PORT
    done
}

# Only one script at a time works with the data in LOCAL_STATE. The lock ends with the script.
lock_state() {
    mkdir -p "$LOCAL_STATE/logs"
    exec 9>"$LOCAL_STATE/lock"
    if command -v flock >/dev/null; then
        flock --nonblock 9
    fi
}

# start_members COUNT [FLAG...]: starts the first so many members and waits until they are healthy.
start_members() {
    local count=$1 i cluster log
    shift
    cluster=$(initial_cluster "$count")
    for ((i = 0; i < count; i++)); do
        log=$LOCAL_STATE/logs/etcd-${members[i]}.log
        : >"$log"
        start "$log" "$root/scripts/etcd-member.sh" "${members[i]}" \
            "$etcd_data/${members[i]}" "$LOCAL_CERTS" \
            "$(client_port "$i")" "$(peer_port "$i")" "$cluster" \
            --listen-metrics-urls "http://127.0.0.1:$(metrics_port "$i")" "$@"
        member_pids[${members[i]}]=$started_pid
        disown "$started_pid"
    done
    for ((i = 0; i < count; i++)); do
        wait_for_member "${members[i]}" "$(client_port "$i")"
    done
}

wait_for_member() {
    local member=$1 port=$2 deadline=$((SECONDS + start_seconds))
    local log=$LOCAL_STATE/logs/etcd-$member.log
    until curl --silent --fail --max-time 2 --cacert "$ETCD_CA_CERT" --cert "$ETCD_CLIENT_CERT" \
        --key "$ETCD_CLIENT_KEY" "https://127.0.0.1:$port/health" 2>/dev/null |
        grep -q '"health":"true"'; do
        if ! is_running "${member_pids[$member]}"; then
            show_log "etcd $member" "$log"
            die "etcd $member ended while it started"
        fi
        if ((SECONDS >= deadline)); then
            show_log "etcd $member" "$log"
            die "etcd $member was not healthy within $start_seconds s"
        fi
        pause
    done
}

# Makes, in `root_certificate`, what lets etcdctl be etcd's user root without a password, for a day.
# Not in LOCAL_CERTS, where it would stay if the script were killed at once.
make_root_certificate() {
    root_certificate=$(mktemp -d "$LOCAL_STATE/etcd-root.XXXXXX")
    cp "$LOCAL_CERTS"/*.pem "$LOCAL_CERTS/.made-by" "$root_certificate"
    "$root/certs/make-certs.sh" --etcd-root "$root_certificate" >/dev/null
}

remove_root_certificate() {
    if [[ -n "$root_certificate" ]]; then
        rm -rf "$root_certificate"
        root_certificate=""
    fi
}

# as_root ARGUMENT...: etcdctl on the first member.
as_root() {
    env -u ETCDCTL_USER -u ETCDCTL_PASSWORD ETCDCTL_CERT="$root_certificate/etcd-root.pem" \
        ETCDCTL_KEY="$root_certificate/etcd-root-key.pem" \
        ETCDCTL_ENDPOINTS="https://127.0.0.1:$(client_port 0)" etcdctl --command-timeout=20s "$@"
}

# The same script as in Kubernetes; what is done already it leaves. The passwords in LOCAL_STATE are
# the ones that count: data that were restored, or whose passwords were lost, may have others.
restrict_access() {
    local log=$LOCAL_STATE/logs/etcd-access.log
    if [[ "$("$root/scripts/as-operator.sh" etcdctl user get root 2>&1)" == \
        *"invalid user ID or password"* ]]; then
        [[ -n "$root_certificate" ]] || make_root_certificate
        as_root user passwd root --interactive=false <"$LOCAL_STATE/etcd-root-password" \
            >"$log" 2>&1 || true
        remove_root_certificate
    fi
    if ! "$root/scripts/as-operator.sh" "$root/k8s/ops/etcd-bootstrap-auth.sh" >"$log" 2>&1; then
        show_log etcd-bootstrap-auth.sh "$log"
        die "etcd's users could not be set; the log says why"
    fi
}

stop_members() {
    local member
    # One after the other: a leader hands over to a member that still runs, and where all stop at
    # once it waits seconds for one that does not.
    for member in "${!member_pids[@]}"; do
        stop_process "etcd $member" "${member_pids[$member]}" "$etcd_stop_seconds"
        unset "member_pids[$member]"
    done
}

# For members whose data are thrown away: they need no clean end.
kill_members() {
    local member
    for member in "${!member_pids[@]}"; do
        kill -KILL "${member_pids[$member]}" 2>/dev/null || true
        wait_for_end "${member_pids[$member]}" "$etcd_stop_seconds" || failed=yes
        unset "member_pids[$member]"
    done
}
