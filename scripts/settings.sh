# shellcheck shell=bash
# Sourced, never run: what a replica's settings are. Only the service reads a .env file; a second reader would read it
# differently some day.

# The service answers at once, or it is a version that does not know the question.
readonly answer_seconds=20

# find_binaries ROOT: prints the folder with ledger-service and ledgerctl that was built there, if any.
find_binaries() {
    local folder
    for folder in "$1/.build/release" "$1/.build/debug"; do
        if [[ -x "$folder/ledger-service" && -x "$folder/ledgerctl" ]]; then
            echo "$folder"
            return
        fi
    done
}

# settings_here BINARIES FOLDER: every setting in force for a replica that is started in that folder with this script's
# environment, as NAME=value.
settings_here() {
    timeout "$answer_seconds" env --chdir="$2" "$1/ledger-service" --print-config
}

# settings_of_process BINARIES PID: the same for a replica that runs, as far as its settings can be read from here: it
# may lie in a container, with files of its own.
settings_of_process() {
    local variable variables=()
    while IFS= read -r -d '' variable; do
        [[ ! $variable =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || variables+=("$variable")
    done 2>/dev/null <"/proc/$2/environ" || return 1
    timeout "$answer_seconds" env --ignore-environment --chdir="/proc/$2/cwd" "${variables[@]}" \
        "$1/ledger-service" --print-config 2>/dev/null
}

# setting NAME: the value of one of the settings on standard input.
setting() {
    sed -n "s/^$1=//p"
}
