{{/* The way from Alertmanager to this release, from files/alertmanager.yaml: which alerts go it, and where it ends. */}}
{{- define "remediator.webhookUrl" -}}
{{ ternary "https" "http" (ne .Values.tls.existingSecret "") }}://{{ include "remediator.fullname" . }}.{{ .Release.Namespace }}.svc:{{ .Values.service.port }}/webhook
{{- end -}}

{{/* The route of the acts below `route`, for alerts of the namespaces that a remediation asks for, and that of the heartbeat
below `heartbeat`, so that another release in the same cluster gets its own. */}}
{{- define "remediator.route" -}}
{{- $routes := list -}}
{{- range (.Files.Get "files/alertmanager.yaml" | fromYaml).route.routes -}}
  {{- if eq .receiver "remediator" }}{{ $routes = append $routes . }}{{ end -}}
{{- end -}}
{{- $asked := list "remediation=\"heartbeat\"" "remediation=~\".+\"" -}}
{{- if ne (len $routes) 2 }}{{ fail "files/alertmanager.yaml does not fit this chart: the matchers of its route" }}{{ end -}}
{{- range $index, $one := $routes -}}
  {{- if ne (toJson $one.matchers) (toJson (list (index $asked $index) "namespace=~\"denis|\"")) }}{{ fail "files/alertmanager.yaml does not fit this chart: the matchers of its route" }}{{ end -}}
{{- end -}}
{{- $_ := set (first $routes) "matchers" (list (first $asked) (printf "namespace=~\"%s|\"" .Values.targets.denis.namespace)) -}}
{{- $route := last $routes -}}
{{- $own := list (last $asked) -}}
{{- with include "remediator.alertNamespaces" . }}{{ $own = append $own (printf "namespace=~\"%s\"" .) }}{{ end -}}
{{- $_ := set $route "matchers" $own -}}
{{- $_ := set $route "group_wait" .Values.alertmanagerConfig.groupWait -}}
{{- $_ := set $route "group_interval" .Values.alertmanagerConfig.groupInterval -}}
{{- $_ := set $route "repeat_interval" .Values.alertmanagerConfig.repeatInterval -}}
route:
  {{- toYaml $route | nindent 2 }}
heartbeat:
  {{- toYaml (first $routes) | nindent 2 }}
{{- end -}}

{{/* The whole of alertmanager.yaml for an Alertmanager without the operator. The receiver has a name of its own, because
one Alertmanager may have the routes of several releases. */}}
{{- define "remediator.alertmanager" -}}
{{- $name := include "remediator.globalName" . -}}
{{- $alertmanager := .Files.Get "files/alertmanager.yaml" | fromYaml -}}
{{- $routes := list -}}
{{- $ours := include "remediator.route" . | fromYaml -}}
{{- range $alertmanager.route.routes -}}
  {{- $own := ternary $ours.heartbeat $ours.route (eq (first (default (list "") .matchers)) "remediation=\"heartbeat\"") -}}
  {{- $routes = append $routes (ternary (merge (dict "receiver" $name) $own) . (eq .receiver "remediator")) -}}
{{- end -}}
{{- $_ := set $alertmanager.route "routes" $routes -}}
{{- range $receiver := $alertmanager.receivers -}}
  {{- if eq $receiver.name "remediator" -}}
    {{- $_ := set $receiver "name" $name -}}
    {{- $webhook := first $receiver.webhook_configs -}}
    {{- $_ := set $webhook "url" (include "remediator.webhookUrl" $) -}}
    {{- if eq $.Values.auth.type "token" -}}
      {{- $_ := set $webhook.http_config.authorization "credentials_file" (printf "/etc/alertmanager/secrets/%s/%s" (include "remediator.authSecretName" $) (first $.Values.auth.keys)) -}}
    {{- else }}{{ $_ := unset $webhook.http_config "authorization" }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $alertmanager -}}
{{- end -}}
