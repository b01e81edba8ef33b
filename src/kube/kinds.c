#include "kube/kinds.h"

#include <stddef.h>

#define FORKLIFT "forklift.konveyor.io"
#define RBAC     "rbac.authorization.k8s.io"

/* clang-format off */
#define DEFINE_KIND(id, ...) const struct kube_kind id = {__VA_ARGS__};

DEFINE_KIND(KIND_NAMESPACE,       "", "v1", "namespaces",             "Namespace", true)
DEFINE_KIND(KIND_SECRET,          "", "v1", "secrets",                "Secret", false)
DEFINE_KIND(KIND_CONFIG_MAP,      "", "v1", "configmaps",             "ConfigMap", false)
DEFINE_KIND(KIND_SERVICE_ACCOUNT, "", "v1", "serviceaccounts",        "ServiceAccount", false)
DEFINE_KIND(KIND_EVENT,           "", "v1", "events",                 "Event", false)
DEFINE_KIND(KIND_POD,             "", "v1", "pods",                   "Pod", false)
DEFINE_KIND(KIND_NODE,            "", "v1", "nodes",                  "Node", true)
DEFINE_KIND(KIND_PVC,             "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", false)
DEFINE_KIND(KIND_PV,              "", "v1", "persistentvolumes",      "PersistentVolume", true)
DEFINE_KIND(KIND_SERVICE,         "", "v1", "services",               "Service", false)

DEFINE_KIND(KIND_DEPLOYMENT,    "apps", "v1", "deployments", "Deployment", false)
DEFINE_KIND(KIND_JOB,           "batch", "v1", "jobs", "Job", false)
DEFINE_KIND(KIND_LEASE,         "coordination.k8s.io", "v1", "leases", "Lease", false)
DEFINE_KIND(KIND_STORAGE_CLASS, "storage.k8s.io", "v1", "storageclasses", "StorageClass", true)
DEFINE_KIND(KIND_CRD,           "apiextensions.k8s.io", "v1", "customresourcedefinitions",
            "CustomResourceDefinition", true)
DEFINE_KIND(KIND_ROLE,                 RBAC, "v1", "roles", "Role", false)
DEFINE_KIND(KIND_ROLE_BINDING,         RBAC, "v1", "rolebindings", "RoleBinding", false)
DEFINE_KIND(KIND_CLUSTER_ROLE,         RBAC, "v1", "clusterroles", "ClusterRole", true)
DEFINE_KIND(KIND_CLUSTER_ROLE_BINDING, RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", true)

DEFINE_KIND(KIND_PROVIDER,    FORKLIFT, "v1beta1", "providers",   "Provider", false)
DEFINE_KIND(KIND_HOST,        FORKLIFT, "v1beta1", "hosts",       "Host", false)
DEFINE_KIND(KIND_NETWORK_MAP, FORKLIFT, "v1beta1", "networkmaps", "NetworkMap", false)
DEFINE_KIND(KIND_STORAGE_MAP, FORKLIFT, "v1beta1", "storagemaps", "StorageMap", false)
DEFINE_KIND(KIND_PLAN,        FORKLIFT, "v1beta1", "plans",       "Plan", false)
DEFINE_KIND(KIND_MIGRATION,   FORKLIFT, "v1beta1", "migrations",  "Migration", false)
DEFINE_KIND(KIND_HOOK,        FORKLIFT, "v1beta1", "hooks",       "Hook", false)
DEFINE_KIND(KIND_CONVERSION,  FORKLIFT, "v1beta1", "conversions", "Conversion", false)
DEFINE_KIND(KIND_FORKLIFT_CONTROLLER, FORKLIFT, "v1beta1", "forkliftcontrollers",
            "ForkliftController", false)

DEFINE_KIND(KIND_VM,   "kubevirt.io", "v1", "virtualmachines", "VirtualMachine", false)
DEFINE_KIND(KIND_VMI,  "kubevirt.io", "v1", "virtualmachineinstances",
            "VirtualMachineInstance", false)
DEFINE_KIND(KIND_VMIM, "kubevirt.io", "v1", "virtualmachineinstancemigrations",
            "VirtualMachineInstanceMigration", false)
DEFINE_KIND(KIND_KUBEVIRT, "kubevirt.io", "v1", "kubevirts", "KubeVirt", false)
DEFINE_KIND(KIND_MIGRATION_POLICY, "migrations.kubevirt.io", "v1alpha1", "migrationpolicies",
            "MigrationPolicy", true)
DEFINE_KIND(KIND_DATA_VOLUME, "cdi.kubevirt.io", "v1beta1", "datavolumes", "DataVolume", false)
DEFINE_KIND(KIND_STORAGE_PROFILE, "cdi.kubevirt.io", "v1beta1", "storageprofiles",
            "StorageProfile", true)
DEFINE_KIND(KIND_NETWORK_ATTACHMENT, "k8s.cni.cncf.io", "v1", "network-attachment-definitions",
            "NetworkAttachmentDefinition", false)
/* clang-format on */
