# shellcheck shell=bash
# Sourced by deploy.sh, never run: takes a deployment away.
# The variables come from common.sh.
# shellcheck disable=SC2154

destroy() {
    need kubectl
    choose_context
    check_environment
    check_cluster
    confirm_destruction
    make_work_folder
    delete_workloads
    if [[ $delete_data == yes ]]; then
        change "${kubectl[@]}" delete namespace "$namespace" --ignore-not-found
    fi
    if [[ $dry_run == yes ]]; then
        return
    fi
    if [[ $delete_data == yes ]]; then
        say "Gone. Disks of a storage class that retains them still exist: kubectl get pv"
    else
        say "Gone, but for volumes and secrets, which ./deploy.sh $environment takes up again"
    fi
}

confirm_destruction() {
    local phrase=delete-$environment-data
    [[ $dry_run == no ]] || return 0
    echo "This stops the ledger $environment in $context."
    ask "Type $environment to go on:" "$environment" || die "Nothing was touched"
    [[ $delete_data == yes ]] || return 0
    echo "This deletes every sealed event for ever, and the volumes of the backups."
    ask "Type $phrase to go on:" "$phrase" || die "Nothing was touched"
}

# Keeps what cannot be made again: volumes and the namespace that holds them, which k8s/persistent has,
# and the secrets, which are in no manifest.
delete_workloads() {
    local resources=()
    kubectl kustomize "$root/k8s/overlays/$environment" >"$work/manifests.yaml" ||
        die "k8s/overlays/$environment cannot be rendered; correct what kubectl says above"
    if [[ $dry_run == yes ]]; then
        echo "would delete what of k8s/overlays/$environment is there:"
        kube get --filename "$work/manifests.yaml" --ignore-not-found --output name
        return
    fi
    kube get --filename "$work/manifests.yaml" --ignore-not-found --output name >"$work/resources"
    mapfile -t resources <"$work/resources"
    ((${#resources[@]} == 0)) || kube delete --ignore-not-found "${resources[@]}"
}
