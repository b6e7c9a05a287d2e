# shellcheck shell=bash
# Sourced by deploy.sh and build-images.sh, never run: builds the two images and brings them to
# where the cluster finds them.
# The variables come from common.sh.
# shellcheck disable=SC2154

check_image_options() {
    local reference
    if [[ -n "$image" || -n "$ops_image" ]]; then
        [[ -n "$image" && -n "$ops_image" ]] || die "give both --image and --ops-image, or none"
        for reference in "$image" "$ops_image"; do
            [[ "$reference" =~ (@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9._-]*)$ ]] ||
                die "$reference names no version; give a tag or a digest"
        done
        return
    fi
    [[ -n "$registry" || "$(image_destination)" != registry ]] ||
        die "the cluster of $context cannot see this machine's images: give --registry, or" \
            "--image and --ops-image"
    # What a revision is called must be what is in it, where it matters.
    [[ $environment != prod || -z "$(git -C "$root" status --porcelain)" ]] ||
        die "there are changes that are not committed: commit them, or give --image and --ops-image"
}

# Where the cluster looks for images: kind, minikube, shared (with this machine), or registry.
image_destination() {
    if [[ -n "$registry" ]]; then
        echo registry
        return
    fi
    case $context in
        kind-*) echo kind ;;
        minikube | minikube-*) echo minikube ;;
        docker-desktop | orbstack) echo shared ;;
        *) echo registry ;;
    esac
}

# A docker client without its daemon is common, so each is asked whether it works.
choose_engine() {
    case $engine in
        docker | podman | buildah) return ;;
        "") ;;
        *) die "--engine must be docker, podman or buildah" ;;
    esac
    if docker info >/dev/null 2>&1; then
        engine=docker
    elif podman info >/dev/null 2>&1; then
        engine=podman
    elif buildah info >/dev/null 2>&1; then
        engine=buildah
    elif [[ $dry_run == yes ]]; then
        engine=docker
    else
        die "no docker, podman or buildah works here; start or install one, or give --image and" \
            "--ops-image"
    fi
}

# The revision, and a mark made of the changes since: the same tag with other contents would be an
# update that Kubernetes does not notice.
image_tag() {
    local revision changes
    revision=$(git -C "$root" rev-parse --short=12 HEAD)
    if [[ -n "$(git -C "$root" status --porcelain)" ]]; then
        changes=$(
            cd "$root" || exit
            {
                git diff --binary HEAD
                git ls-files --others --exclude-standard -z | xargs -0r cat
            } | git hash-object --stdin
        )
        revision+=-dirty-${changes:0:8}
    fi
    echo "$revision"
}

# build_image REFERENCE TARGET VERSION
build_image() {
    local build=(build)
    [[ $engine != buildah ]] || build=(build --layers)
    change "$engine" "${build[@]}" --tag "$1" --target "$2" \
        --build-arg "VERSION=$3" --build-arg "REVISION=$(git -C "$root" rev-parse HEAD)" "$root"
}

# deliver REFERENCE
deliver() {
    local reference=$1 archive=$work/image.tar
    case $(image_destination) in
        registry) change "$engine" push "$reference" ;;
        shared) ;;
        kind | minikube)
            case $engine in
                docker) change docker save --output "$archive" "$reference" ;;
                podman) change podman save --output "$archive" "$reference" ;;
                buildah) change buildah push "$reference" "docker-archive:$archive:$reference" ;;
            esac
            case $context in
                kind-*) change kind load image-archive "$archive" --name "${context#kind-}" ;;
                *) change minikube image load "$archive" --profile "$context" ;;
            esac
            rm -f "$archive"
            ;;
    esac
}

# Sets image and ops_image to what it built.
build_images() {
    local tag
    choose_engine
    tag=$(image_tag)
    # podman puts localhost/ before a name without a registry: written out, all engines agree.
    image=${registry:-localhost}/immutable-ledger:$tag
    ops_image=${registry:-localhost}/immutable-ledger-ops:$tag
    say "Building $image and $ops_image with $engine"
    build_image "$image" service "$tag"
    build_image "$ops_image" ops "$tag"
}

# Where images were given, they are where the cluster finds them.
provide_images() {
    if [[ -n "$image" ]]; then
        say "Images $image and $ops_image"
        return
    fi
    case $(image_destination) in
        kind | minikube) [[ $dry_run == yes ]] || need "$(image_destination)" ;;
    esac
    build_images
    deliver "$image"
    deliver "$ops_image"
}

# image_override NAME REFERENCE: an entry of kustomize's `images`.
image_override() {
    local name=$1 reference=$2 last
    echo "  - name: $name"
    if [[ "$reference" == *@* ]]; then
        echo "    newName: ${reference%@*}"
        echo "    digest: ${reference#*@}"
    else
        last=${reference##*/}
        echo "    newName: ${reference%:"${last#*:}"}"
        echo "    newTag: \"${last#*:}\""
    fi
}
