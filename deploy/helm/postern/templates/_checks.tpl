{{/* What the schema cannot say. Each problem stops the rendering with one message. */}}
{{- define "postern.check" -}}
{{- include "postern.checkImage" . }}
{{- include "postern.checkKeys" . }}
{{- include "postern.checkSettings" . }}
{{- include "postern.checkRoutes" . }}
{{- include "postern.checkPeers" . }}
{{- include "postern.checkScaling" . }}
{{- range $name := list "drain_delay_ms" "grace_period_ms" }}
{{- if has (toString (get $.Values.settings $name)) (list "" "<nil>") }}
{{- fail (printf "settings.%s: the time that Kubernetes waits is computed from it, so it needs a value" $name) }}
{{- end }}
{{- end }}
{{- $limits := default dict .Values.resources.limits }}
{{- if not (or (hasKey $limits "cpu") .Values.settings.workers) }}
{{- fail "resources.limits.cpu is not set: set it or settings.workers, or each pod starts a worker for every core of its node" }}
{{- end }}
{{- end }}

{{- define "postern.checkImage" -}}
{{- if not .Values.image.repository }}
{{- fail "image.repository: name the registry and repository to which you pushed the image" }}
{{- end }}
{{- if not .Values.image.digest }}
{{- fail "image.digest: give the sha256:… of the image; a tag alone does not say what runs" }}
{{- end }}
{{- $settings := .Values.settings }}
{{- $beside := or $settings.teacher_artifacts $settings.shadow_artifact $settings.language_artifacts $settings.on_device }}
{{- if and .Values.artifact.volume (not .Values.artifact.path) (not $beside) }}
{{- fail "artifact.path: say which folder of the volume holds the student, such as /artifacts/NAME/VERSION" }}
{{- end }}
{{- end }}

{{- define "postern.checkSettings" -}}
{{- $settings := .Values.settings }}
{{- if $settings.traces }}
{{- fail "settings.traces: the image has no exporter of traces, so no pod would start" }}
{{- end }}
{{- if $settings.feedback_file }}
{{- fail "settings.feedback_file: pods have no volume to write to, so none would start" }}
{{- end }}
{{- if eq (toString $settings.device) "cuda" }}
{{- fail "settings.device: the image has ONNX Runtime for processors, so no pod would start with cuda" }}
{{- end }}
{{- end }}

{{- define "postern.checkKeys" -}}
{{- $keys := .Values.keys }}
{{- if and $keys.create $keys.existingSecret }}
{{- fail "keys.create and keys.existingSecret are two sets of keys; set one" }}
{{- end }}
{{- $has := include "postern.keysSecret" . }}
{{- if not (or $has .Values.allowAnonymous) }}
{{- fail "no API keys: set keys.existingSecret or keys.create, or allowAnonymous=true to serve everyone who reaches the pods" }}
{{- end }}
{{- if and $has .Values.allowAnonymous }}
{{- fail "allowAnonymous=true and API keys contradict each other; set one" }}
{{- end }}
{{- range $index, $key := append $keys.create $keys.metricsKey | compact }}
{{- if not (regexMatch "^[!\"$-~][!-~]*$" $key) }}
{{- fail (printf "keys.create: key number %d must be printable ASCII without spaces, and must not start with #" (add $index 1)) }}
{{- end }}
{{- end }}
{{- if and .Values.monitoring.serviceMonitor.enabled $keys.create (not $keys.metricsKey) }}
{{- fail "keys.metricsKey: /metrics asks for an API key, so give the one that Prometheus shows" }}
{{- end }}
{{- end }}

{{- define "postern.checkRoutes" -}}
{{- if and .Values.ingress.enabled .Values.httpRoute.enabled }}
{{- fail "ingress.enabled and httpRoute.enabled are two ways to the same Service; set one" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.host: name the host for which the Ingress is" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs: name the Gateway to which the route belongs" }}
{{- end }}
{{- end }}

{{- define "postern.checkPeers" -}}
{{- $teacher := .Values.teacher }}
{{- if and $teacher.release $teacher.url }}
{{- fail "teacher.release and teacher.url are two teachers; set one" }}
{{- end }}
{{- if eq $teacher.release .Release.Name }}
{{- fail "teacher.release: a release cannot be its own teacher" }}
{{- end }}
{{- if and (include "postern.teacherUrl" .) .Values.settings.teacher_artifacts }}
{{- fail "settings.teacher_artifacts and the teacher's URL are two teachers; set one" }}
{{- end }}
{{- if and $teacher.url (eq $teacher.kind "openai") (not $teacher.model) }}
{{- fail "teacher.model: name the model that answers at teacher.url" }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- range $who := list "teacher" "upstream" }}
{{- $url := (get $.Values $who).url }}
{{- $host := regexReplaceAll ":[0-9]+$" (urlParse $url).host "" }}
{{- $peers := get $.Values.networkPolicy (printf "%sPeers" $who) }}
{{- if and $url (not $peers) (not (regexMatch "^[0-9.]+$" $host)) }}
{{- fail (printf "networkPolicy.%sPeers: a NetworkPolicy knows no host names, so say which pods or addresses %s.url means, or set networkPolicy.enabled=false" $who $who) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "postern.checkScaling" -}}
{{- $scaling := .Values.autoscaling }}
{{- if and (ne $scaling.mode "none") (gt (int64 $scaling.minReplicas) (int64 $scaling.maxReplicas)) }}
{{- fail "autoscaling.maxReplicas must be at least autoscaling.minReplicas" }}
{{- end }}
{{- if and (ne $scaling.mode "none") (not (dig "requests" "cpu" "" .Values.resources)) (not (dig "limits" "cpu" "" .Values.resources)) }}
{{- fail "resources.requests.cpu: autoscaling compares the use of CPU with it, so it needs a value" }}
{{- end }}
{{- if eq $scaling.mode "keda" }}
{{- if not $scaling.keda.serverAddress }}
{{- fail "autoscaling.keda.serverAddress: give the URL of the Prometheus that scrapes the pods" }}
{{- end }}
{{- if not (or .Values.monitoring.serviceMonitor.enabled $scaling.keda.query) }}
{{- fail "autoscaling.keda.query: without monitoring.serviceMonitor, say how the queued tokens are found in your Prometheus" }}
{{- end }}
{{- end }}
{{- end }}
