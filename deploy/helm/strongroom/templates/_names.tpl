{{- define "strongroom.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "strongroom.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The labels of a part that never change: (dict "root" $ "part" "gateway"). */}}
{{- define "strongroom.selector" -}}
app.kubernetes.io/name: {{ include "strongroom.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "strongroom.labels" -}}
{{ include "strongroom.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: strongroom
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{/* The image of a part; `migrate` and `bucket` run those of metadata and storage: (dict "root" $ "image" "metadata"). */}}
{{- define "strongroom.image" -}}
{{- $image := .root.Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.prefix }}-{{ .image }}
{{- with index $image.digests .image }}@{{ . }}{{ else }}:{{ default $.root.Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}
