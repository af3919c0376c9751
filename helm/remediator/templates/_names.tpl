{{/* Names and labels. Every name fits into 63 characters, and every name that others can see is unique. */}}

{{- define "remediator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "remediator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "remediator.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of what lies outside of the release's namespace: the same release may be in two namespaces. The digest
keeps `a-b` in `c` and `b` in `c-a` apart, and what was cut off. */}}
{{- define "remediator.globalName" -}}
{{- $whole := printf "%s-%s" .Release.Namespace (include "remediator.fullname" .) -}}
{{- $digest := printf "%s/%s" .Release.Namespace (include "remediator.fullname" .) | sha256sum | trunc 8 -}}
{{- printf "%s-%s" ($whole | trunc 54 | trimAll "-") $digest -}}
{{- end -}}

{{/* The name of an object in a target's namespace: (list context namespace). */}}
{{- define "remediator.nameIn" -}}
{{- $context := index . 0 -}}
{{- include (ternary "remediator.fullname" "remediator.globalName" (eq (index . 1) $context.Release.Namespace)) $context -}}
{{- end -}}

{{- define "remediator.operatorName" -}}
{{- printf "%s-operator" (include "remediator.fullname" . | trunc 54 | trimSuffix "-") -}}
{{- end -}}

{{/* A CronJob's name has 52 characters at most. */}}
{{- define "remediator.promoterName" -}}
{{- printf "%s-promoter" (include "remediator.fullname" . | trunc 43 | trimSuffix "-") -}}
{{- end -}}

{{- define "remediator.doctorName" -}}
{{- printf "%s-doctor" (include "remediator.fullname" . | trunc 43 | trimSuffix "-") -}}
{{- end -}}

{{- define "remediator.doctorLabels" -}}
app.kubernetes.io/name: {{ include "remediator.name" . | trunc 54 | trimSuffix "-" }}-doctor
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The name of the promoter's rights in a namespace: (list context namespace). */}}
{{- define "remediator.promoterNameIn" -}}
{{- $context := index . 0 -}}
{{- if eq (index . 1) $context.Release.Namespace }}{{ include "remediator.promoterName" $context }}{{ else }}{{ include "remediator.globalName" $context }}-promoter{{ end -}}
{{- end -}}

{{- define "remediator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "remediator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- if has .Values.serviceAccount.name (list "" "default") -}}
{{- fail "serviceAccount.name: name a service account that is used by nothing else, or set serviceAccount.create=true" -}}
{{- end -}}
{{- .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "remediator.authSecretName" -}}
{{- default (include "remediator.fullname" .) .Values.auth.existingSecret -}}
{{- end -}}

{{- define "remediator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "remediator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "remediator.promoterLabels" -}}
app.kubernetes.io/name: {{ include "remediator.name" . | trunc 54 | trimSuffix "-" }}-promoter
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "remediator.labels" -}}
{{- $own := dict "helm.sh/chart" (printf "%s-%s" .Chart.Name (replace "+" "_" .Chart.Version) | trunc 63)
  "app.kubernetes.io/name" (include "remediator.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{- define "remediator.image" -}}
{{- $image := .Values.image -}}
{{- $name := $image.repository -}}
{{- with .Values.global.imageRegistry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if $image.digest }}{{ printf "%s@%s" $name $image.digest -}}
{{- else }}{{ printf "%s:%s" $name (default .Chart.AppVersion $image.tag) }}{{ end -}}
{{- end -}}

{{/* The namespaces with targets, each once, as a YAML list below `namespaces`. */}}
{{- define "remediator.targetNamespaces" -}}
{{- $namespaces := list -}}
{{- range .Values.targets }}{{ $namespaces = append $namespaces .namespace }}{{ end -}}
namespaces: {{ $namespaces | uniq | sortAlpha | toJson }}
{{- end -}}

{{/* A duration as Prometheus writes it, in milliseconds. */}}
{{- define "remediator.milliseconds" -}}
{{- $sizes := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|[ywdhms])" . -1 -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | int64) (get $sizes (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}
