#!/bin/sh
# What must be true before the canary is raised: DENIS_MATERIALIZERS_PCT=10 ./scripts/production_preflight.sh
set -eu
# shellcheck source=scripts/remediator.sh
. "$(dirname -- "$(readlink -f -- "$0")")/remediator.sh"
exec "$remediator" canary preflight "$@"
