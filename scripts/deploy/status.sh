# shellcheck shell=bash
# Sourced by deploy.sh, never run: how a deployment is.
# The variables come from common.sh.
# shellcheck disable=SC2154

# columns NAME=PATH...: kubectl's option for a table with these columns.
columns() {
    local column all=""
    for column in "$@"; do
        all+="${all:+,}${column%%=*}:${column#*=}"
    done
    echo "--output=custom-columns=$all"
}

# Everything that is there; then what of it is not well, one line each, and status 1 where there is any.
show_status() {
    local unwell=()
    say "Workloads"
    kube get statefulset,deployment,pods
    say "Certificates"
    kube get certificates.cert-manager.io "$(columns NAME=.metadata.name \
        'READY=.status.conditions[?(@.type=="Ready")].status' \
        EXPIRES=.status.notAfter RENEWS=.status.renewalTime)" || true
    say "Scheduled jobs, the backup among them"
    kube get cronjobs "$(columns NAME=.metadata.name SCHEDULE=.spec.schedule \
        STARTED=.status.lastScheduleTime SUCCEEDED=.status.lastSuccessfulTime)" || true
    say "Health"
    show_health || unwell+=("the ledger is not HEALTHY, see above")
    check_workload "$etcd" readyReplicas
    check_workload "$ledger" availableReplicas
    check_certificates
    check_backup
    ((${#unwell[@]} > 0)) || return 0
    printf 'not well: %s\n' "${unwell[@]}" >&2
    return 1
}

# check_workload WORKLOAD FIELD: as many as it asks for are there.
check_workload() {
    local wanted ready
    wanted=$(kube get "$1" --output 'jsonpath={.spec.replicas}')
    ready=$(kube get "$1" --output "jsonpath={.status.$2}")
    ((${ready:-0} >= ${wanted:-1})) || unwell+=("$1 has ${ready:-0} of ${wanted:-1} ready")
}

check_certificates() {
    local name ready
    while read -r name ready; do
        [[ -z "$name" || "$ready" == True ]] || unwell+=("the certificate $name is not ready")
    done < <(kube get certificates.cert-manager.io --output 'jsonpath={range .items[*]}'\
'{.metadata.name}{" "}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' || echo "list ?")
}

# The last one that succeeded, whether by its schedule or by a deployment.
check_backup() {
    local last=""
    last=$(kube get cronjob etcd-backup --ignore-not-found \
        --output 'jsonpath={.status.lastSuccessfulTime}')
    [[ -n "$last" ]] || last=$(kube get job etcd-backup-now --ignore-not-found \
        --output 'jsonpath={.status.completionTime}')
    if [[ -z "$last" ]]; then
        unwell+=("no backup has succeeded yet")
    elif (($(date -u +%s) - $(date -u -d "$last" +%s) > 3600)); then
        unwell+=("the last backup that succeeded is of $last")
    fi
}

# From the admin port of one replica, which no network policy lets anybody but monitoring reach. A
# forwarded port ends inside the pod, and is this machine's alone.
show_health() {
    local forwarder port="" deadline=$((SECONDS + 15)) result=0
    : >"$work/forwarded"
    # Not through a function: that would run in a shell of its own, whose end does not end kubectl.
    "${kubectl[@]}" port-forward "$ledger" :9464 --address 127.0.0.1 >"$work/forwarded" 2>&1 &
    forwarder=$!
    while [[ -z "$port" ]] && ((SECONDS < deadline)) && kill -0 "$forwarder" 2>/dev/null; do
        sleep 0.2
        port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$work/forwarded")
    done
    if [[ -z "$port" ]]; then
        cat "$work/forwarded" >&2
        result=1
    else
        curl --silent --show-error --max-time 10 --fail-with-body \
            "http://127.0.0.1:$port/health" | tee "$work/health" || result=1
        grep -Eq '^[^{]*\{[[:space:]]*"status":[[:space:]]*"HEALTHY"' "$work/health" || result=1
        echo
        curl --silent --max-time 10 "http://127.0.0.1:$port/metrics" |
            sed -n 's/^ledger_head_sequence_number[^ ]* /last number: /p' || true
    fi
    kill "$forwarder" 2>/dev/null || true
    wait "$forwarder" 2>/dev/null || true
    return "$result"
}

status() {
    need kubectl curl
    choose_context
    check_cluster
    exists "${ledger%/*}" "${ledger#*/}" ||
        die "no ledger is deployed there; ./deploy.sh dev or ./deploy.sh prod does it"
    make_work_folder
    show_status || die "the ledger is not well; its log:" \
        "kubectl --context $context --namespace $namespace logs $ledger"
}
