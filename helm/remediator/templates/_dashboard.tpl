{{/* The dashboard with the thresholds of the values in it. The graph of an alert is known by its first link, which is to
the alert's runbook; an alert without a graph is an error, for a line in the wrong place would be worse than none. */}}
{{- define "remediator.dashboard" -}}
{{- $file := "files/dashboards/remediator.json does not fit this chart" -}}
{{- $dashboard := .Files.Get "files/dashboards/remediator.json" | fromJson -}}
{{- $found := list -}}
{{- range $panel := $dashboard.panels -}}
  {{- $thresholds := dig "fieldConfig" "defaults" "thresholds" dict $panel -}}
  {{- if and (eq $panel.type "timeseries") $thresholds -}}
    {{- $alert := (first $panel.links).url | base | trimSuffix ".md" -}}
    {{- if not (hasKey $.Values.rules.alerts $alert) }}{{ fail (printf "%s: %s has thresholds, and no alert %s" $file $panel.title $alert) }}{{ end -}}
    {{- if ne (len $thresholds.steps) 2 }}{{ fail (printf "%s: %s has other than one threshold" $file $panel.title) }}{{ end -}}
    {{- $_ := set (last $thresholds.steps) "value" (get $.Values.rules.alerts $alert).threshold -}}
    {{- $found = append $found $alert -}}
  {{- end -}}
{{- end -}}
{{- range keys .Values.rules.alerts -}}
  {{- /* An alert that can be switched off shares the graph of the one that cannot. */}}
  {{- if not (or (has . $found) (hasKey (get $.Values.rules.alerts .) "enabled")) }}{{ fail (printf "%s: no graph of %s" $file .) }}{{ end -}}
{{- end -}}
{{- toPrettyJson $dashboard -}}
{{- end -}}

{{/* The name of the ConfigMap: (list context namespace). */}}
{{- define "remediator.dashboardName" -}}
{{- $context := index . 0 -}}
{{- if eq (index . 1) $context.Release.Namespace -}}
{{- printf "%s-dashboard" (include "remediator.fullname" $context | trunc 53 | trimSuffix "-") -}}
{{- else -}}
{{- include "remediator.globalName" $context -}}
{{- end -}}
{{- end -}}
