{{/* Labels that select the server's pods. The job of the alerts is the value of the first. */}}
{{- define "postern.selector" -}}
app.kubernetes.io/name: postern
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{- define "postern.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "postern.labels" -}}
{{ include "postern.selector" . }}
{{ include "postern.commonLabels" . }}
{{- end }}

{{/* Labels of the release and of the user, of which the release's win. Takes root and labels. */}}
{{- define "postern.labelsWith" -}}
{{- merge (include "postern.labels" .root | fromYaml) .labels | toYaml }}
{{- end }}

{{- define "postern.image" -}}
{{- with .Values.image }}{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}@{{ .digest }}{{ end }}
{{- end }}

{{/* Name of the Secret with the API keys; empty where everyone is served. */}}
{{- define "postern.keysSecret" -}}
{{- if .Values.keys.create }}{{ .Release.Name }}-keys{{ else }}{{ .Values.keys.existingSecret }}{{ end }}
{{- end }}

{{- define "postern.teacherUrl" -}}
{{- with .Values.teacher }}
{{- if .release }}http://{{ .release }}:{{ .port }}{{ else }}{{ .url }}{{ end }}
{{- end }}
{{- end }}

{{/* Path prefix below which clients find the server; empty for none. */}}
{{- define "postern.rootPath" -}}
{{- $route := ternary .Values.httpRoute .Values.ingress .Values.httpRoute.enabled }}
{{- if $route.enabled }}{{ trimSuffix "/" $route.path }}{{ end }}
{{- end }}

{{/* Names that Host may hold, separated by commas; empty for any. */}}
{{- define "postern.allowedHosts" -}}
{{- if .Values.allowedHosts }}
{{- $name := .Release.Name }}
{{- $inside := printf "%s.%s" $name .Release.Namespace }}
{{- $hosts := concat .Values.allowedHosts (list $name $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside)) }}
{{- if .Values.ingress.enabled }}{{ $hosts = append $hosts .Values.ingress.host }}{{ end }}
{{- if .Values.httpRoute.enabled }}{{ $hosts = concat $hosts .Values.httpRoute.hostnames }}{{ end }}
{{- join "," (uniq $hosts) }}
{{- end }}
{{- end }}

{{/* A value for the environment. Helm reads numbers as floats, which would be printed as 1e+06. */}}
{{- define "postern.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else if kindIs "slice" . }}{{ join "," . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{/* The environment of the server, without secrets, as a map. */}}
{{- define "postern.environment" -}}
{{- $env := dict }}
{{- range $name, $value := .Values.settings }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $env (printf "POSTERN_%s" (upper $name)) (include "postern.text" $value) }}
{{- end }}
{{- end }}
{{- if include "postern.keysSecret" . }}{{ $_ := set $env "POSTERN_API_KEYS_FILE" "/etc/postern/keys" }}{{ end }}
{{- if .Values.allowAnonymous }}{{ $_ := set $env "POSTERN_ALLOW_ANONYMOUS" "true" }}{{ end }}
{{- with include "postern.allowedHosts" . }}{{ $_ := set $env "POSTERN_ALLOWED_HOSTS" . }}{{ end }}
{{- with include "postern.rootPath" . }}{{ $_ := set $env "POSTERN_ROOT_PATH" . }}{{ end }}
{{- with .Values.artifact.path }}{{ $_ := set $env "POSTERN_ARTIFACT" . }}{{ end }}
{{- if .Values.policies.configMap }}{{ $_ := set $env "POSTERN_POLICIES" "/etc/postern/policies.toml" }}{{ end }}
{{- with include "postern.teacherUrl" . }}
{{- $_ := set $env "POSTERN_TEACHER_URL" . }}
{{- $_ := set $env "POSTERN_TEACHER_KIND" (ternary "postern" $.Values.teacher.kind (ne $.Values.teacher.release "")) }}
{{- end }}
{{- with .Values.teacher.model }}{{ $_ := set $env "POSTERN_TEACHER_MODEL" . }}{{ end }}
{{- if .Values.teacher.keySecret.name }}{{ $_ := set $env "POSTERN_TEACHER_API_KEY_FILE" "/etc/postern/teacher-key" }}{{ end }}
{{- if .Values.teacher.ca.configMap }}{{ $_ := set $env "POSTERN_TEACHER_CA_FILE" "/etc/postern/teacher-ca.crt" }}{{ end }}
{{- with .Values.upstream.url }}{{ $_ := set $env "POSTERN_UPSTREAM_URL" . }}{{ end }}
{{- if .Values.upstream.keySecret.name }}{{ $_ := set $env "POSTERN_UPSTREAM_API_KEY_FILE" "/etc/postern/upstream-key" }}{{ end }}
{{- if .Values.upstream.ca.configMap }}{{ $_ := set $env "POSTERN_UPSTREAM_CA_FILE" "/etc/postern/upstream-ca.crt" }}{{ end }}
{{- toYaml $env }}
{{- end }}

{{/* The files below /etc/postern: sources of one projected volume. */}}
{{- define "postern.files" -}}
{{- with include "postern.keysSecret" . }}
- secret:
    name: {{ . }}
    items: [{key: {{ $.Values.keys.entry | quote }}, path: keys}]
{{- end }}
{{- with .Values.policies }}
{{- if .configMap }}
- configMap:
    name: {{ .configMap }}
    items: [{key: {{ .entry | quote }}, path: policies.toml}]
{{- end }}
{{- end }}
{{- range $who := list "teacher" "upstream" }}
{{- with (get $.Values $who).keySecret }}
{{- if .name }}
- secret:
    name: {{ .name }}
    items: [{key: {{ .entry | quote }}, path: {{ $who }}-key}]
{{- end }}
{{- end }}
{{- with (get $.Values $who).ca }}
{{- if .configMap }}
- configMap:
    name: {{ .configMap }}
    items: [{key: {{ .entry | quote }}, path: {{ $who }}-ca.crt}]
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Time after SIGTERM until SIGKILL: what the server may take, and five seconds to end. */}}
{{- define "postern.terminationSeconds" -}}
{{- $ms := add (int64 .Values.settings.drain_delay_ms) (int64 .Values.settings.grace_period_ms) }}
{{- add (div (add $ms 999) 1000) 5 }}
{{- end }}

{{- define "postern.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
fsGroup: 65534
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "postern.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Egress rule to one URL. Takes url, peers and port; peers are not needed for an IPv4 address. */}}
{{- define "postern.egressTo" -}}
{{- $at := urlParse .url }}
{{- $host := regexReplaceAll ":[0-9]+$" $at.host "" }}
{{- $named := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $at.host) }}
{{- $port := int64 .port }}
{{- if not $port }}{{ $port = int64 (default (ternary 443 80 (eq $at.scheme "https")) $named) }}{{ end }}
- ports: [{protocol: TCP, port: {{ $port }}}]
  to:
{{- if .peers }}
    {{- toYaml .peers | nindent 4 }}
{{- else }}
    - ipBlock: {cidr: {{ $host }}/32}
{{- end }}
{{- end }}

{{/* Not empty if the URL names a host that needs DNS. */}}
{{- define "postern.isNamed" -}}
{{- $host := regexReplaceAll ":[0-9]+$" (urlParse .).host "" }}
{{- if not (or (regexMatch "^[0-9.]+$" $host) (hasPrefix "[" $host)) }}named{{ end }}
{{- end }}
