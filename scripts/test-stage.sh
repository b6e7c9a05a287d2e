#!/usr/bin/env bash
# Runs one part of the tests beside others: what it writes goes to .local/tests/NAME.log, and here what became of it.
#
# Usage: scripts/test-stage.sh NAME COMMAND...
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

name=$1
shift
# The first word of MAKEFLAGS holds make's options of one letter: with -n, make is to say what it would do.
case ${MAKEFLAGS:-} in
    [!-]*) [[ ${MAKEFLAGS%% *} != *n* ]] || exec "$@" ;;
esac
log=.local/tests/$name.log
mkdir -p .local/tests
echo "--- $name: begins"
started=$SECONDS
"$@" >"$log" 2>&1 </dev/null
status=$?
took=$((SECONDS - started))
if ((status != 0)); then
    tail -n 100 "$log"
    echo "--- $name: FAILED after $took s with exit status $status; the end stands above, all of it in $log"
    exit "$status"
fi
grep '^✔ Test run with' "$log"
echo "--- $name: passed in $took s"
