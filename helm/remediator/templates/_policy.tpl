{{/* remediations.yaml with the values in it: parsed, changed where a value stands for a key, and told apart loudly
where the file and the values no longer fit together. */}}
{{- define "remediator.policy" -}}
{{- $policy := .Files.Get "files/remediations.yaml" | fromYaml -}}
{{- $file := "files/remediations.yaml does not fit this chart" -}}
{{- if ne (keys $policy | sortAlpha | join " ") "phases profiles remediations targets" }}{{ fail (printf "%s: its keys" $file) }}{{ end -}}
{{- if ne (keys $policy.targets | sortAlpha | toJson) (keys .Values.targets | sortAlpha | toJson) }}{{ fail (printf "%s: its targets" $file) }}{{ end -}}
{{- $_ := set $policy "targets" .Values.targets -}}
{{- $names := list -}}
{{- range $remediation := $policy.remediations -}}
  {{- $names = append $names $remediation.name -}}
  {{- range $key, $value := get $.Values.remediations $remediation.name | default dict -}}
    {{- if not (hasKey $remediation $key) }}{{ fail (printf "%s: %s has no %s" $file $remediation.name $key) }}{{ end -}}
    {{- $_ := set $remediation $key $value -}}
  {{- end -}}
  {{- with $remediation.scale -}}
    {{- if lt (int .max) (int .min) }}{{ fail (printf "remediations.%s.scale: max %v is below min %v" $remediation.name .max .min) }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- if ne ($names | sortAlpha | toJson) (keys .Values.remediations | sortAlpha | toJson) }}{{ fail (printf "%s: its remediations" $file) }}{{ end -}}
{{- $before := 0 -}}
{{- range $index, $phase := .Values.phases -}}
  {{- if not (hasKey $policy.profiles (toString $phase.percentage)) }}{{ fail (printf "%s: no profile %v for phases[%d]" $file $phase.percentage $index) }}{{ end -}}
  {{- if le (int $phase.percentage) (int $before) }}{{ fail (printf "phases[%d].percentage: %v is not above %v; write the steps by rising percentage, each once" $index $phase.percentage $before) }}{{ end -}}
  {{- $before = $phase.percentage -}}
{{- end -}}
targets:
{{ toYaml $policy.targets | indent 2 }}
profiles:
{{- range $percentage, $flags := $policy.profiles }}
  {{ $percentage }}: {{ toJson $flags }}
{{- end }}
remediations:
{{ toYaml $policy.remediations }}
phases: {{- if .Values.phases }}{{ toYaml .Values.phases | nindent 0 }}{{ else }} []{{ end }}
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
