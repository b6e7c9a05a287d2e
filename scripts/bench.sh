#!/usr/bin/env bash
# Measures the ledger: throughput, latency, processor time, memory and start time, on this machine.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/bench.sh [--bin FOLDER] [--beside FOLDER] [OPTION...]

Builds ledger-service, ledgerctl and the naive baseline for release, starts etcd clusters of its
own on loopback, measures, and stops everything. The tables go to standard output as Markdown, all
figures to .local/bench/<time>.json and latest.json beside it. Takes about six minutes; with
--replicas 1,2,3,5,10 (make bench-replicas) ten.

  --bin FOLDER      take the programs from there instead of building them
  --beside FOLDER   measure other programs in the same rounds, and compare

TEXT
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly programs=(ledger-service ledgerctl naive-baseline)

binaries=""
beside=""
options=()
while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exec python3 -B "$root/Benchmarks/bench.py" --help
            ;;
        --bin | --beside)
            if [[ -z ${2:-} ]]; then
                usage >&2
                exit 2
            fi
            folder="$(cd "$2" && pwd)"
            if [[ $1 == --bin ]]; then binaries=$folder; else beside=$folder; fi
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
for program in "$binaries"/{ledger-service,ledgerctl,naive-baseline} \
    ${beside:+"$beside"/ledger-service "$beside"/ledgerctl}; do
    if [[ ! -x "$program" ]]; then
        echo "bench.sh: $program is missing" >&2
        exit 1
    fi
done
exec python3 -B Benchmarks/bench.py --bin "$binaries" ${beside:+--beside "$beside"} "${options[@]}"
