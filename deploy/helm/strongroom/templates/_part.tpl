{{/* All objects of one of the three services: (dict "root" $ "part" "storage"). */}}
{{- define "strongroom.part" -}}
{{ include "strongroom.service" . }}
---
{{ include "strongroom.serviceAccount" . }}
---
{{ include "strongroom.deployment" . }}
---
{{ include "strongroom.disruptionBudget" . }}
{{- if (index .root.Values .part).autoscaling.enabled }}
---
{{ include "strongroom.autoscaler" . }}
{{- end }}
{{- end -}}

{{- define "strongroom.service" -}}
{{- $port := include "strongroom.port" .part | int -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "strongroom.fullname" .root }}-{{ .part }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "strongroom.labels" . | nindent 4 }}
  {{- if eq .part "gateway" }}
  {{- with .root.Values.gateway.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
spec:
  {{- if eq .part "gateway" }}
  type: {{ .root.Values.gateway.service.type }}
  {{- else }}
  clusterIP: None  # clients see every replica and balance between them
  {{- end }}
  selector:
    {{- include "strongroom.selector" . | nindent 4 }}
  ports:
    {{- if eq .part "gateway" }}
    - {name: http, port: {{ $port }}, targetPort: http}
    {{- else }}
    - {name: grpc, port: {{ $port }}, targetPort: grpc, appProtocol: {{ ternary "https" "kubernetes.io/h2c" .root.Values.tls.enabled }}}
    {{- end }}
    {{- if not (and (eq .part "gateway") (ne .root.Values.gateway.service.type "ClusterIP")) }}
    - {name: metrics, port: 9464, targetPort: metrics}
    {{- end }}
{{- end -}}

{{- define "strongroom.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "strongroom.fullname" .root }}-{{ .part }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "strongroom.labels" . | nindent 4 }}
  {{- with (index .root.Values .part).serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{- define "strongroom.deployment" -}}
{{- $values := index .root.Values .part -}}
{{- $name := printf "%s-%s" (include "strongroom.fullname" .root) .part -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "strongroom.labels" . | nindent 4 }}
spec:
  {{- if not $values.autoscaling.enabled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels:
      {{- include "strongroom.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "strongroom.labels" . | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ .part }}
        {{- if .root.Values.checksumAnnotations }}
        checksum/config: {{ printf "%s%s" (include "strongroom.sharedConfig" .root) (include "strongroom.partConfig" .) | sha256sum }}
        {{- end }}
        {{- if .root.Values.monitoring.annotations }}
        prometheus.io/scrape: "true"
        prometheus.io/port: "9464"
        prometheus.io/path: /metrics
        {{- end }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: false
      enableServiceLinks: false  # otherwise STORAGE_PORT and the like appear among the settings
      terminationGracePeriodSeconds: {{ include "strongroom.gracePeriod" .root }}
      securityContext:
        {{- include "strongroom.podSecurity" . | nindent 8 }}
      {{- with .root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- if $values.topologySpread }}
      topologySpreadConstraints:
        {{- include "strongroom.spread" . | trim | nindent 8 }}
      {{- end }}
      {{- with include "strongroom.scheduling" $values | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: {{ .part }}
          image: {{ include "strongroom.image" (dict "root" .root "image" .part) }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          ports:
            - {name: {{ ternary "http" "grpc" (eq .part "gateway") }}, containerPort: {{ include "strongroom.port" .part }}}
            - {name: metrics, containerPort: 9464}
          envFrom:
            {{- include "strongroom.envFrom" . | nindent 12 }}
          {{- include "strongroom.probes" . | nindent 10 }}
          {{- if ne .part "gateway" }}
          # Until clients use other replicas; the gateway pauses by itself (STRONGROOM_DRAIN_PAUSE_SECONDS).
          lifecycle:
            preStop: {exec: {command: [sleep, {{ .root.Values.drain.pauseSeconds | quote }}]}}
          {{- end }}
          securityContext:
            {{- include "strongroom.containerSecurity" . | nindent 12 }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- if .root.Values.tls.enabled }}
            - {name: tls, mountPath: /etc/strongroom/tls, readOnly: true}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {{ if $values.tmpSize }}{sizeLimit: {{ $values.tmpSize }}}{{ else }}{}{{ end }}
        {{- if .root.Values.tls.enabled }}
        - name: tls
          secret: {secretName: {{ index .root.Values.tls.secrets .part }}, defaultMode: 0440}
        {{- end }}
{{- end -}}

{{- define "strongroom.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "strongroom.fullname" .root }}-{{ .part }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "strongroom.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ (index .root.Values .part).disruption.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "strongroom.selector" . | nindent 6 }}
{{- end -}}

{{- define "strongroom.autoscaler" -}}
{{- $scaling := (index .root.Values .part).autoscaling -}}
{{- $name := printf "%s-%s" (include "strongroom.fullname" .root) .part -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "strongroom.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: AverageValue, averageValue: {{ $scaling.cpu }}}}
    {{- with $scaling.metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  behavior:
    # Each removed replica has to drain long uploads: scale down slowly.
    scaleDown:
      stabilizationWindowSeconds: 300
      policies: [{type: Pods, value: 1, periodSeconds: 60}]
{{- end -}}
