{{- /* Names */ -}}
{{- define "mintage.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* At most 40 characters, so that what is put behind it stays a name. */ -}}
{{- define "mintage.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if not (contains $name .Release.Name) }}
{{- $name = printf "%s-%s" .Release.Name $name }}
{{- else }}
{{- $name = .Release.Name }}
{{- end }}
{{- $name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "mintage.serviceAccountName" -}}
{{- default (include "mintage.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "mintage.reviewerName" -}}
{{- include "mintage.fullname" . }}-endpoints
{{- end }}

{{- define "mintage.uninstallName" -}}
{{- include "mintage.fullname" . }}-uninstall
{{- end }}

{{- define "mintage.webhookService" -}}
{{- include "mintage.fullname" . }}-webhook
{{- end }}

{{- /* The name that the API server knows a ServiceAccount by; the argument is (list context name). */ -}}
{{- define "mintage.user" -}}
system:serviceaccount:{{ (index . 0).Release.Namespace }}:{{ index . 1 }}
{{- end }}

{{- /* Labels */ -}}
{{- define "mintage.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mintage.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "mintage.sharedLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mintage
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "mintage.labels" -}}
{{ include "mintage.selectorLabels" . }}
{{ include "mintage.sharedLabels" . }}
{{- end }}

{{- /* For what Services and NetworkPolicies of the operator must not pick. */ -}}
{{- define "mintage.uninstallLabels" -}}
app.kubernetes.io/name: {{ include "mintage.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: uninstall
{{ include "mintage.sharedLabels" . }}
{{- end }}

{{- define "mintage.testLabels" -}}
app.kubernetes.io/name: {{ include "mintage.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{ include "mintage.sharedLabels" . }}
{{- end }}

{{- /* Annotations of the hook that runs before the release is deleted; the argument is its weight. */ -}}
{{- define "mintage.uninstallHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- /* An image; the argument is (list context image). */ -}}
{{- define "mintage.image" -}}
{{- $image := index . 1 }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default (index . 0).Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- /* What the restricted Pod Security Standard asks of pods, and more. */ -}}
{{- define "mintage.podSecurityContext" -}}
runAsNonRoot: true
{{- if not (kindIs "invalid" .Values.runAsUser) }}
runAsUser: {{ .Values.runAsUser | int64 }}
runAsGroup: {{ .Values.runAsUser | int64 }}
fsGroup: {{ .Values.runAsUser | int64 }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "mintage.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* The webhook's certificate */ -}}

{{- /* "true" if the operator makes the certificate and writes the caBundle, else empty. */ -}}
{{- define "mintage.webhookOperatorTls" -}}
{{- if and .Values.webhook.enabled (eq .Values.webhook.tls.mode "operator") }}true{{ end }}
{{- end }}

{{- /* The Secret with a certificate that somebody else makes, else empty. */ -}}
{{- define "mintage.webhookGivenSecret" -}}
{{- if .Values.webhook.enabled }}
{{- if eq .Values.webhook.tls.mode "secret" }}
{{- .Values.webhook.tls.secretName }}
{{- else if eq .Values.webhook.tls.mode "certManager" }}
{{- include "mintage.fullname" . }}-webhook-certificate
{{- end }}
{{- end }}
{{- end }}

{{- /* The host of webhook.url, without its port. */ -}}
{{- define "mintage.webhookHost" -}}
{{- (urlParse .Values.webhook.url).hostname }}
{{- end }}

{{- /* Whether the operator runs endpoints; empty if not. */ -}}
{{- define "mintage.endpoints" -}}
{{- if .Values.endpoints.enabled }}true{{- end }}
{{- end }}

{{- /* Whether it has cert-manager make certificates for them. */ -}}
{{- define "mintage.endpointCertificates" -}}
{{- if and .Values.endpoints.enabled .Values.endpoints.certManager }}true{{- end }}
{{- end }}

{{- /* Whether it attaches them to Gateways. */ -}}
{{- define "mintage.endpointRoutes" -}}
{{- if and .Values.endpoints.enabled .Values.endpoints.gatewayApi }}true{{- end }}
{{- end }}

{{- /* The stream to sidecars */ -}}

{{- /* Where sidecars find it, `host:port`; empty if there is none. */ -}}
{{- define "mintage.feedAddress" -}}
{{- if and .Values.webhook.enabled .Values.feed.enabled }}
{{- include "mintage.feedHost" . }}:9444
{{- end }}
{{- end }}

{{- define "mintage.feedHost" -}}
{{- printf "%s-feed.%s.svc" (include "mintage.fullname" .) .Release.Namespace }}
{{- end }}
