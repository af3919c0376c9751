{{/* The rule files with the values in them. What has to be changed is looked for, and its absence is an error: a rule
that silently kept another threshold would be worse than none. */}}
{{- define "remediator.denisRules" -}}
{{- $file := "files/denis.rules.yaml does not fit this chart" -}}
{{- $rules := .Files.Get "files/denis.rules.yaml" | fromYaml -}}
{{- $shipped := "job=\"denis\", namespace=~\"denis|\"" -}}
{{- $selector := .Values.rules.selector | default (printf "job=\"denis\", namespace=~\"%s|\"" .Values.targets.denis.namespace) -}}
{{- $found := list -}}
{{- range $group := $rules.groups -}}
  {{- $_ := set $group "interval" $.Values.rules.interval -}}
  {{- range $rule := $group.rules -}}
    {{- if eq (get $rule "record") "denis:hundred_percent" -}}
      {{- if ne $rule.expr "vector(1)" }}{{ fail (printf "%s: the unit is %s" $file $rule.expr) }}{{ end -}}
      {{- $found = append $found "unit" -}}
      {{- if eq $.Values.rules.unit "percent" }}{{ $_ := set $rule "expr" "vector(100)" }}{{ end -}}
    {{- else if eq (get $rule "record") "denis:signal" -}}
      {{- if not (contains $shipped $rule.expr) }}{{ fail (printf "%s: no selector in %s" $file $rule.expr) }}{{ end -}}
      {{- $found = append $found "selector" -}}
      {{- $_ := set $rule "expr" (replace $shipped $selector $rule.expr) -}}
    {{- else if hasKey $.Values.rules.alerts (get $rule "alert") -}}
      {{- $tuned := get $.Values.rules.alerts $rule.alert -}}
      {{- $threshold := regexFind "[<>] [0-9.]+$" $rule.expr -}}
      {{- if not (and $threshold $rule.for) }}{{ fail (printf "%s: no threshold or no `for` in %s" $file $rule.alert) }}{{ end -}}
      {{- $found = append $found $rule.alert -}}
      {{- if ne (substr 2 -1 $threshold | float64) (float64 $tuned.threshold) -}}
        {{- $_ := set $rule "expr" (printf "%s %s %v" (trimSuffix $threshold $rule.expr | trim) (trunc 1 $threshold) $tuned.threshold) -}}
      {{- end -}}
      {{- $_ := set $rule "for" $tuned.for -}}
    {{- end -}}
    {{- include "remediator.labelAlert" (list $ $rule) -}}
  {{- end -}}
{{- end -}}
{{- range (concat (list "unit" "selector") (keys .Values.rules.alerts)) -}}
  {{- if not (has . $found) }}{{ fail (printf "%s: no %s" $file .) }}{{ end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{- define "remediator.ownRules" -}}
{{- $rules := .Files.Get "files/remediator.rules.yaml" | fromYaml -}}
{{- range $group := $rules.groups -}}
  {{- $_ := set $group "interval" $.Values.rules.interval -}}
  {{- range $group.rules }}{{ include "remediator.labelAlert" (list $ .) }}{{ end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{/* Adds the labels of rules.alertLabels to a rule that alerts; its own win: (list context rule). */}}
{{- define "remediator.labelAlert" -}}
{{- $context := index . 0 -}}
{{- $rule := index . 1 -}}
{{- if and (hasKey $rule "alert") $context.Values.rules.alertLabels -}}
  {{- $_ := set $rule "labels" (merge (dict) $rule.labels $context.Values.rules.alertLabels) -}}
{{- end -}}
{{- end -}}
