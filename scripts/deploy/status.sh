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

# Ends with the health, whose exit status says whether the ledger is of use.
show_status() {
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
    show_health
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
            "http://127.0.0.1:$port/health" || result=1
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
