#include "hook/premigration/source_side.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/dom.h"
#include "data/obj.h"
#include "hook/premigration/chain.h"
#include "hook/premigration/facts.h"

#include <string.h>

static struct dom_node *first_disk(struct dom *dom)
{
    return dom_find(dom_root(dom), "devices/disk");
}

/* True if the disk called NAME is of the other kind than the target's volume. */
static bool changes_kind(struct dom *dom, const struct source_volume *volume)
{
    CLEANUP(str) char *alias = xasprintf("ua-%s", volume->name);

    for (struct dom_node *disk = first_disk(dom); disk != NULL; disk = dom_next(disk, "disk")) {
        struct dom_node *name = dom_first(disk, "alias");
        struct dom_node *source = dom_find(disk, "source/dataStore/source");

        if (name == NULL || !dom_attr_is(name, "name", alias))
            continue;
        source = source != NULL ? source : dom_first(disk, "source");
        if (source == NULL)
            return false;

        CLEANUP(str) char *path = dom_attr(source, volume->file != NULL ? "file" : "dev");
        return path == NULL;
    }
    return false;
}

static json_t *make_volumes(const struct source_side *side, struct dom *dom)
{
    json_t *list = json_array();

    for (size_t i = 0; i < side->volume_count; i++) {
        const struct source_volume *volume = &side->volumes[i];
        json_t *fact = json_pack("{s:s, s:I}", "name", volume->name, "sliceBytes",
                                 (json_int_t)volume->size_bytes);

        if (changes_kind(dom, volume)) {
            json_object_set_new(fact, "file",
                                volume->file == NULL ? json_null() : json_string(volume->file));
            json_object_set_new(fact, "block",
                                volume->block == NULL ? json_null() : json_string(volume->block));
        }
        json_array_append_new(list, fact);
    }
    return list;
}

static int make_cpu(const struct source_side *side, json_t **out, struct error **err)
{
    json_auto_t *cpu = json_deep_copy(side->cpu);

    if (side->target_cpuset == NULL || side->target_topology == NULL)
        return error_set(err, ERROR_INVALID,
                         "dedicated processors, but no targetCPUSet or no targetNodeTopology");

    json_t *topology = obj_parse(side->target_topology, strlen(side->target_topology), err);
    if (topology == NULL)
        return error_wrap(err, "targetNodeTopology");
    json_object_set_new(cpu, "topology", topology);
    json_object_set_new(cpu, "cpuset", json_deep_copy(side->target_cpuset));
    json_object_set_new(cpu, "dedicated", json_true());
    *out = json_incref(cpu);
    return 0;
}

/* The facts with which the target's own edits do what the source has to. */
static int make_facts(const struct source_side *side, struct dom *dom, struct facts **out,
                      struct error **err)
{
    json_auto_t *context = json_object();

    json_object_set_new(context, "volumes", make_volumes(side, dom));
    if (side->uid != NULL && side->target_uid != NULL) {
        json_object_set_new(context, "source", json_pack("{s:s}", "vmiUID", side->uid));
        json_object_set_new(context, "target", json_pack("{s:s}", "vmiUID", side->target_uid));
    }
    if (!side->target_has_hooks && side->cpu != NULL) {
        json_t *cpu = NULL;

        if (make_cpu(side, &cpu, err) == -1)
            return -1;
        json_object_set_new(context, "cpu", cpu);
    }

    CLEANUP(str) char *text = json_dumps(context, JSON_COMPACT);
    if (text == NULL)
        return error_set(err, ERROR_INVALID, "a name or path is no UTF-8");
    return facts_parse(text, strlen(text), out, err);
}

static int put_disk_files(const struct source_side *side, struct dom *dom, struct error **err)
{
    size_t count = 0;

    for (struct dom_node *disk = first_disk(dom); disk != NULL; disk = dom_next(disk, "disk"))
        count++;
    if (count != side->disk_count)
        return error_set(err, ERROR_INVALID, "the definition has %zu disks, the target %zu", count,
                         side->disk_count);
    count = 0;
    for (struct dom_node *disk = first_disk(dom); disk != NULL; disk = dom_next(disk, "disk")) {
        struct dom_node *source = dom_first(disk, "source");
        const char *file = side->disk_files[count++];
        CLEANUP(str) char *path = source == NULL ? NULL : dom_attr(source, "file");

        if (file != NULL && path != NULL)
            dom_set_attr(source, "file", file);
    }
    return 0;
}

int source_side_edit(const struct source_side *side, const char *xml, size_t len, char **out,
                     struct error **err)
{
    struct dom *parsed = NULL;
    struct facts *made = NULL;

    if (dom_parse(xml, len, &parsed, err) == -1)
        return error_wrap(err, "the machine's definition");
    CLEANUP(dom) struct dom *dom = parsed;
    if (!side->target_has_hooks && side->disk_count > 0 && put_disk_files(side, dom, err) == -1)
        return -1;
    if (make_facts(side, dom, &made, err) == -1)
        return -1;

    CLEANUP(facts) struct facts *facts = made;
    CLEANUP(str) char *text = dom_format(dom);
    const struct chain chain = {.facts = facts};
    return chain_run(&chain, text, strlen(text), out, err);
}
