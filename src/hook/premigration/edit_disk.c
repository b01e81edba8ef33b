/* Where disks lie on the target: paths of another namespace, files and block devices, slices, and the
 * way the target's storage wants to be driven. */
#include "hook/premigration/edits.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/dom.h"
#include "hook/premigration/facts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

char *edit_alias(struct dom_node *node)
{
    struct dom_node *alias = dom_first(node, "alias");
    CLEANUP(str) char *name = alias == NULL ? NULL : dom_attr(alias, "name");

    if (name == NULL || !str_starts_with(name, "ua-"))
        return NULL;
    return xstrdup(name + strlen("ua-"));
}

static struct dom_node *first_device(struct dom_node *domain, const char *name)
{
    struct dom_node *devices = dom_first(domain, "devices");

    return devices == NULL ? NULL : dom_first(devices, name);
}

/* The source that holds a disk's data: inside a dataStore where there is an overlay. */
static struct dom_node *data_source(struct dom_node *disk)
{
    struct dom_node *inner = dom_find(disk, "source/dataStore/source");

    return inner != NULL ? inner : dom_first(disk, "source");
}

bool disk_path_applies(const struct facts *facts, struct dom_node *domain)
{
    const char *from = facts->source_ns != NULL ? facts->source_ns : facts->ns;

    return facts->target_ns != NULL && from != NULL && !str_eq(from, facts->target_ns);
}

/* The first "/FROM/" of @file becomes "/TO/". */
static void move_path(struct dom_node *source, const char *from, const char *to)
{
    CLEANUP(str) char *file = source == NULL ? NULL : dom_attr(source, "file");
    CLEANUP(str) char *part = xasprintf("/%s/", from);
    const char *found = file == NULL ? NULL : strstr(file, part);

    if (found == NULL)
        return;

    CLEANUP(str) char *moved = xasprintf("%.*s/%s/%s", (int)(found - file), file, to,
                                         found + strlen(part));
    dom_set_attr(source, "file", moved);
}

int disk_path_edit(const struct facts *facts, struct dom *dom, struct error **err)
{
    const char *from = facts->source_ns != NULL ? facts->source_ns : facts->ns;

    for (struct dom_node *disk = first_device(dom_root(dom), "disk"); disk != NULL;
         disk = dom_next(disk, "disk")) {
        move_path(dom_first(disk, "source"), from, facts->target_ns);
        move_path(dom_find(disk, "source/dataStore/source"), from, facts->target_ns);
    }
    return 0;
}

/* The machine's own files (console, firmware variables) lie in another folder here. */
bool folder_applies(const struct facts *facts, struct dom_node *domain)
{
    return !str_is_empty(facts->source_folder) && !str_is_empty(facts->target_folder) &&
           !str_eq(facts->source_folder, facts->target_folder);
}

int folder_edit(const struct facts *facts, struct dom *dom, struct error **err)
{
    CLEANUP(str) char *from = xasprintf("%s/", facts->source_folder);
    CLEANUP(str) char *to = xasprintf("%s/", facts->target_folder);

    if (from[0] != '/' || to[0] != '/' || str_eq(from, "//"))
        return error_set(err, ERROR_INVALID, "\"%s\" and \"%s\" are no folders of a machine",
                         facts->source_folder, facts->target_folder);
    if (strstr(to, from) != NULL) /* a second run would find it again */
        return error_set(err, ERROR_INVALID, "the target's folder \"%s\" lies in the source's \"%s\"",
                         facts->target_folder, facts->source_folder);
    dom_replace_text(dom, from, to);
    return 0;
}

static const struct fact_volume *find_volume(const struct facts *facts, struct dom_node *disk)
{
    CLEANUP(str) char *alias = edit_alias(disk);

    for (size_t i = 0; alias != NULL && i < facts->volumes.len; i++)
        if (strcmp(facts->volumes.ptr[i].name, alias) == 0)
            return &facts->volumes.ptr[i];
    return NULL;
}

bool volume_applies(const struct facts *facts, struct dom_node *domain)
{
    for (struct dom_node *disk = first_device(domain, "disk"); disk != NULL;
         disk = dom_next(disk, "disk"))
        if (find_volume(facts, disk) != NULL)
            return true;
    return false;
}

static void put_place(struct dom_node *disk, const struct fact_volume *volume)
{
    struct dom_node *source = data_source(disk);

    if (source == NULL || (volume->file == NULL && volume->block == NULL))
        return;
    dom_del_attr(source, volume->file != NULL ? "dev" : "file");
    dom_set_attr(source, volume->file != NULL ? "file" : "dev",
                 volume->file != NULL ? volume->file : volume->block);
    /* the type belongs to the element around the source: the disk, or the dataStore */
    dom_set_attr(dom_parent(source), "type", volume->file != NULL ? "file" : "block");
}

static void put_slice(struct dom_node *disk, const struct fact_volume *volume)
{
    struct dom_node *source = data_source(disk);

    if (source == NULL || volume->slice_bytes == 0 || dom_first(source, "slices") != NULL)
        return;

    struct dom_node *slice = dom_need(source, "slices/slice");
    dom_set_attr(slice, "type", "storage");
    dom_set_attr(slice, "offset", "0");
    dom_set_attr_int(slice, "size", (long long)volume->slice_bytes);
}

static void put_driver(struct dom_node *disk, const struct fact_volume *volume)
{
    const struct {
        const char *name, *value;
    } attrs[] = {{"cache", volume->cache}, {"discard", volume->discard}, {"io", volume->io}};

    for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
        if (attrs[i].value != NULL)
            dom_set_attr(dom_need(disk, "driver"), attrs[i].name, attrs[i].value);
}

int volume_edit(const struct facts *facts, struct dom *dom, struct error **err)
{
    for (struct dom_node *disk = first_device(dom_root(dom), "disk"); disk != NULL;
         disk = dom_next(disk, "disk")) {
        const struct fact_volume *volume = find_volume(facts, disk);

        if (volume == NULL)
            continue;
        put_place(disk, volume);
        put_slice(disk, volume);
        put_driver(disk, volume);
    }
    return 0;
}
