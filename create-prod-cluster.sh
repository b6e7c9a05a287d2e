#!/usr/bin/env bash
# Makes the GKE cluster that ./deploy.sh prod deploys to, with cert-manager in it.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: ./create-prod-cluster.sh --project PROJECT --region REGION [OPTION...]

Makes, where they are missing: a service account for the nodes that may write logs and metrics and
read images, and nothing else; a NAT, through which nodes without public addresses fetch images; a
GKE Standard cluster over three zones with SSDs, network policies (Dataplane V2), Workload Identity,
shielded nodes and a release channel; a bucket for the ledger's archive, which keeps former versions of
objects, and deleted ones for 90 days, with a service account that may use that bucket and nothing
else. Then it fetches the credentials and installs cert-manager.
It may be run again: what exists is left as it is.

  --project PROJECT      the Google Cloud project; billing must be on
  --region REGION        for example europe-west1
  --name NAME            of the cluster (default ledger-prod)
  --machine-type TYPE    of the nodes (default n2-standard-4: 4 processors, 16 GB)
  --network NAME, --subnetwork NAME
                         (default: default, and the network's subnetwork of the region)
  --release-channel NAME stable, regular or rapid (default stable)
  --admin-network CIDR   who may reach the API server, beside Google's login (default: everybody
                         who can log in); may be repeated
  --dry-run              print every command and run none
  --help

It costs money from the moment it runs: three nodes, their disks, a NAT and the cluster's fee. What
it made is removed with the commands that it prints at its end.
TEXT
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/deploy/cert-manager.sh
source "$root/scripts/deploy/cert-manager.sh"

project=""
region=""
name=ledger-prod
machine_type=n2-standard-4
network=default
subnetwork=""
release_channel=stable
admin_networks=""
dry_run=no

die() {
    echo "create-prod-cluster.sh: $*" >&2
    exit 1
}

wrong_usage() {
    echo "create-prod-cluster.sh: $*; see ./create-prod-cluster.sh --help" >&2
    exit 2
}

# run COMMAND...: says it, and does it unless this is a dry run.
run() {
    printf '+'
    printf ' %q' "$@"
    printf '\n'
    [[ $dry_run == yes ]] || "$@"
}

# missing DESCRIBE_COMMAND...: whether what it describes is not there. A dry run asks nobody.
missing() {
    [[ $dry_run == yes ]] || ! "$@" >/dev/null 2>&1
}

cloud() {
    run gcloud --project "$project" --quiet "$@"
}

make_node_account() {
    local role
    if missing gcloud --project "$project" iam service-accounts describe "$node_account"; then
        cloud iam service-accounts create "$name-nodes" --display-name "Nodes of $name"
    fi
    for role in roles/container.defaultNodeServiceAccount roles/artifactregistry.reader; do
        cloud projects add-iam-policy-binding "$project" --condition None --format none \
            --member "serviceAccount:$node_account" --role "$role"
    done
}

make_nat() {
    local in_region=(--router "$name" --region "$region")
    if missing gcloud --project "$project" compute routers describe "$name" --region "$region"; then
        cloud compute routers create "$name" --region "$region" --network "$network"
    fi
    if missing gcloud --project "$project" compute routers nats describe "$name" "${in_region[@]}"
    then
        cloud compute routers nats create "$name" "${in_region[@]}" \
            --auto-allocate-nat-external-ips --nat-all-subnet-ip-ranges
    fi
}

# The archive outlives the cluster, so its name does not promise that of one. A retention policy of the
# bucket would keep the newest checkpoint from being replaced, and Google has no versioning beside it: what
# is replaced or deleted stays as a version, and for 90 days whatever happens to that.
make_archive() {
    if missing gcloud --project "$project" iam service-accounts describe "$store_account"; then
        cloud iam service-accounts create "$name-store" --display-name "Archive of $name"
    fi
    if missing gcloud --project "$project" storage buckets describe "$bucket"; then
        cloud storage buckets create "$bucket" --location "$region" \
            --uniform-bucket-level-access --public-access-prevention --soft-delete-duration 90d
    fi
    cloud storage buckets update "$bucket" --versioning
    cloud storage buckets add-iam-policy-binding "$bucket" \
        --member "serviceAccount:$store_account" --role roles/storage.objectUser
}

