{{/* remediations.yaml with the chart's values: the file is parsed, values replace its keys, and rendering fails if file and
values do not fit together. Remediations that only the values have come after those of the file, by name; one that the
values set to null is left out. */}}
{{- define "remediator.policy" -}}
{{- $values := .Values -}}
{{- $policy := .Files.Get "files/remediations.yaml" | fromYaml -}}
{{- $file := "files/remediations.yaml does not fit this chart" -}}
{{- if ne (keys $policy | sortAlpha | join " ") "phases profiles remediations targets" }}{{ fail (printf "%s: its keys" $file) }}{{ end -}}
{{- if ne (keys $policy.targets | sortAlpha | join " ") "denis denis-workers" }}{{ fail (printf "%s: its targets" $file) }}{{ end -}}
{{- $names := list -}}
{{- range $policy.remediations }}{{ $names = append $names .name }}{{ end -}}
{{- if ne ($names | sortAlpha | join " ") "rollback scale-workers" }}{{ fail (printf "%s: its remediations" $file) }}{{ end -}}
{{- $deployments := dict -}}
{{- range $name, $target := $values.targets -}}
  {{- $deployment := printf "%s/%s" $target.namespace $target.deployment -}}
  {{- with get $deployments $deployment }}{{ fail (printf "targets.%s: is the Deployment %s of targets.%s already; they would share a cooldown" $name $deployment .) }}{{ end -}}
  {{- $_ := set $deployments $deployment $name -}}
{{- end -}}
{{- $remediations := list -}}
{{- range $policy.remediations }}{{ if hasKey $values.remediations .name }}{{ $remediations = append $remediations . }}{{ end }}{{ end -}}
{{- range $remediation := $remediations -}}
  {{- range $key, $value := get $values.remediations $remediation.name -}}
    {{- if not (hasKey $remediation $key) }}{{ fail (printf "%s: %s has no %s" $file $remediation.name $key) }}{{ end -}}
    {{- $_ := set $remediation $key $value -}}
  {{- end -}}
{{- end -}}
{{- range $name, $value := $values.remediations -}}
  {{- if not (has $name $names) }}{{ $remediations = append $remediations (merge (dict "name" $name) (deepCopy $value) (dict "mode" "act")) }}{{ end -}}
{{- end -}}
{{- range $remediation := $remediations -}}
  {{- if not (hasKey $values.targets .target) }}{{ fail (printf "remediations.%s.target: %q is not one of targets (%s)" .name .target (keys $values.targets | sortAlpha | join ", ")) }}{{ end -}}
  {{- $target := get $values.targets .target -}}
  {{- if eq (hasKey . "scale") (hasKey . "set_percentage") }}{{ fail (printf "remediations.%s: needs exactly one of set_percentage and scale" .name) }}{{ end -}}
  {{- if and (hasKey . "set_percentage") (not (get $target "container")) }}{{ fail (printf "remediations.%s.set_percentage: needs targets.%s.container, the container with the canary's flags" .name .target) }}{{ end -}}
  {{- with .scale }}{{ $_ := set $remediation "scale" (merge . (dict "min" 1)) }}{{ end -}}
  {{- /* The alerts of the file's remediations come from the canary's own gauges. */ -}}
  {{- $namespace := ternary $values.targets.denis.namespace $target.namespace (has .name $names) -}}
  {{- $_ := set $remediation "matchers" (include "remediator.matchers" (list $remediation $namespace) | fromYamlArray) -}}
{{- end -}}
{{- range $index, $remediation := $remediations -}}
  {{- with $remediation.scale -}}
    {{- if lt (int .max) (int .min) }}{{ fail (printf "remediations.%s.scale: max %v is below min %v" $remediation.name .max .min) }}{{ end -}}
  {{- end -}}
  {{- if lt (include "remediator.milliseconds" .budget.window | int64) (include "remediator.milliseconds" .cooldown | int64) -}}
    {{- fail (printf "remediations.%s.budget.window: %s is shorter than the cooldown %s, so a second act would never be counted" .name .budget.window .cooldown) -}}
  {{- end -}}
  {{- range $before := slice $remediations 0 $index -}}
    {{- $narrower := false -}}
    {{- range $before.matchers }}{{ if not (has . $remediation.matchers) }}{{ $narrower = true }}{{ end }}{{ end -}}
    {{- if not $narrower }}{{ fail (printf "remediations.%s.matchers: remediations.%s comes first and answers all these alerts; narrow its matchers" $remediation.name $before.name) }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- $before := 0 -}}
{{- range $index, $phase := .Values.phases -}}
  {{- if not (hasKey $policy.profiles (toString $phase.percentage)) }}{{ fail (printf "%s: no profile %v for phases[%d]" $file $phase.percentage $index) }}{{ end -}}
  {{- if le (int $phase.percentage) (int $before) }}{{ fail (printf "phases[%d].percentage: %v is not above %v; write the steps by rising percentage, each once" $index $phase.percentage $before) }}{{ end -}}
  {{- $before = $phase.percentage -}}
{{- end -}}
targets:
{{ toYaml $values.targets | indent 2 }}
profiles:
{{- range $percentage, $flags := $policy.profiles }}
  {{ $percentage }}: {{ toJson $flags }}
{{- end }}
remediations:
{{ toYaml $remediations }}
phases: {{- if .Values.phases }}{{ toYaml .Values.phases | nindent 0 }}{{ else }} []{{ end }}
{{- end -}}

