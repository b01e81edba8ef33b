#include "source/ova/ova.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "disk/blob.h"
#include "source/ova/catalog.h"
#include "source/ova/objects.h"
#include "source/ova/share.h"
#include "source/ova/watch.h"

#include <inttypes.h>
#include <string.h>

#define LOG_COMPONENT "ova"
#include "base/log.h"

enum {
    POLL_MS = 10000,  /* between looks at the share when nothing tells of a change */
    PENDING_MS = 500, /* while a file is being written */
};

#define MOUNT_PATH "/ova"

struct ova_source {
    struct source base;
    char *name; /* of the Provider */
    char *uid;
    char *url;
    struct ova_catalog *catalog;
    struct ova_share share; /* server and path are frozen; root belongs to the collector */
};

static struct ova_source *ova_of(struct source *source)
{
    return (struct ova_source *)source;
}

static void ova_close(struct source *source)
{
    struct ova_source *ova = ova_of(source);

    ova_catalog_free(ova->catalog);
    ova_share_reset(&ova->share);
    free(ova->name);
    free(ova->uid);
    free(ova->url);
    free(ova);
}

static int ova_open(const struct source_config *config, struct source **out, struct error **err)
{
    CLEANUP(ova_share) struct ova_share share = OVA_SHARE_INIT;
    const char *url = obj_str(config->provider, "spec.url", NULL);

    if (str_is_empty(url))
        url = obj_str(config->secret, "data.url", NULL);
    if (ova_share_parse(url, &share, err) == -1)
        return -1;

    struct ova_source *ova = xcalloc(1, sizeof(*ova));
    ova->base.ops = &ova_source_ops;
    ova->name = xstrdup(obj_str(config->provider, "metadata.name", ""));
    ova->uid = xstrdup(obj_str(config->provider, "metadata.uid", ""));
    ova->url = xstrdup(url);
    ova->catalog = ova_catalog_new();
    ova->share = share;
    share = OVA_SHARE_INIT;
    *out = &ova->base;
    return 0;
}

/* Attaches a share of its own, as the collector's belongs to the collector. */
static int ova_test(struct source *source, struct cancel *cancel, struct error **err)
{
    CLEANUP(ova_share) struct ova_share share = OVA_SHARE_INIT;

    return ova_share_parse(ova_of(source)->url, &share, err) == -1
               ? -1
               : ova_share_attach(&share, cancel, err);
}

/* Collecting. */

struct round {
    struct ova_source *ova;
    const struct source_sink *sink;
    struct map *networks; /* put in this round */
};

static void put_entry(void *arg, const struct ova_entry *entry)
{
    struct round *round = arg;
    const struct source_sink *sink = round->sink;

    if (entry->package != NULL) {
        ova_objects_put(&round->ova->share, entry, sink, round->networks);
        return;
    }
    CLEANUP(str) char *where = ova_share_display_path(&round->ova->share, entry->path);
    sink->problem(sink->arg, where, entry->problem);
}

static void put_all(struct ova_source *ova, const struct source_sink *sink)
{
    struct round round = {.ova = ova, .sink = sink, .networks = map_new()};

    sink->begin(sink->arg);
    ova_objects_put_storage(ova->uid, ova->name, sink);
    ova_catalog_walk(ova->catalog, put_entry, &round);
    sink->complete(sink->arg);
    map_free(round.networks, NULL);
}

static int follow(struct ova_source *ova, struct ova_watch *watch, const struct source_sink *sink,
                  struct cancel *cancel, struct error **err)
{
    for (bool first = true;; first = false) {
        bool changed = false, pending = false;

        ova_watch_renew(watch, ova->share.root);
        if (ova_catalog_scan(ova->catalog, ova->share.root, &changed, &pending, err) == -1)
            return error_wrap(err, "cannot read \"%s\"", ova->url);
        if (first || changed)
            put_all(ova, sink);
        if (!ova_watch_wait(watch, pending ? PENDING_MS : POLL_MS, cancel))
            return error_set(err, ERROR_CANCELED, "canceled");
    }
}

static int ova_collect(struct source *source, const struct source_sink *sink, struct cancel *cancel,
                       struct error **err)
{
    struct ova_source *ova = ova_of(source);
    CLEANUP(ova_watch) struct ova_watch *watch = NULL;

    if (ova_share_attach(&ova->share, cancel, err) == -1)
        return -1;
    watch = ova_watch_new();
    int result = follow(ova, watch, sink, cancel, err);
    ova_share_detach(&ova->share);
    return result;
}

/* Describing. */

struct describing {
    struct ova_source *ova;
    struct machine *machine;
};

