#!/usr/bin/env bash
# Runs the built Swift tests; where some fail, their issues end the output, which would otherwise stand somewhere among
# thousands of lines. It starts the program that `swift test --skip-build` starts: that one lets no other run beside it.
#
# Usage: scripts/swift-test.sh [--filter REGEX | --skip REGEX]...
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

log=$(mktemp)
trap 'rm -f "$log"' EXIT

binaries=${BIN:-$(swift build --ignore-lock --show-bin-path)}
NO_COLOR=1 "$binaries/immutable-ledgerPackageTests.xctest" --testing-library swift-testing "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
if ((status != 0)); then
    echo
    echo "failed with exit status $status; what the tests reported:"
    grep -A 2 'recorded an issue\|error:\|Fatal error\|^✘ Test .* failed' "$log" | tail -n 60
fi
exit "$status"