make_cluster() {
    local options=()
    if ! missing gcloud --project "$project" container clusters describe "$name" \
        --region "$region"; then
        echo "The cluster $name exists and is left as it is."
        return
    fi
    [[ -z "$subnetwork" ]] || options+=(--subnetwork "$subnetwork")
    [[ -z "$admin_networks" ]] || options+=(--enable-master-authorized-networks
        --master-authorized-networks "$admin_networks")
    # A regional cluster spreads the control plane and the nodes over three zones: the numbers of
    # nodes are for each zone. One etcd member a zone, and a node to spare while one is upgraded.
    # NodeLocal DNSCache is left out of the addons: the network policies name kube-dns.
    cloud container clusters create "$name" --region "$region" \
        --release-channel "$release_channel" \
        --num-nodes 1 --enable-autoscaling --min-nodes 1 --max-nodes 3 \
        --machine-type "$machine_type" --disk-type pd-ssd --disk-size 50 \
        --image-type COS_CONTAINERD \
        --network "$network" --enable-ip-alias --enable-private-nodes \
        --enable-dataplane-v2 --cluster-dns kubedns \
        --addons HorizontalPodAutoscaling,HttpLoadBalancing,GcePersistentDiskCsiDriver \
        --workload-pool "$project.svc.id.goog" --service-account "$node_account" \
        --enable-shielded-nodes --shielded-secure-boot --shielded-integrity-monitoring \
        --enable-autoupgrade --enable-autorepair --max-surge-upgrade 1 --max-unavailable-upgrade 0 \
        --anonymous-authentication-config LIMITED \
        --logging SYSTEM,WORKLOAD --monitoring SYSTEM \
        "${options[@]}"
}

install_cert_manager() {
    local deployment kubectl=(kubectl --context "gke_${project}_${region}_${name}")
    run "${kubectl[@]}" apply --filename "$cert_manager_manifest"
    for deployment in cert-manager cert-manager-cainjector cert-manager-webhook; do
        run "${kubectl[@]}" --namespace cert-manager rollout status "deployment/$deployment" \
            --timeout 300s
    done
}

say_what_now() {
    local in_project="--project $project --region $region"
    cat <<TEXT

Now:
  ./deploy.sh prod --context gke_${project}_${region}_${name} --registry REGISTRY
where REGISTRY is a folder that the nodes can read and you can write, for example
$region-docker.pkg.dev/$project/REPOSITORY

The archive: in k8s/components/archive-bucket/kustomization.yaml
      - url=s3://${bucket#gs://}/prod
      - endpoint=https://storage.googleapis.com
      - region=auto
and a key for the account, which Google shows once:
  gcloud storage hmac create $store_account --project $project
  kubectl --context gke_${project}_${region}_${name} --namespace immutable-ledger create secret generic \\
    ledger-archive-key --from-file=access-key-id=FILE --from-file=secret-access-key=FILE

To remove what was made (disks of volumes are kept, see gcloud compute disks list):
  gcloud container clusters delete $name $in_project
  gcloud compute routers delete $name $in_project
  gcloud iam service-accounts delete $node_account --project $project
The bucket $bucket and its account stay: sealed events may be nowhere else.
TEXT
}

while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --dry-run) dry_run=yes ;;
        --project | --region | --name | --machine-type | --network | --subnetwork | \
            --release-channel | --admin-network)
            [[ -n "${2:-}" ]] || wrong_usage "$1 needs a value"
            case $1 in
                --project) project=$2 ;;
                --region) region=$2 ;;
                --name) name=$2 ;;
                --machine-type) machine_type=$2 ;;
                --network) network=$2 ;;
                --subnetwork) subnetwork=$2 ;;
                --release-channel) release_channel=$2 ;;
                --admin-network) admin_networks+="${admin_networks:+,}$2" ;;
            esac
            shift
            ;;
        *) wrong_usage "unknown option $1" ;;
    esac
    shift
done
[[ -n "$project" ]] || wrong_usage "--project is missing"
[[ -n "$region" ]] || wrong_usage "--region is missing"
# The service account's name is $name-nodes, and Google allows 30 characters.
[[ "$name" =~ ^[a-z][a-z0-9-]{0,22}[a-z0-9]$ ]] ||
    wrong_usage "--name must have 2 to 24 characters: lower-case letters, digits and dashes"
node_account="$name-nodes@$project.iam.gserviceaccount.com"
store_account="$name-store@$project.iam.gserviceaccount.com"
bucket=gs://$project-$name-archive

if [[ $dry_run == no ]]; then
    for tool in gcloud kubectl gke-gcloud-auth-plugin; do
        command -v "$tool" >/dev/null ||
            die "$tool is missing; see https://cloud.google.com/sdk/docs/install"
    done
    [[ -n "$(gcloud auth list --filter status:ACTIVE --format 'value(account)')" ]] ||
        die "nobody is logged in; run: gcloud auth login"
fi
cloud services enable container.googleapis.com compute.googleapis.com \
    artifactregistry.googleapis.com storage.googleapis.com
make_node_account
make_nat
make_archive
make_cluster
cloud container clusters get-credentials "$name" --region "$region"
install_cert_manager
say_what_now
