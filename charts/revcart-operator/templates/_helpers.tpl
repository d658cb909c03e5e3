{{- /* Where it needs Roles: a JSON list of namespaces, empty for a cluster-wide operator. */ -}}
{{- define "revcart-operator.namespaces" -}}
{{- if eq .Values.scope.type "Namespaced" -}}
{{- .Values.scope.namespaces | default (list .Release.Namespace) | toJson -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{- define "revcart-operator.selector" -}}
app.kubernetes.io/name: revcart-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "revcart-operator.labels" -}}
{{ include "revcart-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: revcart
{{- end -}}

{{- /* What the operator may do with platforms and their children; docs/operator.md says why, a test compares. */ -}}
{{- define "revcart-operator.rules" -}}
- apiGroups: [""]
  resources: [configmaps, secrets, serviceaccounts, services]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [platform.revcart.io]
  resources: [revcartplatforms]
  verbs: [get, list, watch]
- apiGroups: [platform.revcart.io]
  resources: [revcartplatforms/status]
  verbs: [patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, delete, get, list, patch, watch]
{{- end -}}
