{{/* The admission policy of one service account, and its binding. Takes a dict:
  context     the chart's
  name        the name of both
  account     the service account, in the release's namespace
  manager     its field manager
  meaning     in words, what it may write on its targets together with a new record in the ledger
  targets     the Deployments that it may change, as namespace/name
  known       the Deployments that it may create Events about
  containers  by target, its container whose flags may be set
  steps       by target, a list of {from, to}: which flags may become which; an empty `from` stands for any flags
  step        the steps in words
  raises      whether a step may give the canary more traffic: then each write is a step, the kill switch
              stops it, and what the reflex has recorded stays as it is
  scales      the ways in which replicas may grow, as CEL
  events      whether it may create Events at all */}}
{{- define "remediator.admissionPolicy" -}}
{{- $account := printf "system:serviceaccount:%s:%s" .context.Release.Namespace .account }}
{{- $labels := include "remediator.labels" .context | nindent 4 }}
# What {{ $account }} may write, whatever rights it has or is given one day:
# {{ .meaning }}
# Everything else by this account is refused, by any verb, on any object and any subresource.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- $labels }}
spec:
  failurePolicy: Fail
  # The API server fills in what is left out here, and a GitOps tool would take that for drift. So nothing is left out.
  matchConstraints:
    matchPolicy: Equivalent
    namespaceSelector: {}
    objectSelector: {}
    resourceRules:
    - apiGroups: ["*"]
      apiVersions: ["*"]
      operations: ["*"]
      resources: ["*/*"]
      scope: "*"
  matchConditions:
  - name: only-this-service-account
    expression: request.userInfo.username == '{{ $account }}'
  # Questions such as `kubectl auth can-i` are creations to the API server, and write nothing.
  - name: not-a-question
    expression: "!(request.resource.group in ['authentication.k8s.io', 'authorization.k8s.io'])"
  variables:
  - name: target
    expression: "(has(request.namespace) ? request.namespace : '') + '/' + (has(request.name) ? request.name : '')"
  - name: whole
    expression: "!has(request.subResource) || request.subResource == ''"
  {{- if .events }}
  - name: event
    expression: >-
      request.resource.group == 'events.k8s.io' && request.resource.resource == 'events' && variables.whole
      && request.operation == 'CREATE'
  {{- end }}
  - name: deployment
    expression: >-
      request.resource.group == 'apps' && request.resource.resource == 'deployments' && variables.whole
      && request.operation == 'UPDATE' && variables.target in {{ toJson .targets }}
  # The container whose flags may be set, and from which flags to which. A target that is not here keeps its flags.
  - name: containers
    expression: '{{ toJson .containers }}'
  - name: steps
    expression: '{{ toJson .steps }}'
  - name: container
    expression: "variables.target in variables.containers ? variables.containers[variables.target] : ''"
  # n is the new object and o the old one, then m their metadata, a their annotations, p their Pod's specification.
  - name: "n"
    expression: dyn(object)
  - name: o
    expression: dyn(oldObject)
  - name: nm
    expression: variables.n.metadata
  - name: om
    expression: variables.o.metadata
  - name: na
    expression: "'annotations' in variables.nm ? variables.nm.annotations : {}"
  - name: oa
    expression: "'annotations' in variables.om ? variables.om.annotations : {}"
  - name: np
    expression: variables.n.spec.template.spec
  - name: op
    expression: variables.o.spec.template.spec
  - name: after
    expression: variables.n.spec.replicas
  - name: before
    expression: variables.o.spec.replicas
  - name: newEnv
    expression: >-
      variables.np.containers.exists(c, c.name == variables.container && 'env' in c)
      ? variables.np.containers.filter(c, c.name == variables.container)[0].env : []
  - name: oldEnv
    expression: >-
      variables.op.containers.exists(c, c.name == variables.container && 'env' in c)
      ? variables.op.containers.filter(c, c.name == variables.container)[0].env : []
  {{- if .raises }}
  # Each act in the ledger is an object that begins with its id.
  - name: oldActs
    expression: >-
      'remediator.denis.run/ledger' in variables.oa
      ? variables.oa['remediator.denis.run/ledger'].split('{"id":').map(x, x.split('}')[0]) : []
  {{- end }}
  validations:
  {{- if .events }}
  - message: this service account may only change its targets and create Events
    reason: Forbidden
    expression: variables.event || variables.deployment
  - message: this service account may only create Events about its targets
    reason: Forbidden
    expression: >-
      !variables.event || (has(object.regarding) && has(object.regarding.kind) && object.regarding.kind == 'Deployment'
      && has(object.regarding.namespace) && has(object.regarding.name)
      && object.regarding.namespace == request.namespace
      && (object.regarding.namespace + '/' + object.regarding.name) in {{ toJson .known }})
  {{- else }}
  - message: this service account may only change its targets
    reason: Forbidden
    expression: variables.deployment
  {{- end }}
  # Others find, and GitOps tools ignore, what this account wrote by the name of its field manager.
  - message: the field manager must be {{ .manager }}
    reason: Forbidden
    expression: >-
      !variables.deployment || (has(request.options.fieldManager) && request.options.fieldManager == '{{ .manager }}')
  - message: only metadata and spec may change
    reason: Forbidden
    expression: >-
      !variables.deployment || (
      variables.n.all(k, k in ['metadata', 'spec'] || (k in variables.o && variables.n[k] == variables.o[k]))
      && variables.o.all(k, k in variables.n))
  - message: only annotations may change of the metadata
    reason: Forbidden
    expression: >-
      !variables.deployment || (
      variables.nm.all(k, k in ['annotations', 'managedFields', 'generation', 'resourceVersion']
      || (k in variables.om && variables.nm[k] == variables.om[k]))
      && variables.om.all(k, k in variables.nm))
  # The API server keeps these, and a patch could forge them: who set the replicas decides what is done. With more than
  # ten managers, it puts the oldest together under the name ancient-changes.
  - message: managedFields may not name others than before
    reason: Forbidden
    expression: >-
      !variables.deployment || !('managedFields' in variables.om) || ('managedFields' in variables.nm
      && size(variables.nm.managedFields) > 0
      && variables.nm.managedFields.all(m, m.manager in ['{{ .manager }}', 'ancient-changes'] || variables.om.managedFields.exists(x,
      x.manager == m.manager && x.operation == m.operation && ('subresource' in x ? x.subresource : '')
      == ('subresource' in m ? m.subresource : ''))))
  - message: only the annotation remediator.denis.run/ledger may change, never a pause or the kill switch
    reason: Forbidden
    expression: >-
      !variables.deployment || (
      variables.na.all(k, k == 'remediator.denis.run/ledger' || (k in variables.oa && variables.na[k] == variables.oa[k]))
      && variables.oa.all(k, k in variables.na))
  - message: every write needs a new record in the annotation remediator.denis.run/ledger, of 32 KiB at most
    reason: Forbidden
    expression: >-
      !variables.deployment || ('remediator.denis.run/ledger' in variables.na
      && size(variables.na['remediator.denis.run/ledger']) <= 32768
      && !('remediator.denis.run/ledger' in variables.oa
      && variables.na['remediator.denis.run/ledger'] == variables.oa['remediator.denis.run/ledger']))
  - message: only replicas and template may change of the spec
    reason: Forbidden
    expression: >-
      !variables.deployment || (
      variables.n.spec.all(k, k in ['template', 'replicas']
      || (k in variables.o.spec && variables.n.spec[k] == variables.o.spec[k]))
      && variables.o.spec.all(k, k in variables.n.spec))
  - message: {{ ternary "replicas may only grow, by a step, up to the maximum, not from 0, and not while the kill switch is on" "replicas may not change" (gt (len .scales) 0) }}
    reason: Forbidden
    expression: >-
      !variables.deployment || variables.after == variables.before
      {{- with .scales }}
      || (variables.before > 0 && variables.after > variables.before
      && !('remediator.denis.run/kill-switch' in variables.oa)
      && (({{ join ") || (" . }})))
      {{- end }}
  - message: the Pods' metadata may not change
    reason: Forbidden
    expression: >-
      !variables.deployment || (
      variables.n.spec.template.all(k, k == 'spec'
      || (k in variables.o.spec.template && variables.n.spec.template[k] == variables.o.spec.template[k]))
      && variables.o.spec.template.all(k, k in variables.n.spec.template))
  - message: only containers may change of the Pods
    reason: Forbidden
    expression: >-
      !variables.deployment || (
      variables.np.all(k, k == 'containers' || (k in variables.op && variables.np[k] == variables.op[k]))
      && variables.op.all(k, k in variables.np))
  - message: only the environment of the canary's container may change
    reason: Forbidden
    expression: >-
      !variables.deployment || (
      variables.np.containers.map(c, c.name) == variables.op.containers.map(c, c.name)
      && variables.np.containers.all(c, variables.op.containers.exists(d, d.name == c.name
      && (c == d || (c.name == variables.container
      && c.all(k, k == 'env' || (k in d && d[k] == c[k])) && d.all(k, k in c))))))
  # The order of the flags is free, because a strategic merge gives them the order of the patch.
  - message: the environment may only change {{ .step }}, and nothing else
    reason: Forbidden
    expression: >-
      !variables.deployment || variables.container == ''{{ if not .raises }} || variables.newEnv == variables.oldEnv{{ end }}
      || variables.steps[variables.target].exists(s,
      s.from.all(f, variables.oldEnv.filter(e, e.name == f) == [{'name': f, 'value': s.from[f]}])
      && s.to.all(f, variables.newEnv.filter(e, e.name == f) == [{'name': f, 'value': s.to[f]}])
      && variables.newEnv.filter(e, !(e.name in s.to)) == variables.oldEnv.filter(e, !(e.name in s.to)))
  {{- if .raises }}
  # With an act of a remediation that never was, or a newer time on an old one, the reflex would wait for its cooldown. So
  # what names a remediation has to be one of the old acts, to the letter; and to spell that key otherwise takes an escape.
  - message: the acts of remediations in the annotation remediator.denis.run/ledger may not be added or changed
    reason: Forbidden
    expression: >-
      !variables.deployment || !('remediator.denis.run/ledger' in variables.na) || (
      !variables.na['remediator.denis.run/ledger'].contains('\\u')
      && variables.na['remediator.denis.run/ledger'].split('{"id":').all(x, x.split('}').all(act,
      !act.contains('"remediation"') || act in variables.oldActs)))
  - message: the canary may not be raised while the kill switch is on
    reason: Forbidden
    expression: "!variables.deployment || !('remediator.denis.run/kill-switch' in variables.oa)"
  {{- end }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- $labels }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end }}
