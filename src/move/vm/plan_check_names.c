#include "move/vm/plan_check_names.h"

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "move/vm/disk_names.h"
#include "move/vm/name_templates.h"

#include <stdlib.h>
#include <string.h>

/* Reasons and messages of the one condition type that Forklift has for all of them. */
static const struct words {
    const char *reason, *invalid, *twice_reason, *twice;
} words[NAME_USES] = {
    [NAME_OF_CLAIM] = {"PVCNameTemplate", "templates for the names of volumes are not valid",
                       "PVCNameNotUnique", "templates give several volumes the same name"},
    [NAME_OF_VOLUME] = {"VolumeNameTemplate",
                        "templates for the names of the machine's volumes are not valid",
                        "VolumeNameNotUnique", "templates give several volumes of a machine the same name"},
    [NAME_OF_NETWORK] = {"NetworkNameTemplate",
                         "templates for the names of networks are not valid",
                         "NetworkNameNotUnique", "templates give several networks of a machine the same name"},
};

static void add_invalid(struct plan_view *view, enum name_use use, const char *where,
                        const struct error *failure)
{
    CLEANUP(str) char *why = error_format(failure);
    CLEANUP(str) char *item = xasprintf("%s: %s", where, why);

    finding_add_item(view->status, "NotValid", CONDITION_CRITICAL, words[use].reason,
                     error_get_hint(failure), words[use].invalid, item);
}

/* True if TEMPLATE works at all. */
static bool check_template(struct plan_view *view, enum name_use use, const char *where,
                           const char *template)
{
    CLEANUP(error) struct error *failure = NULL;

    if (name_template_check(use, template, &failure) == 0)
        return true;
    add_invalid(view, use, where, failure);
    return false;
}

void plan_check_templates(struct plan_view *view)
{
    const json_t *vms = obj_arr(view->plan, "spec.vms");
    const json_t *spec = obj_obj(view->plan, "spec");

    for (enum name_use use = 0; use < NAME_USES; use++) {
        const char *field = name_template_field(use);

        check_template(view, use, "plan", obj_str(spec, field, NULL));
        for (size_t i = 0; i < json_array_size(vms); i++) {
            const json_t *vm = json_array_get(vms, i);
            check_template(view, use, obj_str(vm, "name", obj_str(vm, "id", "")),
                           obj_str(vm, field, NULL));
        }
    }
}

/* --- with a machine's own data ------------------------------------------------------------------ */

struct check {
    struct plan_view *view;
    const struct machine *machine;
    struct name_subject subject;
    enum name_use use;
    const char *template; /* NULL: nobody wrote one */
    struct map *names;    /* so far, to whose they are */
};

/* The name with DATA, or NULL after staging what is wrong. */
static char *try_name(const struct check *check, const json_t *data)
{
    CLEANUP(error) struct error *failure = NULL;
    char *name = name_template_render(check->use, check->template, data, &failure);

    if (name == NULL)
        add_invalid(check->view, check->use, check->machine->name, failure);
    return name;
}

static void note_name(const struct check *check, const char *name)
{
    char *owner = xstrdup(check->machine->name);
    char *before = map_put(check->names, name, owner);

    if (before == NULL)
        return;
    CLEANUP(str)
    char *item = str_eq(before, owner) ? xasprintf("%s: \"%s\"", owner, name)
                                       : xasprintf("%s and %s: \"%s\"", before, owner, name);
    finding_add_item(check->view->status, "NotValid", CONDITION_CRITICAL,
                     words[check->use].twice_reason, "use the index in the template",
                     words[check->use].twice, item);
    free(before);
}

static void check_claims(struct check *check, bool whole)
{
    for (size_t i = 0; i < check->machine->disks.len; i++) {
        json_auto_t *data =
            name_data_claim(&check->subject, i, &check->machine->disks.ptr[i]);
        CLEANUP(str) char *name = try_name(check, data);

        if (name == NULL)
            return; /* one disk tells enough */
        if (whole)
            note_name(check, name);
    }
}

static void check_volumes(struct check *check)
{
    for (size_t i = 0; i < check->machine->disks.len; i++) {
        CLEANUP(str) char *claim = xasprintf("claim-%zu", i);
        json_auto_t *data = name_data_volume(&check->subject, i, claim);
        CLEANUP(str) char *name = try_name(check, data);

        if (name == NULL)
            return;
        note_name(check, name);
    }
}

static void check_networks(struct check *check)
{
    struct mapping *networks = &check->view->networks;
    size_t count = 0;

    mapping_release(networks);
    for (size_t i = 0; i < check->machine->nics.len; i++) {
        const json_t *destination = mapping_take_network(networks, &check->machine->nics.ptr[i]);
        if (destination == NULL || str_eq(obj_str(destination, "type", "ignored"), "ignored"))
            continue;
        json_auto_t *data = name_data_network(&check->subject, count++, destination);
        CLEANUP(str) char *name = try_name(check, data);
        if (name == NULL)
            break;
        note_name(check, name);
    }
    mapping_release(networks);
}

/* What the machine will be called, as far as that can be told before. */
static char *target_name(const json_t *ref, const char *name)
{
    const char *wanted = obj_str(ref, "targetName", "");

    if (wanted[0] != '\0')
        return xstrdup(wanted);
    return name_is_subdomain(name, strlen(name)) ? xstrdup(name) : name_fix(name);
}

void plan_check_machine_names(struct plan_view *view, const json_t *ref,
                              const struct machine *machine, struct map *claims)
{
    CLEANUP(str) char *target = target_name(ref, machine->name);
    struct check check = {.view = view,
                          .machine = machine,
                          .subject = {.vm = machine->name,
                                      .target = target,
                                      .plan = meta_name(view->plan),
                                      .id = machine->id}};

    for (check.use = 0; check.use < NAME_USES; check.use++) {
        CLEANUP(error) struct error *told = NULL; /* by plan_check_templates */
        bool is_claim = check.use == NAME_OF_CLAIM;

        check.template = name_template_find(check.use, ref, view->plan,
                                            is_claim ? view->settings.pvc_name_template : NULL);
        if (check.template == NULL ||
            name_template_check(check.use, check.template, &told) == -1)
            continue;
        check.names = is_claim ? claims : map_new();
        if (is_claim)
            check_claims(&check,
                         !obj_bool(view->plan, "spec.pvcNameTemplateUseGenerateName", true));
        else if (check.use == NAME_OF_VOLUME)
            check_volumes(&check);
        else
            check_networks(&check);
        if (!is_claim)
            map_free(check.names, free);
    }
}
