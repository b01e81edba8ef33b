#include "kube/protobuf_tables.h"

#include <stddef.h>

/* Field numbers are those of the API's published .proto files.  A macro per shape keeps a message
 * on a few lines. */
#define MESSAGE(id, text, ...)                                                                     \
    static const struct pb_field id##_fields[] = {__VA_ARGS__, {0}};                               \
    static const struct pb_message id = {text, id##_fields};
#define F(number, name, type)                                                                      \
    {                                                                                              \
        number, type, 0, name, NULL                                                                \
    }
#define OPT(number, name, type)                                                                    \
    {                                                                                              \
        number, type, PB_OPTIONAL, name, NULL                                                      \
    }
#define LIST(number, name, type)                                                                   \
    {                                                                                              \
        number, type, PB_REPEATED, name, NULL                                                      \
    }
#define SUB(number, name, message)                                                                 \
    {                                                                                              \
        number, PB_MSG, 0, name, &message                                                          \
    }
#define SUBS(number, name, message)                                                                \
    {                                                                                              \
        number, PB_MSG, PB_REPEATED, name, &message                                                \
    }
#define INLINE(number, name, message)                                                              \
    {                                                                                              \
        number, PB_INLINE, 0, name, &message                                                       \
    }

/* clang-format off */
MESSAGE(owner_reference, "OwnerReference",
    F(1, "kind", PB_STR), F(3, "name", PB_STR), F(4, "uid", PB_STR), F(5, "apiVersion", PB_STR),
    OPT(6, "controller", PB_BOOL), OPT(7, "blockOwnerDeletion", PB_BOOL))
MESSAGE(object_meta, "ObjectMeta",
    F(1, "name", PB_STR), F(2, "generateName", PB_STR), F(3, "namespace", PB_STR),
    F(4, "selfLink", PB_SKIP), F(5, "uid", PB_STR), F(6, "resourceVersion", PB_STR),
    F(7, "generation", PB_INT), F(8, "creationTimestamp", PB_TIME),
    F(9, "deletionTimestamp", PB_TIME), OPT(10, "deletionGracePeriodSeconds", PB_INT),
    F(11, "labels", PB_MAP), F(12, "annotations", PB_MAP),
    SUBS(13, "ownerReferences", owner_reference), LIST(14, "finalizers", PB_STR),
    F(17, "managedFields", PB_SKIP))
MESSAGE(object_reference, "ObjectReference",
    F(1, "kind", PB_STR), F(2, "namespace", PB_STR), F(3, "name", PB_STR), F(4, "uid", PB_STR),
    F(5, "apiVersion", PB_STR), F(6, "resourceVersion", PB_STR), F(7, "fieldPath", PB_STR))
MESSAGE(local_reference, "LocalReference",
    F(1, "name", PB_STR))
MESSAGE(label_requirement, "LabelRequirement",
    F(1, "key", PB_STR), F(2, "operator", PB_STR), LIST(3, "values", PB_STR))
MESSAGE(label_selector, "LabelSelector",
    F(1, "matchLabels", PB_MAP), SUBS(2, "matchExpressions", label_requirement))
MESSAGE(secret, "Secret",
    SUB(1, "metadata", object_meta), F(2, "data", PB_MAP_BYTES), F(3, "type", PB_STR),
    F(4, "stringData", PB_MAP), OPT(5, "immutable", PB_BOOL))
MESSAGE(config_map, "ConfigMap",
    SUB(1, "metadata", object_meta), F(2, "data", PB_MAP), F(3, "binaryData", PB_MAP_BYTES),
    OPT(4, "immutable", PB_BOOL))
MESSAGE(service_account, "ServiceAccount",
    SUB(1, "metadata", object_meta), SUBS(2, "secrets", object_reference),
    SUBS(3, "imagePullSecrets", local_reference), OPT(4, "automountServiceAccountToken", PB_BOOL))
MESSAGE(namespace_spec, "NamespaceSpec",
    LIST(1, "finalizers", PB_STR))
MESSAGE(namespace, "Namespace",
    SUB(1, "metadata", object_meta), SUB(2, "spec", namespace_spec), F(3, "status", PB_SKIP))
MESSAGE(bound_object, "BoundObject",
    F(1, "kind", PB_STR), F(2, "apiVersion", PB_STR), F(3, "name", PB_STR), F(4, "uid", PB_STR))
MESSAGE(token_request_spec, "TokenRequestSpec",
    LIST(1, "audiences", PB_STR), SUB(3, "boundObjectRef", bound_object),
    OPT(4, "expirationSeconds", PB_INT))
MESSAGE(token_request, "TokenRequest",
    SUB(1, "metadata", object_meta), SUB(2, "spec", token_request_spec), F(3, "status", PB_SKIP))
MESSAGE(resource_attributes, "ResourceAttributes",
    F(1, "namespace", PB_STR), F(2, "verb", PB_STR), F(3, "group", PB_STR),
    F(4, "version", PB_STR), F(5, "resource", PB_STR), F(6, "subresource", PB_STR),
    F(7, "name", PB_STR))
MESSAGE(non_resource_attributes, "NonResourceAttributes",
    F(1, "path", PB_STR), F(2, "verb", PB_STR))
MESSAGE(self_access_spec, "SelfAccessSpec",
    SUB(1, "resourceAttributes", resource_attributes),
    SUB(2, "nonResourceAttributes", non_resource_attributes))
MESSAGE(self_subject_access_review, "SelfSubjectAccessReview",
    SUB(1, "metadata", object_meta), SUB(2, "spec", self_access_spec), F(3, "status", PB_SKIP))
MESSAGE(access_spec, "AccessSpec",
    SUB(1, "resourceAttributes", resource_attributes),
    SUB(2, "nonResourceAttributes", non_resource_attributes), F(3, "user", PB_STR),
    LIST(4, "groups", PB_STR), F(6, "uid", PB_STR))
MESSAGE(subject_access_review, "SubjectAccessReview",
    SUB(1, "metadata", object_meta), SUB(2, "spec", access_spec), F(3, "status", PB_SKIP))
MESSAGE(rules_spec, "RulesSpec",
    F(1, "namespace", PB_STR))
MESSAGE(self_subject_rules_review, "SelfSubjectRulesReview",
    SUB(1, "metadata", object_meta), SUB(2, "spec", rules_spec), F(3, "status", PB_SKIP))
MESSAGE(self_subject_review, "SelfSubjectReview",
    SUB(1, "metadata", object_meta), F(2, "status", PB_SKIP))
MESSAGE(token_review_spec, "TokenReviewSpec",
    F(1, "token", PB_STR), LIST(2, "audiences", PB_STR))
MESSAGE(token_review, "TokenReview",
    SUB(1, "metadata", object_meta), SUB(2, "spec", token_review_spec), F(3, "status", PB_SKIP))
MESSAGE(policy_rule, "PolicyRule",
    LIST(1, "verbs", PB_STR), LIST(2, "apiGroups", PB_STR), LIST(3, "resources", PB_STR),
    LIST(4, "resourceNames", PB_STR), LIST(5, "nonResourceURLs", PB_STR))
MESSAGE(role, "Role",
    SUB(1, "metadata", object_meta), SUBS(2, "rules", policy_rule))
MESSAGE(aggregation_rule, "AggregationRule",
    SUBS(1, "clusterRoleSelectors", label_selector))
MESSAGE(cluster_role, "ClusterRole",
    SUB(1, "metadata", object_meta), SUBS(2, "rules", policy_rule),
    SUB(3, "aggregationRule", aggregation_rule))
MESSAGE(subject, "Subject",
    F(1, "kind", PB_STR), F(2, "apiGroup", PB_STR), F(3, "name", PB_STR),
    F(4, "namespace", PB_STR))
MESSAGE(role_ref, "RoleRef",
    F(1, "apiGroup", PB_STR), F(2, "kind", PB_STR), F(3, "name", PB_STR))
MESSAGE(role_binding, "RoleBinding",
    SUB(1, "metadata", object_meta), SUBS(2, "subjects", subject), SUB(3, "roleRef", role_ref))
MESSAGE(field_ref, "FieldRef",
    F(1, "apiVersion", PB_STR), F(2, "fieldPath", PB_STR))
MESSAGE(key_ref, "KeyRef",
    INLINE(1, "name", local_reference), F(2, "key", PB_STR), OPT(3, "optional", PB_BOOL))
MESSAGE(env_source, "EnvSource",
    SUB(1, "fieldRef", field_ref), SUB(3, "configMapKeyRef", key_ref),
    SUB(4, "secretKeyRef", key_ref))
MESSAGE(env, "Env",
    F(1, "name", PB_STR), F(2, "value", PB_STR), SUB(3, "valueFrom", env_source))
MESSAGE(env_from_ref, "EnvFromRef",
    INLINE(1, "name", local_reference), OPT(2, "optional", PB_BOOL))
MESSAGE(env_from, "EnvFrom",
    F(1, "prefix", PB_STR), SUB(2, "configMapRef", env_from_ref),
    SUB(3, "secretRef", env_from_ref))
MESSAGE(port, "Port",
    F(1, "name", PB_STR), F(2, "hostPort", PB_INT), F(3, "containerPort", PB_INT),
    F(4, "protocol", PB_STR), F(5, "hostIP", PB_STR))
MESSAGE(resources, "Resources",
    F(1, "limits", PB_MAP_QUANTITY), F(2, "requests", PB_MAP_QUANTITY))
MESSAGE(volume_mount, "VolumeMount",
    F(1, "name", PB_STR), F(2, "readOnly", PB_BOOL), F(3, "mountPath", PB_STR),
    F(4, "subPath", PB_STR), OPT(5, "mountPropagation", PB_STR), F(6, "subPathExpr", PB_STR))
MESSAGE(volume_device, "VolumeDevice",
    F(1, "name", PB_STR), F(2, "devicePath", PB_STR))
MESSAGE(security_context, "SecurityContext",
    OPT(2, "privileged", PB_BOOL), OPT(4, "runAsUser", PB_INT), OPT(5, "runAsNonRoot", PB_BOOL),
    OPT(6, "readOnlyRootFilesystem", PB_BOOL), OPT(7, "allowPrivilegeEscalation", PB_BOOL),
    OPT(8, "runAsGroup", PB_INT))
MESSAGE(pod_security_context, "PodSecurityContext",
    OPT(2, "runAsUser", PB_INT), OPT(3, "runAsNonRoot", PB_BOOL),
    LIST(4, "supplementalGroups", PB_INT), OPT(5, "fsGroup", PB_INT),
    OPT(6, "runAsGroup", PB_INT))
MESSAGE(container, "Container",
    F(1, "name", PB_STR), F(2, "image", PB_STR), LIST(3, "command", PB_STR),
    LIST(4, "args", PB_STR), F(5, "workingDir", PB_STR), SUBS(6, "ports", port),
    SUBS(7, "env", env), SUB(8, "resources", resources), SUBS(9, "volumeMounts", volume_mount),
    F(13, "terminationMessagePath", PB_STR), F(14, "imagePullPolicy", PB_STR),
    SUB(15, "securityContext", security_context), F(16, "stdin", PB_BOOL),
    F(17, "stdinOnce", PB_BOOL), F(18, "tty", PB_BOOL), SUBS(19, "envFrom", env_from),
    F(20, "terminationMessagePolicy", PB_STR), SUBS(21, "volumeDevices", volume_device),
    OPT(24, "restartPolicy", PB_STR))
MESSAGE(key_to_path, "KeyToPath",
    F(1, "key", PB_STR), F(2, "path", PB_STR), OPT(3, "mode", PB_INT))
MESSAGE(host_path, "HostPath",
    F(1, "path", PB_STR), OPT(2, "type", PB_STR))
MESSAGE(empty_dir, "EmptyDir",
    F(1, "medium", PB_STR), F(2, "sizeLimit", PB_QUANTITY))
MESSAGE(secret_volume, "SecretVolume",
    F(1, "secretName", PB_STR), SUBS(2, "items", key_to_path), OPT(3, "defaultMode", PB_INT),
    OPT(4, "optional", PB_BOOL))
MESSAGE(config_map_volume, "ConfigMapVolume",
    INLINE(1, "name", local_reference), SUBS(2, "items", key_to_path),
    OPT(3, "defaultMode", PB_INT), OPT(4, "optional", PB_BOOL))
MESSAGE(nfs_volume, "NfsVolume",
    F(1, "server", PB_STR), F(2, "path", PB_STR), F(3, "readOnly", PB_BOOL))
MESSAGE(claim_volume, "ClaimVolume",
    F(1, "claimName", PB_STR), F(2, "readOnly", PB_BOOL))
MESSAGE(volume_source, "VolumeSource",
    SUB(1, "hostPath", host_path), SUB(2, "emptyDir", empty_dir), SUB(6, "secret", secret_volume),
    SUB(7, "nfs", nfs_volume), SUB(10, "persistentVolumeClaim", claim_volume),
    SUB(19, "configMap", config_map_volume))
MESSAGE(volume, "Volume",
    F(1, "name", PB_STR), INLINE(2, "source", volume_source))
MESSAGE(toleration, "Toleration",
    F(1, "key", PB_STR), F(2, "operator", PB_STR), F(3, "value", PB_STR), F(4, "effect", PB_STR),
    OPT(5, "tolerationSeconds", PB_INT))
MESSAGE(pod_spec, "PodSpec",
    SUBS(1, "volumes", volume), SUBS(2, "containers", container), F(3, "restartPolicy", PB_STR),
    OPT(4, "terminationGracePeriodSeconds", PB_INT), OPT(5, "activeDeadlineSeconds", PB_INT),
    F(6, "dnsPolicy", PB_STR), F(7, "nodeSelector", PB_MAP), F(8, "serviceAccountName", PB_STR),
    F(9, "serviceAccount", PB_STR), F(10, "nodeName", PB_STR), F(11, "hostNetwork", PB_BOOL),
    F(12, "hostPID", PB_BOOL), F(13, "hostIPC", PB_BOOL),
    SUB(14, "securityContext", pod_security_context),
    SUBS(15, "imagePullSecrets", local_reference), F(16, "hostname", PB_STR),
    F(17, "subdomain", PB_STR), F(19, "schedulerName", PB_STR),
    SUBS(20, "initContainers", container), OPT(21, "automountServiceAccountToken", PB_BOOL),
    SUBS(22, "tolerations", toleration), F(24, "priorityClassName", PB_STR),
    OPT(25, "priority", PB_INT), OPT(27, "shareProcessNamespace", PB_BOOL),
    OPT(29, "runtimeClassName", PB_STR), OPT(30, "enableServiceLinks", PB_BOOL),
    OPT(31, "preemptionPolicy", PB_STR))
MESSAGE(pod_template, "PodTemplate",
    SUB(1, "metadata", object_meta), SUB(2, "spec", pod_spec))
MESSAGE(job_spec, "JobSpec",
    OPT(1, "parallelism", PB_INT), OPT(2, "completions", PB_INT),
    OPT(3, "activeDeadlineSeconds", PB_INT), SUB(4, "selector", label_selector),
    OPT(5, "manualSelector", PB_BOOL), SUB(6, "template", pod_template),
    OPT(7, "backoffLimit", PB_INT), OPT(8, "ttlSecondsAfterFinished", PB_INT),
    OPT(9, "completionMode", PB_STR), OPT(10, "suspend", PB_BOOL),
    OPT(14, "podReplacementPolicy", PB_STR), OPT(15, "managedBy", PB_STR))
MESSAGE(job, "Job",
    SUB(1, "metadata", object_meta), SUB(2, "spec", job_spec), F(3, "status", PB_SKIP))
MESSAGE(service_port, "ServicePort",
    F(1, "name", PB_STR), F(2, "protocol", PB_STR), F(3, "port", PB_INT),
    F(4, "targetPort", PB_INT_OR_STR), F(5, "nodePort", PB_INT), OPT(6, "appProtocol", PB_STR))
MESSAGE(service_spec, "ServiceSpec",
    SUBS(1, "ports", service_port), F(2, "selector", PB_MAP), F(3, "clusterIP", PB_STR),
    F(4, "type", PB_STR), LIST(5, "externalIPs", PB_STR), F(7, "sessionAffinity", PB_STR),
    F(8, "loadBalancerIP", PB_STR), LIST(9, "loadBalancerSourceRanges", PB_STR),
    F(10, "externalName", PB_STR), F(11, "externalTrafficPolicy", PB_STR),
    F(12, "healthCheckNodePort", PB_INT), F(13, "publishNotReadyAddresses", PB_BOOL),
    OPT(17, "ipFamilyPolicy", PB_STR), LIST(18, "clusterIPs", PB_STR),
    LIST(19, "ipFamilies", PB_STR), OPT(20, "allocateLoadBalancerNodePorts", PB_BOOL),
    OPT(21, "loadBalancerClass", PB_STR), OPT(22, "internalTrafficPolicy", PB_STR),
    OPT(23, "trafficDistribution", PB_STR))
MESSAGE(service, "Service",
    SUB(1, "metadata", object_meta), SUB(2, "spec", service_spec), F(3, "status", PB_SKIP))
MESSAGE(rolling_update, "RollingUpdate",
    F(1, "maxUnavailable", PB_INT_OR_STR), F(2, "maxSurge", PB_INT_OR_STR))
MESSAGE(deployment_strategy, "DeploymentStrategy",
    F(1, "type", PB_STR), SUB(2, "rollingUpdate", rolling_update))
MESSAGE(deployment_spec, "DeploymentSpec",
    OPT(1, "replicas", PB_INT), SUB(2, "selector", label_selector),
    SUB(3, "template", pod_template), SUB(4, "strategy", deployment_strategy),
    F(5, "minReadySeconds", PB_INT), OPT(6, "revisionHistoryLimit", PB_INT),
    F(7, "paused", PB_BOOL), OPT(9, "progressDeadlineSeconds", PB_INT))
MESSAGE(deployment, "Deployment",
    SUB(1, "metadata", object_meta), SUB(2, "spec", deployment_spec), F(3, "status", PB_SKIP))
MESSAGE(lease_spec, "LeaseSpec",
    OPT(1, "holderIdentity", PB_STR), OPT(2, "leaseDurationSeconds", PB_INT),
    F(3, "acquireTime", PB_MICRO_TIME), F(4, "renewTime", PB_MICRO_TIME),
    OPT(5, "leaseTransitions", PB_INT), OPT(6, "strategy", PB_STR),
    OPT(7, "preferredHolder", PB_STR))
MESSAGE(lease, "Lease",
    SUB(1, "metadata", object_meta), SUB(2, "spec", lease_spec))
MESSAGE(event_source, "EventSource",
    F(1, "component", PB_STR), F(2, "host", PB_STR))
MESSAGE(event_series, "EventSeries",
    F(1, "count", PB_INT), F(2, "lastObservedTime", PB_MICRO_TIME))
MESSAGE(event, "Event",
    SUB(1, "metadata", object_meta), SUB(2, "involvedObject", object_reference),
    F(3, "reason", PB_STR), F(4, "message", PB_STR), SUB(5, "source", event_source),
    F(6, "firstTimestamp", PB_TIME), F(7, "lastTimestamp", PB_TIME), F(8, "count", PB_INT),
    F(9, "type", PB_STR), F(10, "eventTime", PB_MICRO_TIME), SUB(11, "series", event_series),
    F(12, "action", PB_STR), SUB(13, "related", object_reference),
    F(14, "reportingComponent", PB_STR), F(15, "reportingInstance", PB_STR))
MESSAGE(preconditions, "Preconditions",
    OPT(1, "uid", PB_STR), OPT(2, "resourceVersion", PB_STR))
MESSAGE(delete_options, "DeleteOptions",
    OPT(1, "gracePeriodSeconds", PB_INT), SUB(2, "preconditions", preconditions),
    OPT(3, "orphanDependents", PB_BOOL), OPT(4, "propagationPolicy", PB_STR),
    LIST(5, "dryRun", PB_STR))

const struct pb_kind pb_kinds[] = {
    {"v1", "Secret", &secret},
    {"v1", "ConfigMap", &config_map},
    {"v1", "ServiceAccount", &service_account},
    {"v1", "Namespace", &namespace},
    {"v1", "Service", &service},
    {"v1", "Event", &event},
    {"v1", "DeleteOptions", &delete_options},
    {"meta.k8s.io/v1", "DeleteOptions", &delete_options},
    {"authentication.k8s.io/v1", "TokenRequest", &token_request},
    {"authentication.k8s.io/v1", "TokenReview", &token_review},
    {"authentication.k8s.io/v1", "SelfSubjectReview", &self_subject_review},
    {"authorization.k8s.io/v1", "SelfSubjectAccessReview", &self_subject_access_review},
    {"authorization.k8s.io/v1", "SubjectAccessReview", &subject_access_review},
    {"authorization.k8s.io/v1", "LocalSubjectAccessReview", &subject_access_review},
    {"authorization.k8s.io/v1", "SelfSubjectRulesReview", &self_subject_rules_review},
    {"rbac.authorization.k8s.io/v1", "Role", &role},
    {"rbac.authorization.k8s.io/v1", "ClusterRole", &cluster_role},
    {"rbac.authorization.k8s.io/v1", "RoleBinding", &role_binding},
    {"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", &role_binding},
    {"batch/v1", "Job", &job},
    {"apps/v1", "Deployment", &deployment},
    {"coordination.k8s.io/v1", "Lease", &lease},
    {NULL, NULL, NULL},
};
/* clang-format on */
