# shellcheck shell=sh
# Read by the scripts beside it: finds the program, and the file of remediations where none is named.
checkout=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
remediator=$(command -v remediator || echo "$checkout/.venv/bin/remediator")
if ! [ -x "$remediator" ]; then
  echo "remediator: not on PATH and not in $checkout/.venv/bin: run \`make venv\` in $checkout, or install it" >&2
  exit 2
fi
: "${REMEDIATOR_CONFIG_FILE:=$checkout/rules/remediations.yaml}"
export REMEDIATOR_CONFIG_FILE
