/* A path of this machine in an object is read or written by gantry with its own rights: as a Pod's
 * hostPath, a machine's hostDisk, or the folder of an OVA provider.  So only those may name one who
 * may use OpenShift's constraint "hostmount-anyuid", which is the name that clusters know for it;
 * administrators and gantry's own controllers may. */
#include "apiserver/host_paths.h"

#include "apiserver/authz.h"
#include "apiserver/call.h"
#include "apiserver/server.h"
#include "base/array.h"
#include "base/mem.h"
#include "base/text.h"
#include "kube/meta.h"

#define CONSTRAINT_GROUP "security.openshift.io"
#define CONSTRAINT_PLURAL "securitycontextconstraints"
#define CONSTRAINT_NAME "hostmount-anyuid"

/* Where pods and machines have their volumes: themselves, and what makes them. */
static const char *const volume_paths[] = {
    "spec.volumes",
    "spec.template.spec.volumes",
    "spec.jobTemplate.spec.template.spec.volumes",
};

static void add_volumes(json_t *paths, const json_t *volumes)
{
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *volume = json_array_get(volumes, i);
        const char *path = obj_str(volume, "hostPath.path", obj_str(volume, "hostDisk.path", NULL));

        if (path != NULL)
            json_array_append_new(paths, json_string(path));
    }
}

/* The paths that OBJECT names, a new array of strings in their order. */
static json_t *find_paths(const struct call *call, const json_t *object)
{
    const struct kube_type *type = call->served->type;
    json_t *paths = json_array();

    for (size_t i = 0; object != NULL && i < ARRAY_SIZE(volume_paths); i++)
        add_volumes(paths, obj_arr(object, volume_paths[i]));
    if (str_eq(type->group, "forklift.konveyor.io") && str_eq(type->kind, "Provider") &&
        str_eq(obj_str(object, "spec.type", ""), "ova") &&
        str_starts_with(obj_str(object, "spec.url", ""), "/"))
        json_array_append_new(paths, json_string(obj_str(object, "spec.url", "")));
    return paths;
}

int host_paths_check(struct call *call, const json_t *object, const json_t *old)
{
    json_auto_t *paths = find_paths(call, object);
    json_auto_t *before = find_paths(call, old);

    if (json_array_size(paths) == 0 || obj_eq(paths, before))
        return 0;
    const struct authz_request request = {
        .user = call->user,
        .verb = "use",
        .group = CONSTRAINT_GROUP,
        .resource = CONSTRAINT_PLURAL,
        .subresource = "",
        .ns = meta_ns(object),
        .name = CONSTRAINT_NAME,
    };
    if (authorizer_allows(call->server->authorizer, &request))
        return 0;
    CLEANUP(str) char *detail = xasprintf(
        "\"%s\" is a path of this machine, and user \"%s\" may not use %s/%s \"%s\"",
        json_string_value(json_array_get(paths, 0)), call->user->name, CONSTRAINT_GROUP,
        CONSTRAINT_PLURAL, CONSTRAINT_NAME);
    return fail_forbidden(&call->failure, call->group, call->plural, meta_name(object), detail);
}
