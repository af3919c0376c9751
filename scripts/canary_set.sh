#!/bin/sh
# Set the canary, as the runbook says: ./scripts/canary_set.sh 10 --dry-run
set -eu
# shellcheck source=scripts/remediator.sh
. "$(dirname -- "$(readlink -f -- "$0")")/remediator.sh"
exec "$remediator" canary set "$@"
