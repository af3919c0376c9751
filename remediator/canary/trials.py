"""Dry runs as the service's own account: whether the API server accepts the act, and refuses what must never happen.

The rule of this file: every request is a server-side dry run, so nothing is stored. Refused requests still show up in
the API server's audit log, under that account, with the name of the person who impersonated it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from remediator.core.checks import NOT_CHECKED, Check, Proof
from remediator.core.outcome import ClusterError
from remediator.core.policy import Policy, Remediation
from remediator.core.workload import Workload
from remediator.kube.errors import Forbidden, Rejected
from remediator.kube.targets import Cluster
from remediator.reflex.dry_runs import act_spec, is_refusal, trial_patch

ACT = "dry run"
FENCE = "refusals"
NO_IMPERSONATION = "grant it: operator.impersonate=true of the chart, or the Role in docs/doctor.md"
NO_DRY_RUNS = "an admission webhook refuses dry runs"
DRY_RUNS_REMEDY = "if that webhook has no side effects, set sideEffects: None in its configuration"


def check_trials(
    cluster: Cluster, account: str, remediation: Remediation, policy: Policy, workload: Workload, now: datetime
) -> list[Check]:
    """Whether the API server accepts the act from the account that `cluster` impersonates, and refuses all else."""
    error = _try(cluster, remediation, trial_patch(remediation, workload, act_spec(remediation, workload), now))
    if isinstance(error, Forbidden) and "impersonat" in str(error):
        why = f"{NOT_CHECKED}: you may not impersonate {account} ({error})"
        return [Check(name=name, passed=None, found=why, remedy=NO_IMPERSONATION) for name in (ACT, FENCE)]
    return [_act(error, account, remediation), _fence(cluster, account, remediation, policy, workload, now)]


def _refused(
    remediation: Remediation, policy: Policy, workload: Workload, now: datetime
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Patches that the service's account must not write, each with a description; all but the last include a record."""
    for what, spec in remediation.action.forbidden(workload, remediation.target, policy.profiles):
        yield what, trial_patch(remediation, workload, spec, now)
    spec = act_spec(remediation, workload)
    yield "an act without a record", trial_patch(remediation, workload, spec, now, recorded=False)


def _try(cluster: Cluster, remediation: Remediation, patch: Mapping[str, Any]) -> ClusterError | None:
    """Why the API server refuses it, or None if it would be written."""
    try:
        cluster.apply(remediation.target, patch, dry_run=True)
    except ClusterError as error:
        return error
    return None


def _refuses_dry_runs(error: ClusterError) -> bool:
    """Whether the error is about dry runs in general, not about this write."""
    return isinstance(error, Forbidden | Rejected) and not is_refusal(error)


def _act(error: ClusterError | None, account: str, remediation: Remediation) -> Check:
    if error is None:
        found = f"the API server accepts the act from {account} (dry run)"
        return Check(name=ACT, passed=True, found=found, proof=Proof.DONE)
    if _refuses_dry_runs(error):
        return Check(name=ACT, passed=None, found=f"{NO_DRY_RUNS}: {error}", remedy=DRY_RUNS_REMEDY)
    if isinstance(error, Forbidden) and remediation.mode == "observe":
        found = f"{account} may not act, as is right in mode observe"
        return Check(name=ACT, passed=True, found=found, proof=Proof.DONE)
    if isinstance(error, Forbidden | Rejected):
        remedy = "helm upgrade restores the Role and the policy; the API server's words say which rule refused it"
        found = f"the API server refuses the act from {account}: {error}"
        return Check(name=ACT, passed=False, found=found, remedy=remedy, proof=Proof.DONE)
    return Check(name=ACT, passed=None, found=str(error), remedy="check again")


def _fence(
    cluster: Cluster, account: str, remediation: Remediation, policy: Policy, workload: Workload, now: datetime
) -> Check:
    tried = []
    for what, patch in _refused(remediation, policy, workload, now):
        error = _try(cluster, remediation, patch)
        if error is None:
            found = f"the API server would let {account} write {what}: the admission policy does not hold"
            remedy = "helm upgrade with admissionPolicy.enabled=true; its binding must say Deny"
            return Check(name=FENCE, passed=False, found=found, remedy=remedy, proof=Proof.DONE)
        if _refuses_dry_runs(error):
            return Check(name=FENCE, passed=None, found=f"{NO_DRY_RUNS}: {error}", remedy=DRY_RUNS_REMEDY)
        if not isinstance(error, Forbidden):
            return Check(name=FENCE, passed=None, found=f"{what}: {error}", remedy="check again")
        tried.append(what)
    found = f"and refuses it {', '.join(tried)} (dry runs; refused writes are in the API audit log)"
    return Check(name=FENCE, passed=True, found=found, proof=Proof.DONE)
