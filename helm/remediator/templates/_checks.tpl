{{/* What the schema cannot see. Everything is tried before the first object is made, so that nothing is half installed. */}}
{{- define "remediator.checks" -}}
{{- $values := .Values -}}
{{- if and $values.cluster.required (not $values.cluster.name) -}}
  {{- fail "cluster.name: is empty, but cluster.required is true. Set it to the label `cluster` of this cluster's alerts (Prometheus: external_labels)" -}}
{{- end -}}
{{- with $values.rules.alertLabels.cluster -}}
  {{- if ne . $values.cluster.name }}{{ fail (printf "rules.alertLabels.cluster: is %q, but cluster.name is %q: the fence would refuse every alert" . $values.cluster.name) }}{{ end -}}
{{- end -}}
{{- if and (eq $values.auth.type "basic") (not $values.auth.existingSecret) -}}
  {{- fail "auth.existingSecret: is needed with auth.type=basic: a Secret with user:password pairs, one a line" -}}
{{- end -}}
{{- if and $values.auth.token $values.auth.existingSecret -}}
  {{- fail "auth.token: is for the Secret that the chart makes; with auth.existingSecret, write it there" -}}
{{- end -}}
{{- if and $values.tls.clientCAKey (not $values.tls.existingSecret) -}}
  {{- fail "tls.clientCAKey: needs tls.existingSecret" -}}
{{- end -}}
{{- if eq (int $values.service.port) (int $values.service.internalPort) -}}
  {{- fail (printf "service.internalPort: %v is the webhook's port too; give each its own" $values.service.internalPort) -}}
{{- end -}}
{{- with $values.serviceMonitor -}}
  {{- if gt (include "remediator.milliseconds" .scrapeTimeout | int64) (include "remediator.milliseconds" .interval | int64) -}}
    {{- fail (printf "serviceMonitor.scrapeTimeout: %s is longer than the interval %s, and the operator would ignore the ServiceMonitor without a word" .scrapeTimeout .interval) -}}
  {{- end -}}
{{- end -}}
{{- range $values.extraVolumes -}}
  {{- if has (get . "name") (list "config" "auth" "tls") }}{{ fail (printf "extraVolumes: the chart has a volume %s of its own; choose another name" .name) }}{{ end -}}
{{- end -}}
{{- range $values.extraVolumeMounts -}}
  {{- if has (get . "mountPath") (list "/etc/remediator/config" "/etc/remediator/auth" "/etc/remediator/tls") }}{{ fail (printf "extraVolumeMounts: the chart mounts something at %s itself; choose another place" .mountPath) }}{{ end -}}
{{- end -}}
{{- $least := add $values.preStopSleepSeconds 25 -}}
{{- if lt (int $values.terminationGracePeriodSeconds) (int $least) -}}
  {{- fail (printf "terminationGracePeriodSeconds: %v is too short; preStopSleepSeconds, 20 for requests in flight and 5 make %v" $values.terminationGracePeriodSeconds $least) -}}
{{- end -}}
{{- if and $values.admissionPolicy.enabled (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
  {{- fail (printf "admissionPolicy.enabled: Kubernetes %s has no ValidatingAdmissionPolicy (1.30 is the first). Without it, the service account may do more than it should: read docs/security.md, then set admissionPolicy.enabled=false" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and $values.alertmanagerConfig.enabled (eq $values.auth.type "basic") -}}
  {{- fail "alertmanagerConfig.enabled: the AlertmanagerConfig sends a token; set auth.type=token, or write the receiver yourself" -}}
{{- end -}}
{{- if and $values.alertmanagerConfig.enabled (eq $values.auth.type "token") $values.alertmanagerConfig.namespace (ne $values.alertmanagerConfig.namespace .Release.Namespace) (not $values.alertmanagerConfig.tokenSecret) -}}
  {{- fail (printf "alertmanagerConfig.tokenSecret: is needed, because an AlertmanagerConfig only reads Secrets of its own namespace %s: copy the token there" $values.alertmanagerConfig.namespace) -}}
{{- end -}}
{{- if and $values.alertmanagerConfig.enabled $values.tls.existingSecret (not $values.alertmanagerConfig.tlsConfig) -}}
  {{- fail "alertmanagerConfig.tlsConfig: is needed with tls.existingSecret, so that Alertmanager knows the CA" -}}
{{- end -}}
{{- with $values.promotion -}}
  {{- if .enabled -}}
    {{- if not .prometheusUrl }}{{ fail "promotion.prometheusUrl: is required with promotion.enabled, because nothing is promoted without evidence: the URL of the Prometheus that evaluates the rules, as in http://prometheus-operated.monitoring.svc:9090" }}{{ end -}}
    {{- if not (include "remediator.steps" $ | fromYaml).steps }}{{ fail "promotion.enabled: phases names no step with one after it, so nothing would ever be promoted" }}{{ end -}}
    {{- if ne (dig "rollback" "mode" "gone" $values.remediations) "act" }}{{ fail "promotion.enabled: remediations.rollback.mode is observe, or the remediation gone, so nothing would take back what is raised without a person; set it to act" }}{{ end -}}
    {{- if eq (include "remediator.serviceAccountName" $) (include "remediator.promoterName" $) }}{{ fail "serviceAccount.name: is the name of the promoter's service account; choose another" }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- /* Matchers of one's own on the namespace say themselves which alerts they want. */ -}}
{{- $asked := regexMatch "\"namespace[=!]" (concat (dig "rollback" "matchers" list $values.remediations) (dig "scale-workers" "matchers" list $values.remediations) | toJson) -}}
{{- with $values.rules.alertLabels.namespace -}}
  {{- if and (not $asked) (ne . $values.targets.denis.namespace) }}{{ fail (printf "rules.alertLabels.namespace: is %q, but targets.denis.namespace is %q: no alert of the rules would be answered" . $values.targets.denis.namespace) }}{{ end -}}
{{- end -}}
{{- range regexFindAll "(^|, ?)namespace(=~|!~|!=|=)\"[^\"]*\"" $values.rules.selector -1 -}}
  {{- $namespace := $values.targets.denis.namespace -}}
  {{- if not (or $asked (include "remediator.matches" (list (regexReplaceAll "^, ?" . "") $namespace))) }}{{ fail (printf "rules.selector: leaves out the namespace %s of targets.denis, so no alert of the rules would be answered: change one of them" $namespace) }}{{ end -}}
{{- end -}}
{{- include "remediator.checkCluster" . -}}
{{- end -}}

{{/* Looks at the cluster, where there is one: `helm template` and dry runs on the client see none. Whether there is one
shows in a list that Helm itself has to read. */}}
{{- define "remediator.checkCluster" -}}
{{- $namespace := .Release.Namespace -}}
{{- if lookup "v1" "Secret" $namespace "" -}}
  {{- if and .Values.auth.existingSecret .Values.auth.checkExistingSecret (ne .Values.auth.type "none") -}}
    {{- $secret := lookup "v1" "Secret" $namespace .Values.auth.existingSecret -}}
    {{- if not $secret }}{{ fail (printf "auth.existingSecret: there is no Secret %s in namespace %s; make it first (or set auth.checkExistingSecret=false)" .Values.auth.existingSecret $namespace) }}{{ end -}}
    {{- range .Values.auth.keys -}}
      {{- if not (hasKey ($secret.data | default dict) .) }}{{ fail (printf "auth.keys: the Secret %s has no key %s" $.Values.auth.existingSecret .) }}{{ end -}}
    {{- end -}}
  {{- end -}}
  {{- if and .Values.tls.existingSecret .Values.tls.checkExistingSecret (not (lookup "v1" "Secret" $namespace .Values.tls.existingSecret)) -}}
    {{- fail (printf "tls.existingSecret: there is no Secret %s in namespace %s; make it first (or set tls.checkExistingSecret=false)" .Values.tls.existingSecret $namespace) -}}
  {{- end -}}
  {{- range (include "remediator.targetNamespaces" . | fromYaml).namespaces -}}
    {{- if and (ne . $namespace) (not (lookup "v1" "ServiceAccount" . "default")) }}{{ fail (printf "targets: there is no namespace %s" .) }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- end -}}
