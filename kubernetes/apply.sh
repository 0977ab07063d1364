#!/usr/bin/env bash
# Puts agent and both gateway tiers into the cluster that kubectl points at, or brings them up to date: kubernetes/apply.sh
# Needs kubectl, helm, openssl, cert-manager in the cluster, and the stores that stores.yaml names. Run it again after any change.
set -euo pipefail
cd "$(dirname "$0")"
chart=${TRAX_CHART:-opentelemetry-collector} version=${TRAX_CHART_VERSION:-0.170.0}
repository=${TRAX_CHART_REPOSITORY-https://open-telemetry.github.io/opentelemetry-helm-charts}   # empty: TRAX_CHART is a folder
space=observability

for needed in kubectl helm openssl; do
  command -v "$needed" >/dev/null || { echo "apply.sh needs $needed on the PATH" >&2; exit 1; }
done
kubectl get crd certificates.cert-manager.io >/dev/null || {
  echo "There is no cert-manager in this cluster: install it first (https://cert-manager.io/docs/installation/)" >&2
  exit 1
}

there() { kubectl --namespace "$space" get "$@" >/dev/null 2>&1; }
made() { kubectl --namespace "$space" create "$@" --dry-run=client --output yaml | kubectl apply --server-side --filename -; }

kubectl create namespace "$space" --dry-run=client --output yaml | kubectl apply --filename -
made configmap trax-otel-collector --from-file=../collector-config
made configmap trax-otel-collector-shared --from-file=../collector-config/shared
there configmap trax-otel-stores || kubectl apply --filename stores.yaml
if ! there secret trax-otel-tokens; then   # made once; the services' tokens and the gateway's, never seen in a process list
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  # Without a line's end, which would get into the header that a service makes of its token.
  ( umask 077; for name in services gateway; do openssl rand -hex 32 | tr -d '\n' >"$folder/$name"; done )
  kubectl --namespace "$space" create secret generic trax-otel-tokens --from-file="$folder"
fi
kubectl apply --filename certificates.yaml

# A change of the config restarts the pods one after another; without one, nothing does.
config=$(find ../collector-config -name '*.yaml' -print0 | sort -z | xargs -0 cat | cksum | cut -d ' ' -f 1)
for name in tier2 tier1 agent; do
  options=(--namespace "$space" --version "$version" --values common.yaml --values "$name.yaml")
  [ -z "$repository" ] || options+=(--repo "$repository")
  helm upgrade --install "trax-$name" "$chart" "${options[@]}" --set-string "podAnnotations.trax-config=$config" --wait
done
