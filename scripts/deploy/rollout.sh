# shellcheck shell=bash
# Sourced by deploy.sh, never run: from manifests to a ledger that seals, and back when it does not.
# The variables come from common.sh.
# shellcheck disable=SC2154

# What was there before this run, to go back to; empty on the first deployment.
etcd_revision=""
ledger_revision=""
declare -A tools_before=()

# The overlay as it is in the repository, with the images of this run: nothing there is edited.
render() {
    local overlay=$work/overlay
    mkdir "$overlay"
    {
        printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n'
        printf 'resources:\n  - ../../../k8s/overlays/%s\nimages:\n' "$environment"
        image_override immutable-ledger "$image"
        image_override immutable-ledger-ops "$ops_image"
    } >"$overlay/kustomization.yaml"
    kubectl kustomize "$overlay" >"$work/manifests.yaml" ||
        die "k8s/overlays/$environment cannot be rendered; correct what kubectl says above"
    kubectl kustomize "$root/k8s/persistent/$environment" >"$work/persistent.yaml" ||
        die "k8s/persistent/$environment cannot be rendered; correct what kubectl says above"
}

# A class whose driver is not there is taken without a word, and its volumes never come.
check_storage() {
    local driver
    while read -r driver; do
        kube get csidriver "$driver" --output name >/dev/null ||
            die "this cluster has no storage driver $driver. Name the folder of k8s/storage that" \
                "fits it in k8s/persistent/$environment/kustomization.yaml"
    done < <(sed -n 's/^provisioner: //p' "$work/persistent.yaml")
}

# What outlives a deployment comes first: without the namespace the server cannot check what belongs
# into it.
provide_persistent() {
    if [[ $dry_run == no ]]; then
        kube apply --filename "$work/persistent.yaml"
    elif exists namespace "$namespace"; then
        kube apply --dry-run=server --filename "$work/persistent.yaml"
    else
        echo "would make the namespace $namespace, and what else k8s/persistent/$environment has"
    fi
}

try_manifests() {
    if [[ $dry_run == yes ]] && ! exists namespace "$namespace"; then
        say "There is no namespace $namespace yet, so the server cannot try what belongs into it"
        kube apply --dry-run=client --filename "$work/manifests.yaml" ||
            die "the manifests are not accepted, see above"
        return
    fi
    say "Asking the server whether it would take everything"
    kube apply --dry-run=server --filename "$work/manifests.yaml" >"$work/tried" || {
        cat "$work/tried" >&2
        die "the server refuses the manifests, see above. Nothing that runs was changed"
    }
    [[ $dry_run == no ]] || cat "$work/tried"
}

# The tools' image, before anything gets it: the members of etcd need it to start, and a backup whose
# image cannot be pulled fails where nobody looks.
try_tools() {
    local job=try-tools
    say "Trying $ops_image"
    if [[ $dry_run == yes ]]; then
        echo "would run a job that pulls it and starts a script of it"
        return
    fi
    kube delete job "$job" --ignore-not-found --wait
    trial_manifest "$job" | kube apply --filename -
    if ! wait_for_job "$namespace" "$job"; then
        explain try-tools >&2
        kube delete job "$job" --ignore-not-found --wait=false >/dev/null || true
        die "the tools' image $ops_image does not run here, see above. Nothing that runs was changed"
    fi
    kube delete job "$job" --ignore-not-found --wait=false >/dev/null
}

# trial_manifest JOB
trial_manifest() {
    cat <<YAML
apiVersion: batch/v1
kind: Job
metadata:
  name: $1
spec:
  backoffLimit: 0
  activeDeadlineSeconds: $timeout
  template:
    metadata:
      labels:
        app.kubernetes.io/name: try-tools
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      restartPolicy: Never
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: try-tools
          image: $ops_image
          command: [/usr/local/bin/etcd-backup.sh, --help]
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          resources:
            limits:
              memory: 64Mi
YAML
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
    local cronjob
    [[ $dry_run == no ]] || return 0
    etcd_revision=$(revision_of "$etcd")
    ledger_revision=$(revision_of "$ledger")
    for cronjob in "${cronjobs[@]}"; do
        tools_before[$cronjob]=$(kube get cronjob "$cronjob" --ignore-not-found --output \
            'jsonpath={.spec.jobTemplate.spec.template.spec.containers[0].image}')
    done
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
    run_now etcd-bootstrap-auth ||
        fail etcd-operations "etcd's users and roles were not set up within $timeout s" "$ledger"
    say "Waiting for the ledger"
    change "${kubectl[@]}" rollout status "$ledger" --timeout "${timeout}s" ||
        fail ledger-service "the ledger was not ready within $timeout s" "$ledger"
    wait_for_replicas
    say "Taking a backup"
    run_now etcd-backup || fail etcd-operations "no backup could be taken within $timeout s"
}

# run_now CRONJOB: what it will run, now, and waits for it. Its next runs do the same with the same image:
# whether they can is known here.
run_now() {
    local job=$1-now
    change "${kubectl[@]}" delete job "$job" --ignore-not-found --wait
    change "${kubectl[@]}" create job "$job" --from "cronjob/$1"
    wait_for_job "$namespace" "$job"
}

# A rollout is done when the replicas are ready that the deployment asks for, which is one until the
# autoscaler has seen it.
wait_for_replicas() {
    local wanted available="" deadline=$((SECONDS + timeout))
    wanted=$(sed -n 's/^  minReplicas: //p' "$work/manifests.yaml")
    [[ -n "$wanted" ]] || return 0
    say "Waiting for $wanted replicas"
    [[ $dry_run == no ]] || return 0
    until available=$(kube get "$ledger" --output 'jsonpath={.status.availableReplicas}') &&
        ((${available:-0} >= wanted)); do
        ((SECONDS < deadline)) ||
            fail ledger-service "only ${available:-0} of $wanted replicas were ready within $timeout s" \
                "$ledger"
        sleep 2
    done
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
        report+=("$(undo_tools)")
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

# What ran every quarter of an hour before this run goes on with the image that it had: a backup that
# cannot start would stay away without a word.
undo_tools() {
    local cronjob
    for cronjob in "${cronjobs[@]}"; do
        [[ -n "${tools_before[$cronjob]:-}" ]] || continue
        if kube set image "cronjob/$cronjob" "$cronjob=${tools_before[$cronjob]}" >/dev/null; then
            echo "Undone: cronjob/$cronjob has the image ${tools_before[$cronjob]} again."
        else
            echo "NOT undone: cronjob/$cronjob keeps the image $ops_image, see above."
        fi
    done
}
