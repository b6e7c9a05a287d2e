#!/usr/bin/env bash
# Brings the ledger into a Kubernetes cluster, looks after it there, and takes it away again.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: ./deploy.sh dev|prod [OPTION...]       deploy, or bring up to date
       ./deploy.sh status [--context NAME]    say how it is
       ./deploy.sh destroy dev|prod [OPTION...]
       ./deploy.sh local [OPTION...]          run it on this machine, without Kubernetes

dev and prod deploy k8s/overlays/<environment>, and before it what outlives a deployment
(k8s/persistent), to the namespace that k8s/namespace names, step by step: build the images (or take
those given), let the server check everything without keeping it, make the secrets that are missing,
try the tools' image, apply, wait until etcd, its users and all replicas are ready, take a backup, and
in dev seal one event as a caller would. What was rolled out and does not work is rolled back. It may
be run again at any time.

  --context NAME         the kubectl context (default: the current one). One whose name does not
                         look like the environment is asked about first
  --registry PREFIX      push the built images there; not needed for kind and minikube, into which
                         they are loaded
  --image REFERENCE      take this image of the ledger, with a tag or a digest, instead of building
  --ops-image REFERENCE  and this one of its tools; both or none
  --engine NAME          build with docker, podman or buildah (default: the first that works)
  --timeout SECONDS      for each of etcd, its users and the ledger (default 300)
  --seal, --no-seal      seal one event at the end, or none (default: one in dev, none in prod: it
                         stays for ever). Not for a ledger that takes only signed events, or callers
                         with certificates
  --no-secrets           make no secret, and stop where one is missing: where they come from elsewhere
  --yes                  ask nothing. A context that does not look right is then refused unless
                         --context names it
  --dry-run              say what would be done, let the server check it, and change nothing
  --delete-data          destroy: volumes and secrets too, for ever; asks once more
  --help

destroy removes everything but the volumes and the secrets that open them, and has the environment's
name typed first, --yes or not. local takes the options of scripts/run-local.sh.

Exit status: 0 when all is well, 1 when not, 2 for a wrong command line. Of status, 0 means: the ledger
is HEALTHY, every member and replica that there should be is ready, every certificate is valid, and
the last backup is less than an hour old.
TEXT
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/deploy/common.sh
source "$root/scripts/deploy/common.sh"
# shellcheck source=scripts/deploy/context.sh
source "$root/scripts/deploy/context.sh"
# shellcheck source=scripts/deploy/images.sh
source "$root/scripts/deploy/images.sh"
# shellcheck source=scripts/deploy/secrets.sh
source "$root/scripts/deploy/secrets.sh"
# shellcheck source=scripts/deploy/rollout.sh
source "$root/scripts/deploy/rollout.sh"
# shellcheck source=scripts/deploy/proof.sh
source "$root/scripts/deploy/proof.sh"
# shellcheck source=scripts/deploy/status.sh
source "$root/scripts/deploy/status.sh"
# shellcheck source=scripts/deploy/destroy.sh
source "$root/scripts/deploy/destroy.sh"

wrong_usage() {
    echo "deploy.sh: $*; see ./deploy.sh --help" >&2
    exit 2
}

deploy() {
    need kubectl openssl git curl
    choose_context
    check_environment
    check_image_options
    check_cluster
    check_cert_manager
    make_work_folder
    provide_images
    render
    check_storage
    provide_persistent
    try_manifests
    provide_secrets
    try_tools
    remember_revisions
    apply
    wait_for_all
    prove
    [[ $dry_run == yes ]] || show_status || die "deployed, but not all is well: see above"
}

command=${1:-}
[[ -n "$command" ]] || wrong_usage "say what to do: dev, prod, local, status or destroy"
shift
case $command in
    -h | --help)
        usage
        exit 0
        ;;
    local) exec "$root/scripts/run-local.sh" "$@" ;;
    dev | prod) environment=$command ;;
    status) ;;
    destroy)
        environment=${1:-}
        case $environment in
            -h | --help)
                usage
                exit 0
                ;;
            dev | prod) shift ;;
            *) wrong_usage "destroy what? dev or prod" ;;
        esac
        ;;
    *) wrong_usage "unknown command $command" ;;
esac

while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --yes) assume_yes=yes ;;
        --dry-run) dry_run=yes ;;
        --delete-data) delete_data=yes ;;
        --seal) seal=yes ;;
        --no-seal) seal=no ;;
        --no-secrets) make_secrets=no ;;
        --context | --registry | --image | --ops-image | --engine | --timeout)
            [[ -n "${2:-}" ]] || wrong_usage "$1 needs a value"
            case $1 in
                --context) given_context=$2 ;;
                --registry) registry=${2%/} ;;
                --image) image=$2 ;;
                --ops-image) ops_image=$2 ;;
                --engine) engine=$2 ;;
                --timeout) timeout=$2 ;;
            esac
            shift
            ;;
        *) wrong_usage "unknown option $1" ;;
    esac
    shift
done
[[ "$timeout" =~ ^[1-9][0-9]*$ ]] || wrong_usage "--timeout must be a number of seconds"
[[ $delete_data == no || $command == destroy ]] || wrong_usage "--delete-data belongs to destroy"

case $command in
    dev | prod) deploy ;;
    status) status ;;
    destroy) destroy ;;
esac
