{{/* A job that runs before everything else in an install or upgrade:
     (dict "root" $ "part" "migrate" "image" "metadata" "args" (list …) "weight" "0" "envFrom" … "env" … "account" …). During an
     install, the chart's configuration and service accounts do not exist yet. */}}
{{- define "strongroom.job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "strongroom.fullname" .root }}-{{ .part }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "strongroom.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: {{ .weight | quote }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 4
  activeDeadlineSeconds: 3600
  template:
    metadata:
      labels:
        {{- include "strongroom.labels" . | nindent 8 }}
    spec:
      restartPolicy: Never
      {{- with .account }}
      serviceAccountName: {{ . }}
      {{- end }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        {{- include "strongroom.podSecurity" . | nindent 8 }}
      {{- with .root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ .part }}
          image: {{ include "strongroom.image" . }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: {{ toJson .args }}
          envFrom:
            - secretRef: {name: {{ .secret }}}
          {{- with .env }}
          env:
            {{- range $key, $value := . }}
            - {name: {{ $key }}, value: {{ $value | quote }}}
            {{- end }}
          {{- end }}
          securityContext:
            {{- include "strongroom.containerSecurity" . | nindent 12 }}
          resources:
            {{- toYaml .root.Values.migrate.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {name: tmp, emptyDir: {}}
{{- end -}}
