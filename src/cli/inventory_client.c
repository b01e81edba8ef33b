#include "cli/inventory_client.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/vm_fields.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <inttypes.h>
#include <string.h>

enum { TIMEOUT_MS = 280 * 1000, PAGE = 500 };

static int get(struct kube_client *client, const char *path, json_t **out, struct error **err)
{
    const struct kube_request request = {.method = "GET", .path = path, .timeout_ms = TIMEOUT_MS};

    return kube_raw(client, &request, out, err);
}

int inventory_client_provider(struct kube_client *client, const char *ns, const char *name,
                              json_t **provider, struct error **err)
{
    const char *slash = strchr(name, '/');
    CLEANUP(str) char *own_ns = slash != NULL ? xstrndup(name, (size_t)(slash - name)) : NULL;
    json_auto_t *found = NULL;

    if (own_ns != NULL)
        ns = own_ns;
    if (slash != NULL)
        name = slash + 1;
    if (kube_get(client, &KIND_PROVIDER, ns, name, &found, err) == -1)
        return -1;
    if (found == NULL) {
        error_set(err, ERROR_NOT_FOUND, "there is no provider \"%s\" in namespace \"%s\"", name,
                  ns);
        return error_hint(err, "gantry get inventory provider -A lists all of them");
    }
    *provider = json_incref(found);
    return 0;
}

static int still_loading(const json_t *provider, struct error **err)
{
    error_set(err, ERROR_UNAVAILABLE, "the inventory of provider \"%s\" is still being loaded",
              meta_name(provider));
    return error_hint(err, "its conditions tell how far it is: kubectl describe provider -n %s %s",
                      meta_ns(provider), meta_name(provider));
}

/* Appends a page to ROWS; *COUNT is how many came. */
static int read_page(struct kube_client *client, const json_t *provider, const char *collection,
                     json_t *rows, size_t *count, struct error **err)
{
    CLEANUP(str)
    char *path = xasprintf("/providers/%s/%s/%s?detail=4&limit=%d&offset=%zu",
                           obj_str(provider, "spec.type", ""), meta_uid(provider), collection,
                           PAGE, json_array_size(rows));
    json_auto_t *page = NULL;

    if (get(client, path, &page, err) == -1)
        return error_wrap(err, "inventory of provider \"%s\"", meta_name(provider));
    if (page == NULL)
        return still_loading(provider, err);
    if (!json_is_array(page))
        return error_set(err, ERROR_CORRUPT, "the inventory answers with %s, not a list",
                         obj_type_name(page));
    *count = json_array_size(page);
    json_array_extend(rows, page);
    return 0;
}

int inventory_client_list(struct kube_client *client, const json_t *provider,
                          const char *collection, json_t **rows, struct error **err)
{
    json_auto_t *all = json_array();
    size_t count = PAGE;

    while (count == PAGE)
        if (read_page(client, provider, collection, all, &count, err) == -1)
            return -1;
    for (size_t i = 0; str_eq(collection, "vms") && i < json_array_size(all); i++)
        vm_fields_add(json_array_get(all, i), meta_name(provider));
    *rows = json_incref(all);
    return 0;
}

/* The id of the machine that is called VM. */
static int find_id(struct kube_client *client, const json_t *provider, const char *vm, char **id,
                   struct error **err)
{
    json_auto_t *rows = NULL;

    if (inventory_client_list(client, provider, "vms", &rows, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *row_id = obj_str(row, "id", "");
        if (str_eq(row_id, vm)) {
            free(*id);
            *id = xstrdup(row_id);
            return 0;
        }
        if (!str_eq(obj_str(row, "name", ""), vm))
            continue;
        if (*id != NULL) {
            free(*id);
            *id = NULL;
            return error_set(err, ERROR_INVALID,
                             "several machines are called \"%s\": use the id", vm);
        }
        *id = xstrdup(row_id);
    }
    if (*id == NULL)
        return error_set(err, ERROR_NOT_FOUND, "provider \"%s\" has no machine \"%s\"",
                         meta_name(provider), vm);
    return 0;
}

int inventory_client_workload(struct kube_client *client, const json_t *provider, const char *vm,
                              json_t **workload, struct error **err)
{
    CLEANUP(str) char *id = NULL;
    json_auto_t *found = NULL;

    if (find_id(client, provider, vm, &id, err) == -1)
        return -1;
    CLEANUP(str)
    char *path = xasprintf("/providers/%s/%s/workloads/%s", obj_str(provider, "spec.type", ""),
                           meta_uid(provider), id);
    if (get(client, path, &found, err) == -1)
        return error_wrap(err, "machine \"%s\"", vm);
    if (found == NULL)
        return still_loading(provider, err);
    *workload = json_incref(found);
    return 0;
}

int inventory_client_providers(struct kube_client *client, const char *ns, json_t **rows,
                               struct error **err)
{
    CLEANUP(str)
    char *path = ns != NULL ? xasprintf("/providers?detail=1&namespace=%s", ns)
                            : xstrdup("/providers?detail=1");
    json_auto_t *types = NULL;
    json_auto_t *all = json_array();
    const char *type;
    json_t *list;

    if (get(client, path, &types, err) == -1)
        return error_wrap(err, "inventory");
    json_object_foreach(types, type, list) json_array_extend(all, list);
    *rows = json_incref(all);
    return 0;
}
