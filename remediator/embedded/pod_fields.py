"""The known fields of object metadata and of what a pod runs, as core/v1 has them.

One rule: data only. Fields that nothing here looks into are `ANYTHING`.
"""

from remediator.embedded.schema import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    FLAG,
    INT_OR_STRING,
    INTEGER,
    NAME,
    QUANTITY,
    STRING,
    TIME,
    List,
    Map,
    Struct,
    Type,
)

STRINGS = Map(values=NAME)
WORDS = List(items=NAME)


def struct(*, optional: bool = False, atomic: bool = False, **fields: Type) -> Struct:
    """A type with these named fields."""
    return Struct(fields=fields, optional=optional, atomic=atomic)


OWNER_REFERENCE = struct(
    atomic=True, apiVersion=NAME, kind=NAME, name=NAME, uid=NAME, controller=BOOLEAN, blockOwnerDeletion=BOOLEAN
)
METADATA = struct(
    name=STRING,
    generateName=STRING,
    namespace=STRING,
    selfLink=STRING,
    uid=STRING,
    resourceVersion=STRING,
    generation=COUNT,
    creationTimestamp=TIME,
    deletionTimestamp=TIME,
    deletionGracePeriodSeconds=INTEGER,
    labels=STRINGS,
    annotations=STRINGS,
    ownerReferences=List(items=OWNER_REFERENCE, key="uid"),
    finalizers=List(items=NAME, as_set=True),
    managedFields=List(items=ANYTHING),
)
KEY_REF = Struct(atomic=True, fields={"name": STRING, "key": NAME, "optional": BOOLEAN})
SOURCE_REF = Struct(optional=True, fields={"name": STRING, "optional": BOOLEAN})
ENV_VAR = struct(
    name=NAME,
    value=STRING,
    valueFrom=struct(
        optional=True,
        fieldRef=struct(atomic=True, apiVersion=STRING, fieldPath=NAME),
        resourceFieldRef=struct(atomic=True, containerName=STRING, resource=NAME, divisor=QUANTITY),
        configMapKeyRef=KEY_REF,
        secretKeyRef=KEY_REF,
        fileKeyRef=ANYTHING,
    ),
)
PROBE = struct(
    optional=True,
    exec=struct(optional=True, command=WORDS),
    httpGet=struct(optional=True, path=STRING, port=INT_OR_STRING, host=STRING, scheme=STRING, httpHeaders=ANYTHING),
    tcpSocket=struct(optional=True, port=INT_OR_STRING, host=STRING),
    grpc=struct(optional=True, port=INTEGER, service=STRING),
    initialDelaySeconds=COUNT,
    timeoutSeconds=COUNT,
    periodSeconds=COUNT,
    successThreshold=COUNT,
    failureThreshold=COUNT,
    terminationGracePeriodSeconds=INTEGER,
)
RESOURCES = struct(limits=Map(values=QUANTITY), requests=Map(values=QUANTITY), claims=List(items=ANYTHING, key="name"))
CONTAINER = struct(
    name=NAME,
    image=STRING,
    command=WORDS,
    args=WORDS,
    workingDir=STRING,
    ports=List(
        items=struct(name=STRING, hostPort=COUNT, containerPort=INTEGER, protocol=STRING, hostIP=STRING),
        key="containerPort",
    ),
    envFrom=List(items=struct(prefix=STRING, configMapRef=SOURCE_REF, secretRef=SOURCE_REF)),
    env=List(items=ENV_VAR, key="name"),
    resources=RESOURCES,
    resizePolicy=ANYTHING,
    restartPolicy=STRING,
    restartPolicyRules=ANYTHING,
    volumeMounts=List(
        items=struct(
            name=NAME,
            readOnly=FLAG,
            recursiveReadOnly=NAME,
            mountPath=NAME,
            subPath=STRING,
            subPathExpr=STRING,
            mountPropagation=NAME,
        ),
        key="mountPath",
    ),
    volumeDevices=List(items=ANYTHING, key="devicePath"),
    livenessProbe=PROBE,
    readinessProbe=PROBE,
    startupProbe=PROBE,
    lifecycle=ANYTHING,
    terminationMessagePath=STRING,
    terminationMessagePolicy=STRING,
    imagePullPolicy=STRING,
    securityContext=ANYTHING,
    stdin=FLAG,
    stdinOnce=FLAG,
    tty=FLAG,
)
POD_SPEC = struct(
    volumes=List(items=ANYTHING, key="name"),
    initContainers=List(items=CONTAINER, key="name"),
    containers=List(items=CONTAINER, key="name", required=True),
    ephemeralContainers=List(items=ANYTHING, key="name"),
    restartPolicy=STRING,
    terminationGracePeriodSeconds=INTEGER,
    activeDeadlineSeconds=INTEGER,
    dnsPolicy=STRING,
    nodeSelector=STRINGS,
    serviceAccountName=STRING,
    serviceAccount=STRING,
    automountServiceAccountToken=BOOLEAN,
    nodeName=STRING,
    hostNetwork=FLAG,
    hostPID=FLAG,
    hostIPC=FLAG,
    shareProcessNamespace=BOOLEAN,
    securityContext=ANYTHING,
    imagePullSecrets=List(items=struct(name=STRING), key="name"),
    hostname=STRING,
    hostnameOverride=ANYTHING,
    subdomain=STRING,
    affinity=ANYTHING,
    schedulerName=STRING,
    tolerations=List(items=ANYTHING),
    hostAliases=List(items=ANYTHING, key="ip"),
    priorityClassName=STRING,
    priority=INTEGER,
    dnsConfig=ANYTHING,
    readinessGates=List(items=ANYTHING),
    runtimeClassName=NAME,
    enableServiceLinks=BOOLEAN,
    preemptionPolicy=NAME,
    overhead=Map(values=QUANTITY),
    topologySpreadConstraints=List(items=ANYTHING, key="topologyKey"),
    setHostnameAsFQDN=BOOLEAN,
    os=ANYTHING,
    hostUsers=BOOLEAN,
    schedulingGates=List(items=ANYTHING, key="name"),
    resourceClaims=List(items=ANYTHING, key="name"),
    resources=ANYTHING,
    workloadRef=ANYTHING,
)
TEMPLATE = struct(metadata=METADATA, spec=POD_SPEC)
