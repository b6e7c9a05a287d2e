# shellcheck shell=bash
# Sourced by deploy.sh, never run: the right cluster, and whether it is ready for the ledger.
# The variables come from common.sh.
# shellcheck disable=SC2034,SC2154

# shellcheck source=scripts/deploy/cert-manager.sh
source "$root/scripts/deploy/cert-manager.sh"

# context_kind NAME: prints dev, prod or unknown, which is all that a context's name can tell.
context_kind() {
    local word dev=no prod=no
    case $1 in
        kind-* | k3d-* | minikube | minikube-* | docker-desktop | rancher-desktop | orbstack)
            echo dev
            return
            ;;
    esac
    for word in ${1//[^[:alnum:]]/ }; do
        case ${word,,} in
            prod | production | live) prod=yes ;;
            dev | development | test | testing | staging | sandbox | local) dev=yes ;;
        esac
    done
    case $dev-$prod in
        yes-no) echo dev ;;
        no-yes) echo prod ;;
        *) echo unknown ;;
    esac
}

# Every call names the context: a switch in another terminal meanwhile must not move this run.
choose_context() {
    context=$given_context
    if [[ -z "$context" ]]; then
        context=$(kubectl config current-context 2>/dev/null) ||
            die "kubectl has no current context; choose one of: kubectl config get-contexts"
    fi
    kubectl=(kubectl --context "$context" --namespace "$namespace")
    say "Context $context, namespace $namespace"
}

check_environment() {
    local kind doubt
    kind=$(context_kind "$context")
    [[ $kind != "$environment" ]] || return 0
    doubt="the context $context looks like $kind, not like $environment"
    [[ $kind != unknown ]] || doubt="nothing in the name $context says that it is $environment"
    if [[ $dry_run == yes ]]; then
        say "Would ask first: $doubt"
    elif [[ $assume_yes == yes && -n "$given_context" ]]; then
        say "Going on, for --context names it: $doubt"
    elif [[ $assume_yes == yes ]]; then
        die "$doubt. Nothing was touched. If it is meant, add --context $context"
    else
        echo "deploy.sh: $doubt" >&2
        ask "Type the context's name to go on:" "$context" || die "Nothing was touched"
    fi
}

check_cluster() {
    kube get --raw /readyz --request-timeout 10s >/dev/null ||
        die "the cluster does not answer; look at it with: kubectl --context $context cluster-info"
}

check_cert_manager() {
    kube get customresourcedefinition certificates.cert-manager.io --output name >/dev/null 2>&1 ||
        die "cert-manager is missing; install it with" \
            "kubectl --context $context apply -f $cert_manager_manifest"
    kube --namespace cert-manager rollout status deployment/cert-manager-webhook \
        --timeout 120s >/dev/null ||
        die "cert-manager's webhook is not ready; look at it with:" \
            "kubectl --context $context --namespace cert-manager get pods"
}
