"""The known fields of every kind that is served: apps/v1, core/v1, events and autoscaling.

One rule: data only. A field that nothing here looks into is `ANYTHING`.
"""

from remediator.sandbox.schema import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    FLAG,
    INT_OR_STRING,
    INTEGER,
    MICRO_TIME,
    NAME,
    STRING,
    TIME,
    List,
    Map,
    Struct,
    Type,
)

STRINGS = Map(values=NAME)
WORDS = List(items=NAME)


def _struct(**fields: Type) -> Struct:
    return Struct(fields=fields)


def _each(kind: Type, names: str) -> dict[str, Type]:
    """Several fields of one type."""
    return dict.fromkeys(names.split(), kind)


METADATA = Struct(
    fields={
        **_each(STRING, "name generateName namespace selfLink uid resourceVersion"),
        **_each(STRINGS, "labels annotations"),
        **_each(TIME, "creationTimestamp deletionTimestamp"),
        "generation": COUNT,
        "deletionGracePeriodSeconds": INTEGER,
        "ownerReferences": List(items=ANYTHING, key="uid"),
        "finalizers": WORDS,
        "managedFields": List(items=ANYTHING),
    }
)
ENV_VAR = _struct(
    name=NAME,
    value=STRING,
    valueFrom=Struct(
        optional=True,
        fields={
            "fieldRef": Struct(fields={"apiVersion": STRING, "fieldPath": NAME}, atomic=True),
            **_each(ANYTHING, "resourceFieldRef configMapKeyRef secretKeyRef fileKeyRef"),
        },
    ),
)
CONTAINER = Struct(
    fields={
        "name": NAME,
        "env": List(items=ENV_VAR, key="name"),
        "ports": List(
            items=_struct(**_each(STRING, "name protocol hostIP"), hostPort=COUNT, containerPort=INTEGER),
            key="containerPort",
        ),
        "resources": _struct(limits=ANYTHING, requests=ANYTHING, claims=ANYTHING),
        "volumeMounts": List(items=ANYTHING, key="mountPath"),
        "volumeDevices": List(items=ANYTHING, key="devicePath"),
        **_each(STRING, "image imagePullPolicy workingDir restartPolicy"),
        **_each(STRING, "terminationMessagePath terminationMessagePolicy"),
        **_each(WORDS, "command args"),
        **_each(FLAG, "stdin stdinOnce tty"),
        **_each(ANYTHING, "livenessProbe readinessProbe startupProbe lifecycle securityContext"),
        **_each(ANYTHING, "envFrom resizePolicy restartPolicyRules"),
    }
)
POD_SPEC = Struct(
    fields={
        "containers": List(items=CONTAINER, key="name", required=True),
        "initContainers": List(items=CONTAINER, key="name"),
        "nodeSelector": STRINGS,
        **_each(List(items=ANYTHING, key="name"), "volumes ephemeralContainers imagePullSecrets"),
        **_each(List(items=ANYTHING, key="name"), "schedulingGates resourceClaims"),
        **_each(STRING, "restartPolicy dnsPolicy serviceAccountName serviceAccount nodeName hostname subdomain"),
        **_each(STRING, "schedulerName priorityClassName runtimeClassName preemptionPolicy"),
        **_each(INTEGER, "terminationGracePeriodSeconds activeDeadlineSeconds priority"),
        **_each(FLAG, "hostNetwork hostPID hostIPC"),
        **_each(BOOLEAN, "automountServiceAccountToken shareProcessNamespace enableServiceLinks"),
        **_each(BOOLEAN, "setHostnameAsFQDN hostUsers"),
        **_each(ANYTHING, "securityContext affinity dnsConfig overhead os resources hostnameOverride workloadRef"),
        **_each(ANYTHING, "tolerations hostAliases readinessGates topologySpreadConstraints"),
    }
)
TEMPLATE = _struct(metadata=METADATA, spec=POD_SPEC)
SELECTOR = Struct(fields={"matchLabels": STRINGS, "matchExpressions": ANYTHING}, atomic=True)
CONDITIONS = List(
    items=Struct(
        fields={
            **_each(NAME, "type status"),
            **_each(TIME, "lastProbeTime lastUpdateTime lastTransitionTime"),
            **_each(STRING, "reason message"),
            "observedGeneration": COUNT,
        }
    ),
    key="type",
)


def _kind(**fields: Type) -> Struct:
    return Struct(fields={"apiVersion": NAME, "kind": NAME, "metadata": METADATA, **fields})


DEPLOYMENT = _kind(
    spec=_struct(
        replicas=INTEGER,
        selector=SELECTOR,
        template=TEMPLATE,
        strategy=_struct(
            type=STRING,
            rollingUpdate=Struct(fields=_each(INT_OR_STRING, "maxUnavailable maxSurge"), optional=True),
        ),
        minReadySeconds=COUNT,
        revisionHistoryLimit=INTEGER,
        paused=FLAG,
        progressDeadlineSeconds=INTEGER,
    ),
    status=_struct(
        **_each(COUNT, "observedGeneration replicas updatedReplicas readyReplicas"),
        **_each(COUNT, "availableReplicas unavailableReplicas"),
        **_each(INTEGER, "terminatingReplicas collisionCount"),
        conditions=CONDITIONS,
    ),
)
REPLICA_SET = _kind(
    spec=_struct(replicas=INTEGER, minReadySeconds=COUNT, selector=SELECTOR, template=TEMPLATE),
    status=_struct(
        **_each(COUNT, "fullyLabeledReplicas readyReplicas availableReplicas observedGeneration"),
        **_each(INTEGER, "replicas terminatingReplicas"),
        conditions=CONDITIONS,
    ),
)
POD = _kind(spec=POD_SPEC, status=ANYTHING)
SCALE = _kind(spec=_struct(replicas=COUNT), status=ANYTHING)
NAMESPACE = _kind(spec=ANYTHING, status=ANYTHING)
CONFIG_MAP = _kind(data=STRINGS, binaryData=STRINGS, immutable=BOOLEAN)
_ABOUT = Struct(fields=_each(STRING, "kind namespace name uid apiVersion resourceVersion fieldPath"), atomic=True)
CORE_EVENT = _kind(
    **_each(STRING, "reason message type action"),
    **_each(NAME, "reportingComponent reportingInstance"),
    **_each(TIME, "firstTimestamp lastTimestamp"),
    **_each(_ABOUT, "involvedObject related"),
    **_each(ANYTHING, "source series"),
    count=COUNT,
    eventTime=MICRO_TIME,
)
EVENT = _kind(
    **_each(STRING, "reason note type action reportingController reportingInstance"),
    **_each(TIME, "deprecatedFirstTimestamp deprecatedLastTimestamp"),
    **_each(_ABOUT, "regarding related"),
    **_each(ANYTHING, "deprecatedSource series"),
    deprecatedCount=COUNT,
    eventTime=MICRO_TIME,
)
AUTOSCALER = _kind(
    spec=_struct(
        scaleTargetRef=_struct(**_each(NAME, "kind name apiVersion")),
        minReplicas=INTEGER,
        maxReplicas=INTEGER,
        metrics=ANYTHING,
        behavior=ANYTHING,
    ),
    status=ANYTHING,
)
