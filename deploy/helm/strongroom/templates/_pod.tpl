{{/* Parts that all pods of this chart have. */}}
{{- define "strongroom.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "strongroom.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "strongroom.port" -}}
{{- get (dict "gateway" 8080 "storage" 50051 "metadata" 50052) . -}}
{{- end -}}

{{/* From SIGTERM (or preStop) to the end of the longest drain, and a reserve. */}}
{{- define "strongroom.gracePeriod" -}}
{{- add .Values.drain.pauseSeconds .Values.drain.seconds 15 -}}
{{- end -}}

{{/* The sources of a part's settings: each gets only its own secrets. */}}
{{- define "strongroom.envFrom" -}}
{{- $name := include "strongroom.fullname" .root -}}
{{- $secrets := .root.Values.secrets -}}
- configMapRef: {name: {{ $name }}}
- configMapRef: {name: {{ $name }}-{{ .part }}}
- secretRef: {name: {{ $secrets.tokens }}}
{{- if ne .part "gateway" }}
- secretRef: {name: {{ $secrets.internal }}}
{{- end }}
{{- if eq .part "metadata" }}
- secretRef: {name: {{ $secrets.database }}}
{{- else if eq .part "storage" }}
- secretRef: {name: {{ $secrets.store }}}
{{- end }}
{{- end -}}

{{/* Probes check only the process: if they considered the state of Postgres and S3, an outage would remove all replicas
     at once. storage_service and metadata_service answer on their metrics port, which has no TLS, because kubelets
     cannot use grpc.health.v1 over TLS. */}}
{{- define "strongroom.probes" -}}
{{- $port := ternary "http" "metrics" (eq .part "gateway") -}}
startupProbe:
  httpGet: {path: /livez, port: {{ $port }}}
  periodSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /healthz, port: {{ $port }}}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /livez, port: {{ $port }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{- define "strongroom.spread" -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "strongroom.selector" $ | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "strongroom.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