{{/* The matchers of a remediation as a list: (list remediation namespace). An alert about another namespace, another
release's for instance, is none of its business, so the namespace is asked for where no matcher does that already. */}}
{{- define "remediator.matchers" -}}
{{- $remediation := index . 0 -}}
{{- $matchers := $remediation.matchers -}}
{{- $asks := false -}}
{{- $needs := false -}}
{{- range $matchers -}}
  {{- $matcher := include "remediator.matcher" . | fromYaml -}}
  {{- if eq $matcher.name "namespace" }}{{ $asks = true }}{{ end -}}
  {{- if and (hasSuffix "~" $matcher.operator) (not (regexMatch (printf "(?:%s)|^" $matcher.value) "")) }}{{ fail (printf "remediations.%s.matchers: %s is not a regular expression that can be read" $remediation.name .) }}{{ end -}}
  {{- if not (include "remediator.matches" (list . "")) }}{{ $needs = true }}{{ end -}}
{{- end -}}
{{- if not $needs }}{{ fail (printf "remediations.%s.matchers: match alerts without any label too; add one like remediation=\"%s\"" $remediation.name $remediation.name) }}{{ end -}}
{{- if not $asks }}{{ $matchers = append $matchers (printf "namespace=~\"%s|\"" (index . 1)) }}{{ end -}}
{{- toYaml $matchers -}}
{{- end -}}

{{/* A matcher's name, operator and value; the schema has seen that it is one. */}}
{{- define "remediator.matcher" -}}
{{- $name := regexFind "^[a-zA-Z0-9_]+" . -}}
{{- $operator := regexFind "^(=~|!~|!=|=)" (trimPrefix $name .) -}}
name: {{ $name | quote }}
operator: {{ $operator | quote }}
value: {{ trimPrefix (printf "%s%s" $name $operator) . }}
{{- end -}}

{{/* Whether a matcher matches a label's value, empty meaning no: (list matcher value). */}}
{{- define "remediator.matches" -}}
{{- $matcher := include "remediator.matcher" (index . 0) | fromYaml -}}
{{- $value := index . 1 -}}
{{- $found := eq $matcher.value $value -}}
{{- if hasSuffix "~" $matcher.operator }}{{ $found = mustRegexMatch (printf "^(?:%s)$" $matcher.value) $value }}{{ end -}}
{{- if ne $found (hasPrefix "!" $matcher.operator) }}true{{ end -}}
{{- end -}}

{{/* The namespaces whose alerts some remediation answers, as a regular expression for routes; nothing where that cannot
be said in one. */}}
{{- define "remediator.alertNamespaces" -}}
{{- $namespaces := list -}}
{{- $said := true -}}
{{- range (include "remediator.policy" . | fromYaml).remediations -}}
  {{- $asked := 0 -}}
  {{- range .matchers -}}
    {{- $matcher := include "remediator.matcher" . | fromYaml -}}
    {{- if eq $matcher.name "namespace" -}}
      {{- $asked = add1 $asked -}}
      {{- if hasPrefix "!" $matcher.operator }}{{ $said = false -}}
      {{- else if regexMatch "^[-a-z0-9|]*$" $matcher.value }}{{ $namespaces = concat $namespaces (splitList "|" $matcher.value) -}}
      {{- else }}{{ $namespaces = append $namespaces (printf "(?:%s)" $matcher.value) }}{{ end -}}
    {{- end -}}
  {{- end -}}
  {{- if ne (int $asked) 1 }}{{ $said = false }}{{ end -}}
{{- end -}}
{{- if $said -}}
{{- $named := without $namespaces "" | uniq | sortAlpha | join "|" -}}
{{- if has "" $namespaces }}{{ printf "%s|" $named }}{{ else }}{{ $named }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* What the service account may do, from the remediations that act: for each, its Deployment, and the profile of flags
that it may write or the bounds that it may scale in. */}}
{{- define "remediator.acts" -}}
{{- $policy := include "remediator.policy" . | fromYaml -}}
{{- $acts := list -}}
{{- range $policy.remediations -}}
  {{- if eq .mode "act" -}}
    {{- $act := deepCopy (get $policy.targets .target) -}}
    {{- if hasKey . "scale" }}{{ $_ := set $act "scale" .scale }}{{ else }}{{ $_ := set $act "profile" (get $policy.profiles (toString .set_percentage)) }}{{ end -}}
    {{- $acts = append $acts $act -}}
  {{- end -}}
{{- end -}}
acts: {{ toJson $acts }}
{{- end -}}

{{/* What the promoter may do: from the flags of each phase to those of the next profile. */}}
{{- define "remediator.steps" -}}
{{- $policy := include "remediator.policy" . | fromYaml -}}
{{- $steps := list -}}
{{- range $phase := $policy.phases -}}
  {{- $next := 101 -}}
  {{- range $percentage, $_ := $policy.profiles -}}
    {{- if gt (int $percentage) (int $phase.percentage) }}{{ $next = min $next (int $percentage) }}{{ end -}}
  {{- end -}}
  {{- with get $policy.profiles (toString $next) -}}
    {{- $steps = append $steps (dict "from" (get $policy.profiles (toString $phase.percentage)) "to" .) -}}
  {{- end -}}
{{- end -}}
steps: {{ toJson $steps }}
{{- end -}}
