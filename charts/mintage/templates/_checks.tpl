{{- /* What values.schema.json cannot say: values that do not go together. */ -}}
{{- define "mintage.checks" -}}
{{- with .Values.webhook }}
{{- if .enabled }}
{{- if and (eq .tls.mode "secret") (not .tls.secretName) }}
{{- fail "webhook.tls.mode is secret, so webhook.tls.secretName must name the Secret with the certificate" }}
{{- end }}
{{- if and .tls.secretName (ne .tls.mode "secret") }}
{{- fail (printf "webhook.tls.secretName is given, but webhook.tls.mode is %s: set it to secret" .tls.mode) }}
{{- end }}
{{- if and (eq .tls.mode "secret") (not .caBundle) (not .url) }}
{{- fail "webhook.tls.mode is secret, so webhook.caBundle must be the CA of the certificate: the API server trusts no other" }}
{{- end }}
{{- if and .caBundle (ne .tls.mode "secret") }}
{{- fail (printf "webhook.caBundle is given, but with webhook.tls.mode %s it is written in the cluster: leave it empty, or set the mode to secret" .tls.mode) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
