{{/* The rule files with the values in them. What has to be changed is looked for, and its absence is an error: a rule
that silently kept another threshold would be worse than none. */}}
{{- define "remediator.denisRules" -}}
{{- $file := "files/denis.rules.yaml does not fit this chart" -}}
{{- $rules := .Files.Get "files/denis.rules.yaml" | fromYaml -}}
{{- $shipped := "job=\"denis\", namespace=~\"denis|\"" -}}
{{- $selector := .Values.rules.selector | default (printf "job=\"denis\", namespace=~\"%s|\"" .Values.targets.denis.namespace) -}}
{{- $shippedCanary := "denis/denis" -}}
{{- $canary := printf "%s/%s" .Values.targets.denis.namespace .Values.targets.denis.deployment -}}
{{- $found := list -}}
{{- $groups := list -}}
{{- if dig "DenisQueueDepthStuck" "enabled" false .Values.rules.alerts -}}
  {{- $_ := set $rules "groups" (concat $rules.groups (.Files.Get "files/denis-queue-stuck.rules.yaml" | fromYaml).groups) -}}
{{- else -}}
  {{- $found = append $found "DenisQueueDepthStuck" -}}
{{- end -}}
{{- range $group := $rules.groups -}}
  {{- if has $group.name (list "denis" "denis-queue-stuck") }}{{ $_ := set $group "interval" $.Values.rules.interval }}{{ end -}}
  {{- $kept := list -}}
  {{- range $rule := $group.rules -}}
    {{- if eq (get $rule "record") "denis:hundred_percent" -}}
      {{- if ne $rule.expr "vector(1)" }}{{ fail (printf "%s: the unit is %s" $file $rule.expr) }}{{ end -}}
      {{- $found = append $found "unit" -}}
      {{- if eq $.Values.rules.unit "percent" }}{{ $_ := set $rule "expr" "vector(100)" }}{{ end -}}
    {{- else if eq (get $rule "record") "denis:signal" -}}
      {{- if ne (len (splitList (printf "{%s}" $shipped) $rule.expr)) (len (splitList "{" $rule.expr)) }}{{ fail (printf "%s: no selector in %s" $file $rule.expr) }}{{ end -}}
      {{- $found = append $found "selector" -}}
    {{- end -}}
    {{- $_ := set $rule "expr" (replace $shipped $selector $rule.expr) -}}
    {{- if has (get $rule "record") (list "denis:hundred_percent" "denis:signal") -}}
      {{- if ne (get ($rule.labels | default dict) "canary") $shippedCanary }}{{ fail (printf "%s: no canary among the labels of %s" $file $rule.record) }}{{ end -}}
      {{- $_ := set $rule.labels "canary" $canary -}}
    {{- else -}}
      {{- $series := regexFindAll "denis:(signal|hundred_percent|unit_contradicted)\\b" $rule.expr -1 | len -}}
      {{- $own := printf "{canary=%q" $shippedCanary -}}
      {{- $ours := regexFindAll (printf "denis:(signal|hundred_percent|unit_contradicted)%s" (regexQuoteMeta $own)) $rule.expr -1 | len -}}
      {{- if or (eq $ours 0) (ne $ours $series) }}{{ fail (printf "%s: no canary in %s" $file (get $rule "record" | default (get $rule "alert"))) }}{{ end -}}
      {{- $_ := set $rule "expr" (replace $own (printf "{canary=%q" $canary) $rule.expr) -}}
    {{- end -}}
    {{- if eq (get $rule "alert") "RemediatorHeartbeat" -}}
      {{- if ne (get $rule.labels "namespace") "denis" }}{{ fail (printf "%s: no namespace in RemediatorHeartbeat" $file) }}{{ end -}}
      {{- $_ := set $rule.labels "namespace" $.Values.targets.denis.namespace -}}
    {{- end -}}
    {{- if hasKey $.Values.rules.alerts (get $rule "alert") -}}
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
    {{- if ne (dig (get $rule "alert") "enabled" true $.Values.rules.alerts) false }}{{ $kept = append $kept $rule }}{{ end -}}
  {{- end -}}
  {{- $_ := set $group "rules" $kept -}}
  {{- if $kept }}{{ $groups = append $groups $group }}{{ end -}}
{{- end -}}
{{- range (concat (list "unit" "selector") (keys .Values.rules.alerts)) -}}
  {{- if not (has . $found) }}{{ fail (printf "%s: no %s" $file .) }}{{ end -}}
{{- end -}}
{{- toYaml (dict "groups" $groups) -}}
{{- end -}}

{{- define "remediator.ownRules" -}}
{{- $rules := .Files.Get "files/remediator.rules.yaml" | fromYaml -}}
{{- $shipped := "{namespace=~\"denis|\"}" -}}
{{- $found := false -}}
{{- range $group := $rules.groups -}}
  {{- $_ := set $group "interval" $.Values.rules.interval -}}
  {{- range $rule := $group.rules -}}
    {{- if contains $shipped $rule.expr -}}
      {{- $found = true -}}
      {{- $_ := set $rule "expr" (replace $shipped (printf "{namespace=~\"%s|\"}" $.Release.Namespace) $rule.expr) -}}
    {{- end -}}
    {{- include "remediator.labelAlert" (list $ $rule) -}}
  {{- end -}}
{{- end -}}
{{- if not $found }}{{ fail "files/remediator.rules.yaml does not fit this chart: no namespace in RemediatorDown" }}{{ end -}}
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
