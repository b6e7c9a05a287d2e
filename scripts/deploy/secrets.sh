# shellcheck shell=bash
# Sourced by deploy.sh, never run: the secrets that nobody but the cluster needs to know. Each is
# made once and never changed: etcd has taken them over by then.
# The variables come from common.sh.
# shellcheck disable=SC2154

# secret_manifest NAME KEY VALUE [KEY VALUE...]
secret_manifest() {
    printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n' "$1"
    printf '  labels:\n    app.kubernetes.io/part-of: immutable-ledger\n'
    printf 'type: Opaque\nstringData:\n'
    shift
    printf '  %s: "%s"\n' "$@"
}

# make_secret NAME KEY [USERNAME]: a random KEY. The value goes through a pipe: arguments are seen
# by everyone on this machine. `create`, unlike `apply`, neither overwrites nor keeps a copy in an
# annotation.
make_secret() {
    local name=$1 key=$2 username=${3:-} value pairs=()
    if [[ $dry_run == yes ]]; then
        echo "would make the secret $name with a random $key, unless it exists"
        return
    fi
    if exists secret "$name"; then
        echo "secret $name is kept"
        return
    fi
    value=$(openssl rand -hex 32)
    [[ ${#value} == 64 ]] || die "openssl made no random number; the secret $name was not made"
    [[ -z "$username" ]] || pairs+=(username "$username")
    pairs+=("$key" "$value")
    secret_manifest "$name" "${pairs[@]}" | kube create --filename -
}

# make_signing_key NAME: an Ed25519 key that signs checkpoints, as signing.pem. Whoever has receipts needs its public
# half for ever: keep a copy of the secret where the cluster cannot lose it.
make_signing_key() {
    local name=$1 key
    if [[ $dry_run == yes ]]; then
        echo "would make the secret $name with a new signing key, unless it exists"
        return
    fi
    if exists secret "$name"; then
        echo "secret $name is kept"
        return
    fi
    key=$(openssl genpkey -algorithm ed25519) ||
        die "openssl made no Ed25519 key; the secret $name was not made"
    {
        printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n' "$name"
        printf '  labels:\n    app.kubernetes.io/part-of: immutable-ledger\n'
        printf 'type: Opaque\nstringData:\n  signing.pem: |\n'
        printf '%s\n' "$key" | sed 's/^/    /'
    } | kube create --filename -
}

# Those that something else makes, an operator for external or sealed secrets for example. prod's replicas
# know each other by certificates.
expect_secrets() {
    local name missing=()
    for name in etcd-root-user etcd-ledger-user ledger-internal-token ledger-signing-key; do
        [[ $environment != prod || $name != ledger-internal-token ]] || continue
        exists secret "$name" || missing+=("$name")
    done
    ((${#missing[@]} == 0)) && return
    [[ $dry_run == no ]] || { echo "would stop: these secrets are missing: ${missing[*]}"; return; }
    die "these secrets are missing, and --no-secrets was given: ${missing[*]}. k8s/README.md says what" \
        "is in them. Nothing that runs was changed"
}

# The key of the archive's bucket is made by whoever keeps the bucket: without it no replica starts.
expect_archive_key() {
    local name=ledger-archive-key
    grep -q "secretName: $name\$" "$work/manifests.yaml" || return 0
    if exists secret "$name"; then return; fi
    [[ $dry_run == no ]] || { echo "would stop: the secret $name is missing"; return; }
    die "the overlay has the component archive-bucket, and the secret $name is missing: make it as" \
        "create-prod-cluster.sh says (docs/deployment.md, \"Components\"). Nothing that runs was changed"
}

provide_secrets() {
    say "Secrets"
    expect_archive_key
    if [[ $make_secrets == yes && $dry_run == no ]] && ! exists secret etcd-root-user &&
        exists persistentvolumeclaim data-etcd-0; then
        die "etcd's volumes are there, but the secret etcd-root-user that opens them is gone. Put" \
            "it back, with etcd-ledger-user; or begin anew, without the sealed events:" \
            "./deploy.sh destroy $environment --delete-data"
    fi
    if [[ $make_secrets == no ]]; then
        expect_secrets
        return
    fi
    make_secret etcd-root-user password root
    make_secret etcd-ledger-user password ledger
    make_secret ledger-internal-token token
    make_signing_key ledger-signing-key
}
