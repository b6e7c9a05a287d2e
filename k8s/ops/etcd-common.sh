# shellcheck shell=bash
# Sourced, never run: what the scripts beside it share. They find etcd and log in by etcdctl's own
# variables: ETCDCTL_ENDPOINTS (comma-separated), ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY, and
# ETCDCTL_USER and ETCDCTL_PASSWORD of a user with the role root.
#
# They work with etcdctl 3.4 and later, and read its JSON with sed: the image has nothing for it.

say() {
    echo "$(date -u +%FT%TZ) $*"
}

die() {
    say "$*" >&2
    exit 1
}

# require NAME...: ends the script where one of these variables is empty.
require() {
    local name
    for name in "$@"; do
        [[ -n "${!name:-}" ]] || die "$name must be set; see --help"
    done
}

# require_number NAME...
require_number() {
    local name
    for name in "$@"; do
        [[ "${!name}" =~ ^[0-9]{1,9}$ ]] || die "$name must be a whole number, not '${!name}'"
    done
}

# at ENDPOINT ARGUMENT...: etcdctl with this member only. In the environment, for etcdctl refuses an
# option and a variable for the same thing.
at() {
    ETCDCTL_ENDPOINTS=$1 etcdctl "${@:2}"
}

status_of() {
    at "$1" endpoint status --write-out=json
}

# json_number NAME: that number of the JSON on standard input; nothing where it is not there.
json_number() {
    sed -n "s/.*\"$1\": *\([0-9][0-9]*\).*/\1/p"
}

# json_text NAME: the same for a text without escapes.
json_text() {
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"
}

# is_leader ENDPOINT
is_leader() {
    local status
    status=$(status_of "$1")
    [[ "$(json_number leader <<<"$status")" == "$(json_number member_id <<<"$status")" ]]
}

# is_healthy ENDPOINT: it answers a read that needs the quorum, so it has applied what was committed.
is_healthy() {
    at "$1" endpoint health >/dev/null 2>&1
}

# wait_until_healthy SECONDS ENDPOINT
wait_until_healthy() {
    local deadline=$((SECONDS + $1)) endpoint=$2
    until is_healthy "$endpoint"; do
        ((SECONDS < deadline)) || die "$endpoint was not healthy within $1 s"
        sleep 1
    done
}

# Fills the array `endpoints`.
read_endpoints() {
    require ETCDCTL_ENDPOINTS
    # shellcheck disable=SC2034 # whoever sources this reads it
    IFS=, read -r -a endpoints <<<"$ETCDCTL_ENDPOINTS"
}
