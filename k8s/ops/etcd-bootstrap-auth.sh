#!/usr/bin/env bash
# Turns on etcd's users and roles, with one user that may use the ledger's keys and nothing else.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: etcd-bootstrap-auth.sh

Makes, where they are missing: the user root, the role and the user of the ledger (read and write
below LEDGER_PREFIX, nothing else), and turns authentication on. Then it checks that the ledger's
user may do that and no more. Where everything is done already it changes nothing, so it may run at
any time. A password of the ledger's user that differs from the one given is replaced.

  ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY   where etcd is
  ETCDCTL_USER, ETCDCTL_PASSWORD                 root, and the password it has or is to have
  LEDGER_ETCD_USERNAME, LEDGER_ETCD_PASSWORD     the same for the ledger
  LEDGER_PREFIX                                  below which the ledger's keys are (ledger/)
  BOOTSTRAP_WAIT_SECONDS                         how long to wait for all members (300)
TEXT
}

if (($# > 0)); then
    usage
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
fi

# shellcheck source=k8s/ops/etcd-common.sh
source "$(dirname "${BASH_SOURCE[0]}")/etcd-common.sh"

readonly role=ledger
LEDGER_PREFIX=${LEDGER_PREFIX:-ledger/}
BOOTSTRAP_WAIT_SECONDS=${BOOTSTRAP_WAIT_SECONDS:-300}

without_login() {
    env -u ETCDCTL_USER -u ETCDCTL_PASSWORD etcdctl "$@"
}

as_ledger() {
    ETCDCTL_USER=$LEDGER_ETCD_USERNAME ETCDCTL_PASSWORD=$LEDGER_ETCD_PASSWORD etcdctl "$@"
}

# Passwords go through standard input: arguments can be seen by every process of the machine.
set_password() {
    local action=$1 user=$2 password=$3
    etcdctl user "$action" "$user" --interactive=false <<<"$password" >/dev/null
}

# Until every member knows a leader. Where authentication is on, that is told only to root.
wait_for_members() {
    local deadline=$((SECONDS + BOOTSTRAP_WAIT_SECONDS)) endpoint answer
    for endpoint in "${endpoints[@]}"; do
        until answer=$(status_of "$endpoint" 2>&1) &&
            [[ "$(json_number leader <<<"$answer")" =~ ^[1-9] ]]; do
            [[ "$answer" != *"invalid user ID or password"* ]] ||
                die "root has another password than the one in ETCDCTL_PASSWORD"
            ((SECONDS < deadline)) ||
                die "$endpoint knew no leader within $BOOTSTRAP_WAIT_SECONDS s: $answer"
            sleep 1
        done
    done
}

# etcdctl 3.4 has no `auth status`: what a caller without a login is told says the same.
authentication_is_on() {
    local answer
    if answer=$(without_login user list 2>&1); then
        return 1
    fi
    [[ "$answer" =~ "user name is empty"|"permission denied" ]] ||
        die "cannot tell whether authentication is on: $answer"
}

exists() {
    local kind=$1 name=$2 answer
    if answer=$(etcdctl "$kind" get "$name" 2>&1); then
        return 0
    fi
    [[ "$answer" == *"$kind name not found"* ]] || die "cannot look for the $kind $name: $answer"
    return 1
}

has_role() {
    etcdctl user get "$1" | grep -Eq "^Roles:.* $2( |\$)"
}

make_root() {
    if ! exists user root; then
        say "making the user root"
        set_password add root "$ETCDCTL_PASSWORD"
    elif ! authentication_is_on; then
        # Left by a run that was cut off, perhaps with another password. Turning authentication on
        # with that one would lock everybody out.
        say "setting the password of root"
        set_password passwd root "$ETCDCTL_PASSWORD"
    fi
    exists role root || etcdctl role add root
    has_role root root || etcdctl user grant-role root root
}

# Every change of a role makes etcd refuse the logins that its clients hold, so that each has to log
# in again: nothing is granted that is there.
make_ledger() {
    exists role "$role" || etcdctl role add "$role"
    if (($(etcdctl role get "$role" | grep -cF "(prefix $LEDGER_PREFIX)") < 2)); then
        say "granting the role $role everything below $LEDGER_PREFIX"
        etcdctl role grant-permission "$role" readwrite "$LEDGER_PREFIX" --prefix=true
    fi
    if ! exists user "$LEDGER_ETCD_USERNAME"; then
        say "making the user $LEDGER_ETCD_USERNAME"
        set_password add "$LEDGER_ETCD_USERNAME" "$LEDGER_ETCD_PASSWORD"
    fi
    has_role "$LEDGER_ETCD_USERNAME" "$role" ||
        etcdctl user grant-role "$LEDGER_ETCD_USERNAME" "$role"
}

turn_on() {
    if ! authentication_is_on; then
        etcdctl auth enable
    fi
}

match_password() {
    local answer
    if ! answer=$(as_ledger get --limit=1 --keys-only --prefix "$LEDGER_PREFIX" 2>&1); then
        [[ "$answer" == *"invalid user ID or password"* ]] ||
            die "$LEDGER_ETCD_USERNAME cannot read below $LEDGER_PREFIX: $answer"
        say "setting the password of $LEDGER_ETCD_USERNAME"
        set_password passwd "$LEDGER_ETCD_USERNAME" "$LEDGER_ETCD_PASSWORD"
    fi
}

check() {
    local answer
    authentication_is_on || die "authentication is off"
    as_ledger get --limit=1 --keys-only --prefix "$LEDGER_PREFIX" >/dev/null ||
        die "$LEDGER_ETCD_USERNAME cannot read below $LEDGER_PREFIX"
    if answer=$(as_ledger get --limit=1 --keys-only --prefix "" 2>&1); then
        die "$LEDGER_ETCD_USERNAME can read more than what is below $LEDGER_PREFIX"
    fi
    [[ "$answer" == *"permission denied"* ]] || die "unexpected answer: $answer"
    say "authentication is on; $LEDGER_ETCD_USERNAME may use $LEDGER_PREFIX and nothing else"
}

require ETCDCTL_USER ETCDCTL_PASSWORD LEDGER_ETCD_USERNAME LEDGER_ETCD_PASSWORD
require_number BOOTSTRAP_WAIT_SECONDS
[[ $ETCDCTL_USER == root ]] || die "ETCDCTL_USER must be root, the only name etcd accepts for it"
read_endpoints
wait_for_members
make_root
make_ledger
turn_on
match_password
check