static void describe_entry(void *arg, const struct ova_entry *entry, size_t system)
{
    struct describing *describing = arg;

    describing->machine =
        ova_objects_describe(&describing->ova->share, entry, system, describing->ova->uid);
}

static int set_unknown(const json_t *vm, struct error **err)
{
    return error_set(err, ERROR_NOT_FOUND, "no package of the share has the machine \"%s\"",
                     obj_str(vm, "id", ""));
}

static int ova_describe(struct source *source, const json_t *vm, struct machine **out,
                        struct error **err)
{
    struct describing describing = {.ova = ova_of(source)};

    if (!ova_catalog_find(describing.ova->catalog, obj_str(vm, "id", ""), describe_entry,
                          &describing))
        return set_unknown(vm, err);
    *out = describing.machine;
    return 0;
}

struct accessing {
    struct ova_source *ova;
    size_t disk;
    struct source_disk_access *access;
    struct error **err;
    int result;
};

/* "PATH below the mount": of the archive's member, or of the file beside the descriptor. */
static char *access_uri(const struct ova_package *package, const char *name)
{
    if (package->is_archive)
        return xasprintf("ova:" MOUNT_PATH "/%s#%s", package->path, name);

    CLEANUP(str) char *path = ova_package_sibling(package, name);
    return xasprintf(MOUNT_PATH "/%s", path);
}

/* Of a file that was cut into chunks the manifest names the chunks. */
static json_t *expect_chunks(const struct ova_package *package, const char *name)
{
    json_t *options = NULL;

    for (unsigned i = 0; i < BLOB_MAX_CHUNKS; i++) {
        CLEANUP(str) char *chunk = blob_chunk_name(name, i);
        const struct manifest_entry *entry = manifest_find(&package->manifest, chunk);

        if (entry == NULL)
            continue;
        CLEANUP(str) char *digest = manifest_format_digest(entry);
        CLEANUP(str) char *wanted = xasprintf("%u:%s", i, digest);
        if (options == NULL)
            options = json_array();
        json_array_append_new(options, json_string("--expect-chunk"));
        json_array_append_new(options, json_string(wanted));
    }
    return options;
}

static void fill_access(struct accessing *accessing, const struct ova_package *package,
                        const struct ovf_disk *disk)
{
    struct source_disk_access *access = accessing->access;

    if (disk->file == OVF_NONE) { /* it starts empty */
        access->uri = xasprintf("zero:%" PRIu64, disk->capacity_bytes);
        return;
    }
    const struct ovf_file *file = &package->ovf->files.ptr[disk->file];
    const char *name = package->names.ptr[disk->file];
    const struct manifest_entry *entry = manifest_find(&package->manifest, name);
    access->uri = access_uri(package, name);
    /* What is compressed as a whole is told by its content. */
    if (!file->gzip && disk->format != NULL && strcasestr(disk->format, "vmdk") != NULL)
        access->format = xstrdup("vmdk");
    access->volume = ova_share_volume(&accessing->ova->share);
    access->mount_path = xstrdup(MOUNT_PATH);
    access->digest = entry ? manifest_format_digest(entry) : NULL;
    access->options = file->chunk_size != 0 ? expect_chunks(package, name) : NULL;
}

static void access_entry(void *arg, const struct ova_entry *entry, size_t system)
{
    struct accessing *accessing = arg;
    const struct ovf *ovf = entry->package->ovf;
    const struct ovf_drive_list *drives = &ovf->systems.ptr[system].drives;

    if (accessing->disk >= drives->len)
        accessing->result = error_set(accessing->err, ERROR_NOT_FOUND,
                                      "the machine has no disk %zu", accessing->disk);
    else
        fill_access(accessing, entry->package,
                    &ovf->disks.ptr[drives->ptr[accessing->disk].disk]);
}

static int ova_disk_access(struct source *source, const json_t *vm, const struct machine *machine,
                           size_t disk, const char *snapshot, struct source_disk_access *access, struct error **err)
{
    struct ova_source *ova = ova_of(source);
    struct accessing accessing = {.ova = ova, .disk = disk, .access = access, .err = err};

    if (!ova_catalog_find(ova->catalog, obj_str(vm, "id", ""), access_entry, &accessing))
        return set_unknown(vm, err);
    return accessing.result;
}

const struct source_ops ova_source_ops = {
    .type = "ova",
    .needs_conversion = true,
    .open = ova_open,
    .close = ova_close,
    .test = ova_test,
    .collect = ova_collect,
    .describe = ova_describe,
    .disk_access = ova_disk_access,
};
