# shellcheck shell=bash
# Sourced by deploy.sh, never run: the proof that all parts work together is a sealed event.
# The variables come from common.sh.
# shellcheck disable=SC2154

readonly check_namespace=$namespace-check
readonly check_job=seal-event

# Seals an event as a caller would: from another namespace, through the Service, the network
# policies and TLS. A call inside a ledger's pod would prove none of these.
prove() {
    local event
    event=deployment-$environment-$(date -u +%Y%m%dT%H%M%SZ)
    if [[ $seal == no || -z "$seal" && $environment == prod ]]; then
        say "No event is sealed${seal:+, as asked}"
        return
    fi
    say "Sealing the event $event from the namespace $check_namespace"
    if [[ $dry_run == yes ]]; then
        echo "would run a job there that seals it, and remove the namespace"
        return
    fi
    kube delete namespace "$check_namespace" --ignore-not-found --wait
    # kubectl refuses objects of another namespace than the one that it is asked for.
    check_manifest "$event" | kube --namespace "$check_namespace" apply --filename -
    if ! wait_for_job "$check_namespace" "$check_job"; then
        kube --namespace "$check_namespace" get pods,events >&2 || true
        kube --namespace "$check_namespace" logs "job/$check_job" >&2 || true
        kube delete namespace "$check_namespace" --wait=false || true
        fail ledger-service "no event could be sealed, see above (where events must be signed or \
callers have certificates, use --no-seal)" "$ledger"
    fi
    kube --namespace "$check_namespace" logs "job/$check_job"
    kube delete namespace "$check_namespace" --wait=false
}

# check_manifest EVENT. The CA's certificate is public; its key stays where it is.
check_manifest() {
    local ca="" tls=""
    if grep -q 'name: LEDGER_TLS_CERT$' "$work/manifests.yaml"; then
        ca=$(kube get secret ledger-service --output 'jsonpath={.data.ca\.crt}')
        tls=', --tls-ca, /etc/ledger-ca/ca.crt'
    fi
    cat <<YAML
apiVersion: v1
kind: Namespace
metadata:
  name: $check_namespace
  labels:
    immutable-ledger/caller: "true"
    pod-security.kubernetes.io/enforce: restricted
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: ledger-ca
  namespace: $check_namespace
binaryData:
  ca.crt: "$ca"
---
apiVersion: batch/v1
kind: Job
metadata:
  name: $check_job
  namespace: $check_namespace
spec:
  backoffLimit: 0
  template:
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
        - name: ledgerctl
          image: $image
          command: [/usr/local/bin/ledgerctl, submit]
          args: [--server, "ledger-service.$namespace.svc:50051"$tls, --retry-for, "60",
            --id, "$1", --payload, "deployed $image"]
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          resources:
            limits:
              memory: 128Mi
          volumeMounts:
            - name: ledger-ca
              mountPath: /etc/ledger-ca
              readOnly: true
      volumes:
        - name: ledger-ca
          configMap:
            name: ledger-ca
YAML
}
