{{/* The groups of denis.rules.yaml. An alert whose act nobody does any more asks for none, and promises none: it would only
be refused (RemediatorAlertsUnmatched). It still goes to people. */}}
{{- define "remediator.canaryRules" -}}
{{- $rules := include "remediator.denisRules" . | fromYaml -}}
{{- range $group := $rules.groups -}}
  {{- range $rule := $group.rules -}}
    {{- if and (hasKey $rule "alert") (ne $rule.alert "RemediatorHeartbeat") (hasKey ($rule.labels | default dict) "remediation") (not (include "remediator.leadsTo" (list $ $rule))) -}}
      {{- $_ := unset $rule.labels "remediation" -}}
      {{- $_ := set $rule.annotations "description" (regexReplaceAll " *Remediator [^.]*[.]" $rule.annotations.description "") -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{/* The names of the remediations that an alert's rule can lead to, empty if there is none: (list context rule). What a label
will be is known where the rule sets it; others may come with the series. */}}
{{- define "remediator.leadsTo" -}}
{{- $rule := index . 1 -}}
{{- $labels := merge (dict "alertname" $rule.alert) ($rule.labels | default dict) (dict "remediation" "") -}}
{{- range $remediation := (include "remediator.policy" (index . 0) | fromYaml).remediations -}}
  {{- $leads := ne (get $labels "remediation") "heartbeat" -}}
  {{- range .matchers -}}
    {{- $name := (include "remediator.matcher" . | fromYaml).name -}}
    {{- if and (hasKey $labels $name) (not (contains "{{" (get $labels $name))) (not (include "remediator.matches" (list . (get $labels $name)))) }}{{ $leads = false }}{{ end -}}
  {{- end -}}
  {{- if $leads }} {{ .name }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The groups of rules.extraGroups, with the interval and the labels that the chart's own groups have. */}}
{{- define "remediator.extraRules" -}}
{{- $names := list -}}
{{- range concat (include "remediator.denisRules" . | fromYaml).groups (include "remediator.ownRules" . | fromYaml).groups }}{{ $names = append $names .name }}{{ end -}}
{{- range $index, $group := .Values.rules.extraGroups -}}
  {{- if has $group.name $names }}{{ fail (printf "rules.extraGroups[%d].name: %s is the name of another group; each needs its own" $index $group.name) }}{{ end -}}
  {{- $names = append $names $group.name -}}
{{- end -}}
{{- $groups := list -}}
{{- range deepCopy .Values.rules.extraGroups -}}
  {{- $group := merge . (dict "interval" $.Values.rules.interval) -}}
  {{- range $rule := $group.rules -}}
    {{- if hasKey $rule "alert" -}}
      {{- if not (hasKey $rule "labels") }}{{ $_ := set $rule "labels" dict }}{{ end -}}
      {{- include "remediator.labelAlert" (list $ $rule) -}}
    {{- end -}}
  {{- end -}}
  {{- $groups = append $groups $group -}}
{{- end -}}
{{- toYaml (dict "groups" $groups) -}}
{{- end -}}

{{/* The remediations that no alert of the chart's rules can lead to, below `names`. */}}
{{- define "remediator.unreached" -}}
{{- $reached := list -}}
{{- range concat (include "remediator.canaryRules" . | fromYaml).groups (include "remediator.extraRules" . | fromYaml).groups -}}
  {{- range .rules }}{{ if hasKey . "alert" }}{{ $reached = concat $reached (include "remediator.leadsTo" (list $ .) | trim | splitList " ") }}{{ end }}{{ end -}}
{{- end -}}
{{- $unreached := list -}}
{{- range (include "remediator.policy" . | fromYaml).remediations }}{{ if not (has .name $reached) }}{{ $unreached = append $unreached .name }}{{ end }}{{ end -}}
names: {{ toJson $unreached }}
{{- end -}}
