# shellcheck shell=bash
# Sourced, never run: the three etcd members of the local cluster, for run-local.sh and restore.sh.
# Needs processes.sh, and local_env called before. `etcd_data` is the folder with the members' data.
# The variables set here are for the script that sources this.
# shellcheck disable=SC2034,SC2154

readonly members=(m1 m2 m3)
readonly start_seconds=90
readonly etcd_stop_seconds=60
etcd_pid=""
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

# start_members COUNT [FLAG...]: starts the first so many members and waits until they know a leader.
# They end with descriptor 8, at the latest with this script.
start_members() {
    local count=$1 orders=$LOCAL_STATE/etcd-orders report=$LOCAL_STATE/logs/etcd.json
    shift
    rm -f "$orders" "$report"
    mkfifo "$orders"
    # As in start: a Ctrl-C reaches the script alone.
    set -m
    "$root/scripts/run-etcd.py" --data "$etcd_data" --certs "$LOCAL_CERTS" \
        --logs "$LOCAL_STATE/logs" --members "$count" --port "$LOCAL_ETCD_PORT" -- "$@" \
        <"$orders" >"$report" 9>&- &
    etcd_pid=$!
    set +m
    exec 8>"$orders"
    rm "$orders"
    until [[ -s "$report" ]]; do
        is_running "$etcd_pid" || die "etcd could not be started"
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

# Waits until all members have ended; a bad end counts as failed.
stop_members() {
    if [[ -n "$etcd_pid" ]]; then
        stop_process etcd "$etcd_pid" "$etcd_stop_seconds"
        wait "$etcd_pid" || failed=yes
        etcd_pid=""
    fi
}
