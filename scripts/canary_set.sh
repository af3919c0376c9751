#!/bin/sh
# Set the canary, as the runbook says: ./scripts/canary_set.sh 10 --dry-run
set -eu
# shellcheck source=scripts/remediator.sh
. "$(dirname -- "$(readlink -f -- "$0")")/remediator.sh"
# The question is for a person at a terminal. Elsewhere, say in a pipeline, running this script is the yes.
[ -t 0 ] || set -- --yes "$@"
exec "$remediator" canary set "$@"
