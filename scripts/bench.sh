#!/usr/bin/env bash
# Measures the ledger: throughput, latency, processor time, memory and start time, on this machine.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/bench.sh [--bin FOLDER] [OPTION...]

Builds ledger-service, ledgerctl and the naive baseline for release, starts etcd clusters of its
own on loopback, measures, and stops everything. The tables go to standard output as Markdown, all
figures to .local/bench/<time>.json and latest.json beside it. Takes about five minutes; with
--replicas 1,2,3,5,10 (make bench-replicas) ten.

  --bin FOLDER   take the programs from there instead of building them

TEXT
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly programs=(ledger-service ledgerctl naive-baseline)

binaries=""
options=()
while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exec python3 -B "$root/Benchmarks/bench.py" --help
            ;;
        --bin)
            if [[ -z ${2:-} ]]; then
                usage >&2
                exit 2
            fi
            binaries="$(cd "$2" && pwd)"
            shift
            ;;
        *) options+=("$1") ;;
    esac
    shift
done

cd "$root"
if [[ -z "$binaries" ]]; then
    for program in "${programs[@]}"; do
        swift build -c release --product "$program" >&2
    done
    binaries="$(swift build -c release --show-bin-path)"
fi
for program in "${programs[@]}"; do
    if [[ ! -x "$binaries/$program" ]]; then
        echo "bench.sh: $binaries/$program is missing" >&2
        exit 1
    fi
done
exec python3 -B Benchmarks/bench.py --bin "$binaries" "${options[@]}"
