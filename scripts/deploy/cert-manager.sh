# shellcheck shell=bash
# Sourced, never run: the cert-manager that this project is made for.
# shellcheck disable=SC2034

readonly cert_manager_version=v1.21.2
cert_manager_releases=https://github.com/cert-manager/cert-manager/releases/download
readonly cert_manager_manifest=$cert_manager_releases/$cert_manager_version/cert-manager.yaml
