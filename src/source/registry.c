#include "base/array.h"
#include "base/text.h"
#include "source/openshift/openshift.h"
#include "source/ova/ova.h"
#include "source/source.h"
#include "source/vsphere/vsphere.h"

#include <stdlib.h>

/* The providers.  A new one is a folder and a row here. */
static const struct source_ops *const providers[] = {
    &openshift_source_ops,
    &ova_source_ops,
    &vsphere_source_ops,
};

const struct source_ops *source_find_ops(const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(providers); i++)
        if (str_eq(providers[i]->type, type))
            return providers[i];
    return NULL;
}

const char *const *source_list_types(void)
{
    static const char *types[ARRAY_SIZE(providers) + 1];

    for (size_t i = 0; i < ARRAY_SIZE(providers); i++)
        types[i] = providers[i]->type;
    return types;
}

void source_disk_access_reset(struct source_disk_access *access)
{
    free(access->uri);
    free(access->format);
    free(access->mount_path);
    free(access->digest);
    free(access->reason);
    free(access->init_image);
    json_decref(access->volume);
    json_decref(access->options);
    json_decref(access->credentials);
    *access = (struct source_disk_access){0};
}

void source_snapshot_list_free_all(struct source_snapshot_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free(list->ptr[i].id);
        free(list->ptr[i].name);
        free(list->ptr[i].description);
    }
    source_snapshot_list_reset(list);
}

void source_snapshot_disk_list_free_all(struct source_snapshot_disk_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free(list->ptr[i].id);
        free(list->ptr[i].name);
        free(list->ptr[i].change_id);
    }
    source_snapshot_disk_list_reset(list);
}
