#include "move/vm/volumes.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/quantity.h"
#include "move/vm/disk_names.h"
#include "move/vm/labels.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MIB = 1024 * 1024 };

uint64_t volume_size(uint64_t capacity_bytes)
{
    return (capacity_bytes / MIB + (capacity_bytes % MIB != 0)) * MIB;
}

bool volume_is_block(const json_t *claim)
{
    return str_eq(obj_str(claim, "spec.volumeMode", NULL), "Block");
}

int volumes_list(struct vm_run *run, json_t **claims, struct error **err)
{
    CLEANUP(str) char *selector =
        labels_selector(run->view->plan, run->migration, vm_run_id(run), NULL);
    json_auto_t *items = NULL;

    if (vm_run_describe(run, err) == -1 ||
        kube_list(run->view->room->client, &KIND_PVC, vm_run_target_ns(run),
                  &(struct kube_list_options){.label_selector = selector}, &items, err) == -1)
        return error_wrap(err, "cannot look for the VM's volumes");

    *claims = json_array();
    for (size_t i = 0; i < run->machine->disks.len; i++)
        json_array_append_new(*claims, json_null());
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *claim = json_array_get(items, i);
        const char *index = meta_annotation(claim, ANNOTATION_DISK_INDEX);
        uint64_t at;
        if (index != NULL && span_u64(span_of(index), &at) && at < json_array_size(*claims))
            json_array_set(*claims, at, claim);
    }
    return 0;
}

static json_t *claim_manifest(struct vm_run *run, size_t index, const json_t *destination,
                              const struct disk_name *name)
{
    const struct machine_disk *disk = &run->machine->disks.ptr[index];
    CLEANUP(str) char *position = xasprintf("%zu", index);
    CLEANUP(str) char *size = quantity_format_bytes(volume_size(disk->capacity_bytes));
    const char *mode = obj_str(destination, "volumeMode", "");
    const char *access = obj_str(destination, "accessMode", "");
    json_t *claim = name->generate
                        ? meta_new_generated(&KIND_PVC, vm_run_target_ns(run), name->text)
                        : meta_new(&KIND_PVC, vm_run_target_ns(run), name->text);

    obj_take(claim, "metadata.labels",
             labels_new(run->view->plan, run->migration, vm_run_id(run)));
    meta_set_annotation(claim, ANNOTATION_DISK_INDEX, position);
    meta_set_annotation(claim, ANNOTATION_DISK_SOURCE, disk->name);
    obj_take(claim, "spec",
             obj_pack("{s:[s], s:s, s:s, s:{s:{s:s}}}", "accessModes",
                      access[0] != '\0' ? access : "ReadWriteOnce", "storageClassName",
                      obj_str(destination, "storageClass", ""), "volumeMode",
                      mode[0] != '\0' ? mode : "Filesystem", "resources", "requests", "storage",
                      size));
    return claim;
}

/* Makes the claim of disk INDEX. */
static int create_claim(struct vm_run *run, size_t index, struct error **err)
{
    const struct machine_disk *disk = &run->machine->disks.ptr[index];
    const json_t *destination = mapping_find_storage(&run->view->storages, disk);
    CLEANUP(disk_name) struct disk_name name = {0};

    if (destination == NULL) {
        error_set(err, ERROR_INVALID, "the storage map does not name the storage of disk \"%s\"",
                  disk->name);
        return error_hint(err, "add it to the map");
    }
    disk_name_make(run, index, &name);
    json_auto_t *claim = claim_manifest(run, index, destination, &name);
    if (kube_create(run->view->room->client, &KIND_PVC, vm_run_target_ns(run), claim, NULL, err) ==
        -1)
        return error_wrap(err, "cannot make a volume for disk \"%s\"", disk->name);
    return 0;
}

int volumes_create_missing(struct vm_run *run, struct error **err)
{
    json_auto_t *claims = NULL;

    if (volumes_list(run, &claims, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(claims); i++)
        if (!json_is_object(json_array_get(claims, i)) && create_claim(run, i, err) == -1)
            return -1;
    return 0;
}

void volume_add_to_pod(json_t *pod_spec, const json_t *claim, const char *name, const char *path)
{
    obj_take(pod_spec, "volumes[]",
             obj_pack("{s:s, s:{s:s}}", "name", name, "persistentVolumeClaim", "claimName",
                      meta_name(claim)));
    if (volume_is_block(claim))
        obj_take(pod_spec, "containers[0].volumeDevices[]",
                 obj_pack("{s:s, s:s}", "name", name, "devicePath", path));
    else
        obj_take(pod_spec, "containers[0].volumeMounts[]",
                 obj_pack("{s:s, s:s}", "name", name, "mountPath", path));
}

char *volume_disk_path(const json_t *claim, const char *path)
{
    return volume_is_block(claim) ? xstrdup(path) : xasprintf("%s/disk.img", path);
}
