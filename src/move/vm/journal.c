#include "move/vm/journal.h"

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "kube/conditions.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/history.h"
#include "move/vm/room.h"
#include "net/crypto.h"

#include <stdlib.h>
#include <string.h>

#define RESOURCE "vm-journal"

enum { NAME_DIGEST_BYTES = 12 };

char *journal_marks(const json_t *vm)
{
    const json_t *precopies = obj_arr(vm, "warm.precopies");
    size_t count = json_array_size(precopies);

    return xasprintf("%s/%s/%s/%zu/%s/%s", obj_str(vm, "phase", ""), obj_str(vm, "started", ""),
                     obj_str(vm, "completed", ""), count,
                     obj_str(json_array_get(precopies, count - 1), "snapshot", ""),
                     conditions_is_true(vm, "Canceled") ? "canceled" : "");
}

static char *journal_name(const json_t *plan, const char *vm_id)
{
    CLEANUP(str) char *what = xasprintf("%s/%s", meta_uid(plan), vm_id);
    struct buf name = BUF_INIT(128);
    unsigned char digest[CRYPTO_SHA256_SIZE];

    crypto_sha256(what, strlen(what), digest);
    buf_add(&name, "vm-journal-");
    for (size_t i = 0; i < NAME_DIGEST_BYTES; i++)
        buf_printf(&name, "%02x", digest[i]);
    return buf_take(&name);
}

static const char *migration_of(const json_t *plan)
{
    return obj_str(history_active(obj_at(plan, "status")), "migration.uid", "");
}

int journal_write(struct room *room, const json_t *plan, const json_t *vm, const char *base,
                  bool exists, struct error **err)
{
    CLEANUP(str) char *name = journal_name(plan, obj_str(vm, "id", ""));
    CLEANUP(str) char *text = obj_format(vm);
    json_auto_t *data = obj_pack("{s:s, s:s}", "base", base, "entry", text);
    CLEANUP(error) struct error *failure = NULL;

    if (!exists) {
        json_auto_t *map = meta_new(&KIND_CONFIG_MAP, meta_ns(plan), name);
        obj_take(map, "metadata.labels",
                 obj_pack("{s:s, s:s, s:s}", "plan", meta_uid(plan), "migration",
                          migration_of(plan), "resource", RESOURCE));
        meta_add_owner(map, &KIND_PLAN, plan, false);
        obj_take(map, "data", json_incref(data));
        if (kube_create(room->client, &KIND_CONFIG_MAP, meta_ns(plan), map, NULL, &failure) == 0)
            return 0;
        if (failure->code != ERROR_EXISTS) {
            *err = steal(&failure);
            return error_wrap(err, "cannot keep a journal of VM \"%s\"", obj_str(vm, "name", ""));
        }
    }
    json_auto_t *patch = obj_pack("{s:{s:{s:s}}, s:O}", "metadata", "labels", "migration",
                                  migration_of(plan), "data", data);
    if (kube_patch(room->client, &KIND_CONFIG_MAP, meta_ns(plan), name, NULL, patch, NULL, err) ==
        -1)
        return error_wrap(err, "cannot keep a journal of VM \"%s\"", obj_str(vm, "name", ""));
    return 0;
}

/* Where each VM's entry is, plus 1. */
static struct map *index_of(const json_t *vms)
{
    struct map *index = map_new();

    for (size_t i = 0; i < json_array_size(vms); i++)
        map_put(index, obj_str(json_array_get(vms, i), "id", ""), (void *)(uintptr_t)(i + 1));
    return index;
}

/* True if the journal was newer than the entry and took its place. */
static bool apply(json_t *vms, const struct map *index, const char *migration,
                  const json_t *journal)
{
    const char *text = obj_map_str(obj_obj(journal, "data"), "entry");
    const char *base = obj_map_str(obj_obj(journal, "data"), "base");
    CLEANUP(error) struct error *ignored = NULL; /* somebody's ConfigMap: as if there were none */
    json_auto_t *entry = text != NULL ? obj_parse(text, strlen(text), &ignored) : NULL;

    if (!json_is_object(entry) || !str_eq(meta_label(journal, "migration"), migration))
        return false;
    size_t at = (size_t)(uintptr_t)map_find(index, obj_str(entry, "id", ""));
    if (at == 0)
        return false;
    CLEANUP(str) char *marks = journal_marks(json_array_get(vms, at - 1));
    if (!str_eq(marks, base))
        return false;
    json_array_set(vms, at - 1, entry);
    return true;
}

int journal_apply(struct room *room, json_t *plan, size_t *found, struct error **err)
{
    CLEANUP(str) char *selector = xasprintf("plan=%s,resource=%s", meta_uid(plan), RESOURCE);
    json_t *vms = obj_arr(plan, "status.migration.vms");
    json_auto_t *journals = NULL;

    *found = 0;
    if (kube_list(room->client, &KIND_CONFIG_MAP, meta_ns(plan),
                  &(struct kube_list_options){.label_selector = selector}, &journals, err) == -1)
        return error_wrap(err, "cannot look for journals of VMs");
    if (json_array_size(journals) == 0)
        return 0;
    struct map *index = index_of(vms);
    int result = 0;
    for (size_t i = 0; i < json_array_size(journals) && result == 0; i++) {
        const json_t *journal = json_array_get(journals, i);
        if (apply(vms, index, migration_of(plan), journal))
            (*found)++;
        else
            result =
                kube_delete(room->client, &KIND_CONFIG_MAP, meta_ns(journal), meta_name(journal),
                            meta_uid(journal), KUBE_DELETE_BACKGROUND, err);
    }
    map_free(index, NULL);
    return result;
}

int journal_remove(struct room *room, const json_t *plan, const char *vm_id, struct error **err)
{
    CLEANUP(str) char *name = journal_name(plan, vm_id);

    return kube_delete(room->client, &KIND_CONFIG_MAP, meta_ns(plan), name, NULL,
                       KUBE_DELETE_BACKGROUND, err);
}
