# shellcheck shell=bash
# Sourced, never run: starting, watching and stopping the processes of a local ledger.
# The variables set here are for the script that sources this.
# shellcheck disable=SC2034

failed=no
stop_requested=no

say() {
    echo "==> $*"
}

# Says what is wrong and leaves; what was started is stopped by the script's EXIT trap.
die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# show_log NAME FILE
show_log() {
    {
        echo "the last lines of $1's log:"
        tail -n 20 "$2" | sed 's/^/    /'
        echo "the whole log is $2"
    } >&2
}

is_running() {
    kill -0 "$1" 2>/dev/null
}

# Waiting goes in slices, so that a Ctrl-C is acted upon at once.
pause() {
    sleep 0.2
    if [[ $stop_requested == yes ]]; then
        exit 0
    fi
}

# check_port PORT WHAT VARIABLE: leaves when somebody listens there.
check_port() {
    local port=$1 what=$2 variable=$3 owner=""
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        return
    fi
    if command -v ss >/dev/null; then
        owner=$(ss -Hltnp "sport = :$port" 2>/dev/null |
            sed -n 's/.*users:((\("[^"]*",pid=[0-9]*\).*/ by \1/p' | sed -n 1p)
    fi
    die "port $port ($what) is taken$owner; free it, or set $variable to another"
}

# start LOG COMMAND...: sets started_pid. The process gets a process group of its own: a Ctrl-C at
# the terminal then reaches the script alone, which stops the processes in the right order. It does
# not get the descriptors that end with the script.
start() {
    local log=$1
    shift
    set -m
    "$@" </dev/null >>"$log" 2>&1 8>&- 9>&- &
    started_pid=$!
    set +m
}

# wait_for_end PID SECONDS
wait_for_end() {
    local deadline=$((SECONDS + $2))
    while is_running "$1"; do
        if ((SECONDS >= deadline)); then
            return 1
        fi
        sleep 0.1
    done
}

# stop_process NAME PID SECONDS: SIGTERM, and SIGKILL when that was not enough.
stop_process() {
    local name=$1 pid=$2 seconds=$3
    kill -TERM "$pid" 2>/dev/null || true
    if ! wait_for_end "$pid" "$seconds"; then
        echo "$name did not stop within $seconds s and was killed" >&2
        kill -KILL "$pid" 2>/dev/null || true
        failed=yes
    fi
}
