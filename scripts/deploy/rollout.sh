# shellcheck shell=bash
# Sourced by deploy.sh, never run: from manifests to a ledger that seals, and back when it does not.
# The variables come from common.sh.
# shellcheck disable=SC2154

# What was there before this run, to go back to; empty on the first deployment.
etcd_revision=""
ledger_revision=""

# The overlay as it is in the repository, with the images of this run: nothing there is edited. The
# bootstrap's job stays until the next run replaces it: gone by itself while etcd is still waited
# for, it could not be asked how it ended.
render() {
    local overlay=$work/overlay
    mkdir "$overlay"
    {
        printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n'
        printf 'resources:\n  - ../../../k8s/overlays/%s\nimages:\n' "$environment"
        image_override immutable-ledger "$image"
        image_override immutable-ledger-ops "$ops_image"
        printf 'patches:\n  - patch: |\n      apiVersion: batch/v1\n      kind: Job\n'
        printf '      metadata: {name: %s}\n' "$bootstrap"
        printf '      spec: {ttlSecondsAfterFinished: null}\n'
    } >"$overlay/kustomization.yaml"
    kubectl kustomize "$overlay" >"$work/manifests.yaml" ||
        die "k8s/overlays/$environment cannot be rendered; correct what kubectl says above"
}

# A class whose driver is not there is taken without a word, and its volumes never come.
check_storage() {
    local driver
    [[ $dry_run == no ]] || return 0
    while read -r driver; do
        kube get csidriver "$driver" --output name >/dev/null ||
            die "this cluster has no storage driver $driver. Name the folder of k8s/storage that" \
                "fits it in k8s/overlays/$environment/kustomization.yaml"
    done < <(sed -n 's/^provisioner: //p' "$work/manifests.yaml")
}

# The namespace comes first: without it the server cannot check what belongs into it.
provide_namespace() {
    if [[ $dry_run == yes ]] || ! exists namespace "$namespace"; then
        change "${kubectl[@]}" apply --filename "$root/k8s/base/namespace.yaml"
    fi
}

# A job cannot be changed, only replaced. This one may run any number of times.
retire_bootstrap() {
    change "${kubectl[@]}" delete job "$bootstrap" --ignore-not-found --wait
}

try_manifests() {
    say "Asking the server whether it would take everything"
    change "${kubectl[@]}" apply --dry-run=server --filename "$work/manifests.yaml" \
        >"$work/tried" || {
        cat "$work/tried" >&2
        die "the server refuses the manifests, see above. Nothing that runs was changed"
    }
    [[ $dry_run == no ]] || cat "$work/tried"
}

# revision_of WORKLOAD: the number that `kubectl rollout undo --to-revision` takes; nothing where
# the workload does not exist.
revision_of() {
    local name
    case $1 in
        deployment/*)
            kube get "$1" --ignore-not-found \
                --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'
            ;;
        statefulset/*)
            name=$(kube get "$1" --ignore-not-found --output 'jsonpath={.status.currentRevision}')
            [[ -z "$name" ]] ||
                kube get controllerrevision "$name" --output 'jsonpath={.revision}'
            ;;
    esac
}

remember_revisions() {
    [[ $dry_run == no ]] || return 0
    etcd_revision=$(revision_of "$etcd")
    ledger_revision=$(revision_of "$ledger")
}

apply() {
    say "Applying"
    change "${kubectl[@]}" apply --filename "$work/manifests.yaml"
}

wait_for_all() {
    say "Waiting for etcd"
    change "${kubectl[@]}" rollout status "$etcd" --timeout "${timeout}s" ||
        fail etcd "etcd was not ready within $timeout s" "$etcd" "$ledger"
    say "Waiting for etcd's users and roles"
    wait_for_job "$namespace" "$bootstrap" ||
        fail etcd-operations "etcd's users and roles were not set up within $timeout s" "$ledger"
    say "Waiting for the ledger"
    change "${kubectl[@]}" rollout status "$ledger" --timeout "${timeout}s" ||
        fail ledger-service "the ledger was not ready within $timeout s" "$ledger"
}

# wait_for_job NAMESPACE JOB. `kubectl wait` waits for one condition, and a job that failed never
# gets the other.
wait_for_job() {
    local deadline=$((SECONDS + timeout)) conditions
    if [[ $dry_run == yes ]]; then
        echo "would wait for job/$2"
        return
    fi
    while ((SECONDS < deadline)); do
        conditions=$(kube --namespace "$1" get job "$2" \
            --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') || return 1
        case " $conditions " in
            *" Complete "*) return 0 ;;
            *" Failed "*) return 1 ;;
        esac
        sleep 2
    done
    return 1
}

# fail COMPONENT WHY WORKLOAD...: tells what can be known, takes the workloads back to what they
# were, says so, and leaves.
fail() {
    local component=$1 why=$2 workload report=()
    shift 2
    {
        echo "deploy.sh: $why"
        explain "$component"
        for workload in "$@"; do
            report+=("$(undo "$workload")")
        done
        printf '%s\n' "${report[@]}"
        echo "Everything else stays as it was applied, the configuration and secrets included."
        echo "Correct what is said above and run this again; ./deploy.sh status shows how it is."
    } >&2
    exit 1
}

# explain COMPONENT: pods, events and last lines, before an undo takes the pods away.
explain() {
    local selector=app.kubernetes.io/name=$1
    echo "--- pods of $1"
    kube get pods --selector "$selector" --output wide || true
    echo "--- last events"
    kube get events --sort-by .lastTimestamp | tail -n 15 || true
    echo "--- last lines of $1's logs"
    kube logs --selector "$selector" --all-containers --prefix --tail 15 --ignore-errors || true
    echo "---"
}

# undo WORKLOAD: prints what was done.
undo() {
    local workload=$1 before=$etcd_revision
    [[ $workload == "$etcd" ]] || before=$ledger_revision
    if [[ -z "$before" ]]; then
        echo "Not undone: $workload had no earlier revision; it stays as it is, to be looked at."
    # The revision is named: where this run changed nothing, plain undo would go one too far back.
    elif kube rollout undo "$workload" --to-revision "$before" >/dev/null; then
        echo "Undone: $workload is back at revision $before."
        # A StatefulSet waits for ever for a pod that never gets ready, also for one of the past.
        [[ $workload != "$etcd" ]] ||
            echo "Where a pod of it stays broken, delete that pod; its volume stays."
    else
        echo "NOT undone: going back to revision $before of $workload failed, see above."
    fi
}
