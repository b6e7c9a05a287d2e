#!/usr/bin/env bash
# Makes the certificates that a development machine needs: four CAs, and one pair for each role.
# Profiles, and who is signed by whom, are those of the certificates in Kubernetes.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: certs/make-certs.sh [--force | --rotate NAME... | --etcd-root] [DIR]

Makes four development CAs and one certificate for each role in DIR (default: certs/dev beside
this script). Each is a pair of PEM files, NAME.pem and NAME-key.pem (EC P-256, PKCS#8, mode 0600):

  ca              signs what etcd's client port shows and admits:
    etcd-server       the members' client port
    etcd-client       the ledger towards etcd
    etcd-operations   operators towards etcd: users, snapshots
  peer-ca         signs what etcd's members show each other:
    etcd-peer         the members' peer port
  replica-ca      signs what replicas of the ledger show each other:
    ledger-replica    the internal port, in both directions
  service-ca      signs what the ledger's gRPC port shows and admits:
    ledger-service    the gRPC port
    ledger-client     a caller (SAN URI spiffe://immutable-ledger.local/veps)

Certificates that are still valid for 30 days, signed by their CA and made by this version of the
script are kept.

  --rotate NAME   make this one anew, signed by the same CA; may be given several times
  --etcd-root     make etcd-root as well, valid for a day: with it etcdctl is etcd's user root
                  without a password. For when root's password is lost; delete it afterwards
  --force         make all of them anew, the CAs included
  --help          show this text

These are for development and tests only. Never use them for a ledger that matters.
TEXT
}

readonly validity_days=825
readonly renewal_seconds=$((30 * 24 * 3600))
readonly organisation="/O=ImmutableLedger development"
readonly authorities=(ca peer-ca replica-ca service-ca)
readonly leaves=(
    etcd-server etcd-client etcd-operations etcd-peer ledger-replica ledger-service ledger-client
)

new_key() {
    local name=$1
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$name-key.pem"
    chmod 0600 "$work/$name-key.pem"
}

# Replaces each file in one step: a reader sees the whole old one or the whole new one. Who reads
# between the two steps finds a key that does not fit, keeps what it has, and looks again.
install_pair() {
    local name=$1
    chmod 0644 "$work/$name.pem"
    mv -f "$work/$name-key.pem" "$directory/$name-key.pem"
    mv -f "$work/$name.pem" "$directory/$name.pem"
    echo "made $directory/$name.pem"
}

# still_good NAME CA: valid for a while yet, fits its key, signed by the CA.
still_good() {
    local name=$1 ca=$2 public_key
    [[ -s "$directory/$name.pem" && -s "$directory/$name-key.pem" ]] &&
        openssl verify -CAfile "$directory/$ca.pem" "$directory/$name.pem" >/dev/null 2>&1 &&
        public_key=$(openssl pkey -in "$directory/$name-key.pem" -pubout 2>/dev/null) &&
        [[ "$(openssl x509 -in "$directory/$name.pem" -noout -pubkey \
            -checkend "$renewal_seconds" 2>/dev/null)" == \
            "$public_key"$'\nCertificate will not expire' ]]
}

# make_ca NAME COMMON_NAME
make_ca() {
    local name=$1 common_name=$2
    if still_good "$name" "$name"; then
        return
    fi
    new_key "$name"
    openssl req -x509 -new -sha256 -key "$work/$name-key.pem" -out "$work/$name.pem" \
        -days "$validity_days" -subj "$organisation/CN=$common_name" \
        -config "$work/empty.cnf" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -addext "subjectKeyIdentifier=hash"
    install_pair "$name"
}

# make_leaf CA NAME ALTERNATIVE_NAMES EXTENDED_KEY_USAGES
make_leaf() {
    local ca=$1 name=$2 alternative_names=$3 usages=$4
    if [[ $profiles_changed == no && " ${rotated[*]} " != *" $name "* ]] &&
        still_good "$name" "$ca"; then
        return
    fi
    sign "$ca" "$name" "$organisation" "$alternative_names" "$usages" "$validity_days"
}

# sign CA NAME SUBJECT ALTERNATIVE_NAMES EXTENDED_KEY_USAGES DAYS
sign() {
    local ca=$1 name=$2 subject=$3 alternative_names=$4 usages=$5 days=$6
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
    openssl x509 -req -sha256 -in "$work/$name.csr" -days "$days" \
        -CA "$directory/$ca.pem" -CAkey "$directory/$ca-key.pem" \
        -CAserial "$work/$ca.srl" -CAcreateserial \
        -extfile "$work/$name.ext" -out "$work/$name.pem" 2>/dev/null
    install_pair "$name"
}

# No leaf has a CommonName: etcd takes a client's for the name of its user, and where its RBAC is on
# the gateway refuses every call that comes with one.
make_all() {
    local loopback="DNS:localhost,IP:127.0.0.1,IP:::1"
    local domain="immutable-ledger.svc"
    local both="serverAuth,clientAuth"

    make_ca ca "Development etcd CA"
    make_ca peer-ca "Development etcd peer CA"
    make_ca replica-ca "Development replica CA"
    make_ca service-ca "Development service CA"

    # etcd's JSON gateway dials its own server with the server's certificate: with serverAuth
    # alone, every /v3 call answers 503.
    make_leaf ca etcd-server "$loopback" "$both"
    make_leaf ca etcd-client "DNS:ledger-service.$domain" "clientAuth"
    make_leaf ca etcd-operations "DNS:etcd-operations.$domain" "clientAuth"
    make_leaf peer-ca etcd-peer "$loopback" "$both"
    # Replicas find each other by address, and know each other by this name.
    make_leaf replica-ca ledger-replica "DNS:ledger-replica.$domain" "$both"
    make_leaf service-ca ledger-service \
        "$loopback,DNS:ledger-service,DNS:ledger-service.$domain,DNS:ledger-service.$domain.cluster.local" \
        "serverAuth"
    make_leaf service-ca ledger-client "URI:spiffe://immutable-ledger.local/veps" "clientAuth"
}

wrong_usage() {
    echo "make-certs.sh: $*; see --help" >&2
    exit 2
}

force=no
etcd_root=no
rotated=()
directory=""
while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --force) force=yes ;;
        --etcd-root) etcd_root=yes ;;
        --rotate)
            (($# > 1)) || wrong_usage "--rotate needs a name, one of: ${leaves[*]}"
            if [[ " ${authorities[*]} " == *" $2 "* ]]; then
                wrong_usage "$2 is a CA, with which all that it signed changes: that is --force"
            fi
            [[ " ${leaves[*]} " == *" $2 "* ]] ||
                wrong_usage "there is no certificate $2; there are: ${leaves[*]}"
            rotated+=("$2")
            shift
            ;;
        -*) wrong_usage "unknown option $1" ;;
        *)
            [[ -z "$directory" ]] || wrong_usage "only one folder can be given"
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
# What another version of this script made may have other names and usages.
version=$(cksum <"${BASH_SOURCE[0]}")
profiles_changed=yes
if [[ "$(cat "$directory/.made-by" 2>/dev/null)" == "$version" ]]; then
    profiles_changed=no
fi
make_all
echo "$version" >"$directory/.made-by"
if [[ $etcd_root == yes ]]; then
    sign ca etcd-root "/CN=root" "DNS:etcd-root" "clientAuth" 1
fi
