"""The known fields of every kind that is served: apps/v1, core/v1, events and autoscaling.

One rule: data only. Fields that nothing here looks into are `ANYTHING`.
"""

from remediator.embedded.pod_fields import METADATA, POD_SPEC, STRINGS, TEMPLATE, WORDS, struct
from remediator.embedded.schema import (
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
    Struct,
    Type,
)

SELECTOR = struct(
    atomic=True,
    matchLabels=STRINGS,
    matchExpressions=List(items=struct(key=NAME, operator=NAME, values=WORDS)),
)
CONDITION = struct(
    type=NAME,
    status=NAME,
    observedGeneration=COUNT,
    lastProbeTime=TIME,
    lastUpdateTime=TIME,
    lastTransitionTime=TIME,
    reason=STRING,
    message=STRING,
)
CONDITIONS = List(items=CONDITION, key="type")


def _kind(**fields: Type) -> Struct:
    return Struct(fields={"apiVersion": NAME, "kind": NAME, "metadata": METADATA, **fields})


DEPLOYMENT = _kind(
    spec=struct(
        replicas=INTEGER,
        selector=SELECTOR,
        template=TEMPLATE,
        strategy=struct(
            type=STRING,
            rollingUpdate=struct(optional=True, maxUnavailable=INT_OR_STRING, maxSurge=INT_OR_STRING),
        ),
        minReadySeconds=COUNT,
        revisionHistoryLimit=INTEGER,
        paused=FLAG,
        progressDeadlineSeconds=INTEGER,
    ),
    status=struct(
        observedGeneration=COUNT,
        replicas=COUNT,
        updatedReplicas=COUNT,
        readyReplicas=COUNT,
        availableReplicas=COUNT,
        unavailableReplicas=COUNT,
        terminatingReplicas=INTEGER,
        conditions=CONDITIONS,
        collisionCount=INTEGER,
    ),
)
REPLICA_SET = _kind(
    spec=struct(replicas=INTEGER, minReadySeconds=COUNT, selector=SELECTOR, template=TEMPLATE),
    status=struct(
        replicas=INTEGER,
        fullyLabeledReplicas=COUNT,
        readyReplicas=COUNT,
        availableReplicas=COUNT,
        terminatingReplicas=INTEGER,
        observedGeneration=COUNT,
        conditions=CONDITIONS,
    ),
)
POD = _kind(
    spec=POD_SPEC,
    status=struct(
        observedGeneration=COUNT,
        phase=STRING,
        conditions=CONDITIONS,
        message=STRING,
        reason=STRING,
        hostIP=STRING,
        hostIPs=ANYTHING,
        podIP=STRING,
        podIPs=ANYTHING,
        startTime=TIME,
        containerStatuses=List(items=ANYTHING),
        qosClass=STRING,
    ),
)
SCALE = _kind(spec=struct(replicas=COUNT), status=struct(replicas=INTEGER, selector=STRING))
DELETE_OPTIONS = struct(
    gracePeriodSeconds=INTEGER,
    preconditions=struct(uid=STRING, resourceVersion=STRING),
    propagationPolicy=STRING,
    dryRun=WORDS,
)
NAMESPACE = _kind(spec=struct(finalizers=WORDS), status=struct(phase=STRING, conditions=CONDITIONS))
CONFIG_MAP = _kind(data=STRINGS, binaryData=STRINGS, immutable=BOOLEAN)
OBJECT_REFERENCE = struct(
    atomic=True,
    kind=STRING,
    namespace=STRING,
    name=STRING,
    uid=STRING,
    apiVersion=STRING,
    resourceVersion=STRING,
    fieldPath=STRING,
)
EVENT_SOURCE = struct(component=STRING, host=STRING)
EVENT_SERIES = struct(optional=True, count=INTEGER, lastObservedTime=MICRO_TIME)
CORE_EVENT = _kind(
    involvedObject=OBJECT_REFERENCE,
    reason=STRING,
    message=STRING,
    source=EVENT_SOURCE,
    firstTimestamp=TIME,
    lastTimestamp=TIME,
    count=COUNT,
    type=STRING,
    eventTime=MICRO_TIME,
    series=EVENT_SERIES,
    action=STRING,
    related=OBJECT_REFERENCE,
    reportingComponent=NAME,
    reportingInstance=NAME,
)
EVENT = _kind(
    eventTime=MICRO_TIME,
    series=EVENT_SERIES,
    reportingController=STRING,
    reportingInstance=STRING,
    action=STRING,
    reason=STRING,
    regarding=OBJECT_REFERENCE,
    related=OBJECT_REFERENCE,
    note=STRING,
    type=STRING,
    deprecatedSource=EVENT_SOURCE,
    deprecatedFirstTimestamp=TIME,
    deprecatedLastTimestamp=TIME,
    deprecatedCount=COUNT,
)
AUTOSCALER = _kind(
    spec=struct(
        scaleTargetRef=struct(kind=NAME, name=NAME, apiVersion=STRING),
        minReplicas=INTEGER,
        maxReplicas=INTEGER,
        metrics=List(items=ANYTHING),
        behavior=ANYTHING,
    ),
    status=ANYTHING,
)
