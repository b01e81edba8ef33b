/* Where users' rules come from, and who is told that they are wrong: the ForkliftController's
 * conditions, events of the ConfigMap, the log. */
#define LOG_COMPONENT "validation"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/conditions.h"
#include "kube/kinds.h"
#include "validation/internal.h"

#include <inttypes.h>
#include <stdlib.h>

#define TYPE_NOT_VALID "ValidationRulesNotValid"
#define TYPE_OLD       "ValidationRulesOld"

/* --- telling ----------------------------------------------------------------------------------- */

/* "mine.rego" line 3: var x is unsafe; owned by the caller. */
static char *describe(const json_t *trouble)
{
    int64_t line = obj_int(trouble, "line", 0);
    const char *file = obj_str(trouble, "file", ""), *message = obj_str(trouble, "message", "");

    if (line == 0)
        return xasprintf("\"%s\": %s", file, message);
    return xasprintf("\"%s\" line %" PRId64 ": %s", file, line, message);
}

static void put_conditions(json_t *status, const json_t *trouble, const json_t *old)
{
    const json_t *name = NULL;
    size_t i = 0;

    conditions_delete(status, TYPE_NOT_VALID);
    conditions_delete(status, TYPE_OLD);
    if (trouble != NULL) {
        CLEANUP(str) char *what = describe(trouble);
        CLEANUP(str)
        char *message = xasprintf("users' validation rules are not taken, those before stay in "
                                  "force: %s: %s",
                                  obj_str(trouble, "source", "rules"), what);
        conditions_set(status, &(struct condition){.type = TYPE_NOT_VALID,
                                                   .category = CONDITION_WARN,
                                                   .reason = "RuleNotValid",
                                                   .message = message,
                                                   .suggestion =
                                                       "correct the rule; it is read again by "
                                                       "itself",
                                                   .durable = true});
    }
    if (json_array_size(old) > 0)
        conditions_set(
            status,
            &(struct condition){.type = TYPE_OLD,
                                .category = CONDITION_ADVISORY,
                                .reason = "RegoV0",
                                .message = "validation rules are written in version 0 of Rego",
                                .suggestion = "they are taken as they are; write \"import "
                                              "rego.v1\", \"if\" and \"contains\" to be ready for "
                                              "others",
                                .durable = true});
    json_array_foreach(old, i, name)
        conditions_add_item(status, TYPE_OLD, "RegoV0", json_string_value(name));
}

/* Without the times of the conditions' transitions, which are not news. */
static bool is_same_status(const json_t *a, const json_t *b)
{
    json_auto_t *mine = obj_copy(a), *other = obj_copy(b);
    json_t *const both[] = {mine, other};

    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < obj_count(both[k], "conditions"); i++)
            json_object_del(json_array_get(obj_arr(both[k], "conditions"), i),
                            "lastTransitionTime");
    return json_equal(mine, other);
}

static void tell_controller(struct validation *v, const json_t *controller, const json_t *trouble,
                            const json_t *old)
{
    json_auto_t *changed = obj_copy(controller);
    const json_t *before = obj_obj(controller, "status");
    CLEANUP(error) struct error *err = NULL;

    if (before == NULL)
        obj_take(changed, "status", json_object());
    json_t *status = json_object_get(changed, "status");
    put_conditions(status, trouble, old);
    if (before == NULL ? obj_count(status, "conditions") == 0 : is_same_status(before, status))
        return;
    if (kube_update_status(v->options.client, &KIND_FORKLIFT_CONTROLLER, changed, NULL, &err) == -1)
        log_debug("the ForkliftController's status is written later: %s", err->msg);
}

static void tell_event(struct validation *v, const json_t *map, const json_t *trouble)
{
    CLEANUP(str) char *what = describe(trouble);

    log_error("users' rules are not taken: source=%s %s", obj_str(trouble, "source", ""), what);
    if (v->events != NULL && map != NULL)
        event_record(v->events, &KIND_CONFIG_MAP, map, EVENT_WARNING, "RuleNotValid",
                     "the rules before stay in force: %s", what);
}

static void tell_taken(struct validation *v, const json_t *map, const json_t *old)
{
    const json_t *name = NULL;
    size_t i = 0;

    log_info("rules changed");
    if (v->events != NULL && map != NULL)
        event_record(v->events, &KIND_CONFIG_MAP, map, EVENT_NORMAL, "RulesTaken",
                     "validation rules are in force");
    json_array_foreach(old, i, name)
    {
        log_warn("a rule is written in version 0 of Rego: file=%s", json_string_value(name));
        if (v->events != NULL && map != NULL &&
            json_object_get(obj_obj(map, "data"), json_string_value(name)) != NULL)
            event_record(v->events, &KIND_CONFIG_MAP, map, EVENT_NORMAL, "RegoV0",
                         "\"%s\" is taken as version 0 of Rego", json_string_value(name));
    }
}

/* --- reading ----------------------------------------------------------------------------------- */

/* The first ForkliftController, with a reference; *OUT is NULL if there is none. */
static int find_controller(struct validation *v, json_t **out, struct error **err)
{
    json_auto_t *list = NULL;

    if (v->options.client == NULL)
        return 0;
    if (kube_list(v->options.client, &KIND_FORKLIFT_CONTROLLER, v->ns, NULL, &list, err) == -1)
        return -1;
    *out = json_incref(json_array_get(list, 0));
    return 0;
}

static int read_map(struct validation *v, const char *name, json_t **out, struct error **err)
{
    if (v->options.client == NULL)
        return 0;
    return kube_get(v->options.client, &KIND_CONFIG_MAP, v->ns, name, out, err);
}

/* Knobs are texts "true" and "false", or booleans. */
static bool is_switched_off(const json_t *controller)
{
    const json_t *knob = obj_at(controller, "spec.feature_validation");

    return json_is_false(knob) || str_eq(json_string_value(knob), "false");
}

bool users_rules_refresh(struct validation *v)
{
    json_auto_t *controller = NULL, *map = NULL, *old = NULL;
    CLEANUP(error) struct error *err = NULL;

    if (!v->is_restored && kept_rules_restore(v, &err) == -1) {
        log_warn_error(err, "cannot read the rules of the last start");
        return false;
    }
    kept_rules_catch_up(v);
    if (find_controller(v, &controller, &err) == -1) {
        log_warn_error(err, "cannot read the settings of validation");
        return false; /* the rules in force stay */
    }
    const char *name = obj_str(controller, "spec.validation_configmap_name", "");
    if (name[0] == '\0')
        name = v->configmap;
    if (read_map(v, name, &map, &err) == -1) {
        log_warn_error(err, "cannot read users' rules");
        return false;
    }
    CLEANUP(str) char *source = xasprintf("ConfigMap %s/%s", v->ns, name);
    int changed = rules_update(v->rules, obj_obj(map, "data"), source);
    json_auto_t *trouble = changed == -1 ? rules_get_trouble(v->rules) : NULL;
    bool was_disabled = v->disabled;
    v->disabled = is_switched_off(controller);

    old = rules_list_old(v->rules);
    bool is_news = trouble != NULL ? !json_equal(trouble, v->told) : v->told != NULL;
    if (trouble != NULL && is_news)
        tell_event(v, map, trouble);
    if (changed == 1) {
        kept_rules_save(v);
        tell_taken(v, map, old);
    }
    if (controller != NULL)
        tell_controller(v, controller, trouble, old);
    json_decref(v->told);
    v->told = json_incref(trouble);
    if (is_news && v->options.on_trouble != NULL)
        v->options.on_trouble(v->options.arg);
    return changed == 1 || (was_disabled && !v->disabled);
}
