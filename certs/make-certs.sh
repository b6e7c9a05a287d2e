#!/usr/bin/env bash
# Makes the certificates that a development machine needs: one CA, and one pair for each role.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: certs/make-certs.sh [--force] [DIR]

Makes a development CA and one certificate for each role in DIR (default: certs/dev beside
this script's folder). Each is a pair of PEM files, NAME.pem and NAME-key.pem (EC P-256,
PKCS#8, mode 0600):

  ca              the CA that signs the others
  etcd-server     etcd's client port   (SAN localhost, 127.0.0.1, ::1)
  etcd-peer       etcd's peer port     (the same)
  etcd-client     what the ledger shows to etcd (SAN ledger-service, no CommonName)
  ledger-service  the ledger's gRPC port
  ledger-client   a caller (SAN URI spiffe://immutable-ledger.local/veps)

Certificates that are still valid for 30 days and signed by the CA are kept.

  --force   make all of them anew, the CA included
  --help    show this text

These are for development and tests only. Never use them for a ledger that matters.
TEXT
}

readonly validity_days=825
readonly renewal_seconds=$((30 * 24 * 3600))

new_key() {
    local name=$1
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$name-key.pem"
    chmod 0600 "$work/$name-key.pem"
}

# Replaces a file in one step: a reader sees the whole old one or the whole new one.
install_pair() {
    local name=$1
    chmod 0644 "$work/$name.pem"
    mv -f "$work/$name-key.pem" "$directory/$name-key.pem"
    mv -f "$work/$name.pem" "$directory/$name.pem"
    echo "made $directory/$name.pem"
}

same_key() {
    local name=$1
    [[ "$(openssl x509 -in "$directory/$name.pem" -noout -pubkey 2>/dev/null)" == \
        "$(openssl pkey -in "$directory/$name-key.pem" -pubout 2>/dev/null)" ]]
}

still_good() {
    local name=$1
    [[ -s "$directory/$name.pem" && -s "$directory/$name-key.pem" ]] &&
        openssl x509 -in "$directory/$name.pem" -noout -checkend "$renewal_seconds" \
            >/dev/null 2>&1 &&
        same_key "$name" &&
        openssl verify -CAfile "$directory/ca.pem" "$directory/$name.pem" >/dev/null 2>&1
}

make_ca() {
    new_key ca
    openssl req -x509 -new -sha256 -key "$work/ca-key.pem" -out "$work/ca.pem" \
        -days "$validity_days" -subj "/O=ImmutableLedger development/CN=Development CA" \
        -config "$work/empty.cnf" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -addext "subjectKeyIdentifier=hash"
    install_pair ca
}

# make_leaf NAME SUBJECT ALTERNATIVE_NAMES EXTENDED_KEY_USAGES
make_leaf() {
    local name=$1 subject=$2 alternative_names=$3 usages=$4
    if still_good "$name"; then
        return
    fi
    new_key "$name"
    openssl req -new -sha256 -key "$work/$name-key.pem" -subj "$subject" \
        -config "$work/empty.cnf" -out "$work/$name.csr"
    cat >"$work/$name.ext" <<EXT
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = $usages
subjectAltName = $alternative_names
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
EXT
    openssl x509 -req -sha256 -in "$work/$name.csr" -days "$validity_days" \
        -CA "$directory/ca.pem" -CAkey "$directory/ca-key.pem" \
        -CAserial "$work/ca.srl" -CAcreateserial \
        -extfile "$work/$name.ext" -out "$work/$name.pem" 2>/dev/null
    install_pair "$name"
}

make_all() {
    local organisation="/O=ImmutableLedger development"
    local loopback="DNS:localhost,IP:127.0.0.1,IP:::1"
    local both="serverAuth,clientAuth"

    still_good ca || make_ca
    # etcd's JSON gateway dials its own server with the server's certificate: with serverAuth
    # alone, every /v3 call answers 503.
    make_leaf etcd-server "$organisation/CN=etcd-server" "$loopback" "$both"
    make_leaf etcd-peer "$organisation/CN=etcd-peer" "$loopback" "$both"
    # No CommonName: etcd takes one for a user's name, and where its RBAC is on the gateway
    # refuses every call that comes with such a certificate.
    make_leaf etcd-client "$organisation" "DNS:ledger-service" "clientAuth"
    make_leaf ledger-service "$organisation/CN=ledger-service" \
        "$loopback,DNS:ledger-service,DNS:ledger-service.immutable-ledger.svc,DNS:ledger-service.immutable-ledger.svc.cluster.local" \
        "$both"
    make_leaf ledger-client "$organisation/CN=veps" \
        "URI:spiffe://immutable-ledger.local/veps" "clientAuth"
}

force=no
directory=""
while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --force) force=yes ;;
        -*)
            echo "make-certs.sh: unknown option $1; see --help" >&2
            exit 2
            ;;
        *)
            if [[ -n "$directory" ]]; then
                echo "make-certs.sh: only one folder can be given; see --help" >&2
                exit 2
            fi
            directory=$1
            ;;
    esac
    shift
done

if ! command -v openssl >/dev/null; then
    echo "make-certs.sh: openssl is missing; ./setup-env.sh installs it" >&2
    exit 1
fi
directory=${directory:-"$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/dev"}
umask 077
mkdir -p "$directory"
chmod 0755 "$directory"
work=$(mktemp -d "$directory/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT
printf '[req]\ndistinguished_name = dn\n[dn]\n' >"$work/empty.cnf"
# Two test processes may ask at the same time: the second waits, and then finds all made.
if command -v flock >/dev/null; then
    exec 9>"$directory/.lock"
    flock 9
fi
if [[ $force == yes ]]; then
    rm -f "$directory"/*.pem
fi
make_all
