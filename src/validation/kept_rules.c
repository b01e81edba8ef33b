/* The rules in force, kept for the next start: who breaks a rule must not find the machines judged by
 * the default policies alone because gantryd was restarted at the wrong moment.
 *
 * At home they lie in a file, which is read before anything is judged and which "gantry policy
 * explain" reads too.  A pod's folder may be gone with the pod, so in a cluster they are in a
 * ConfigMap as well, and the file is only the quicker copy of the two. */
#define LOG_COMPONENT "validation"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "validation/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAP_MAX = 1000 * 1000 }; /* a cluster takes 1 MiB */

#define MAP_NAME "forklift-validation-in-force"
#define MAP_KEY  "rules.json"

/* --- the file ---------------------------------------------------------------------------------- */

static json_t *read_file(const char *path)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (file_read(path, OBJ_MAX_BYTES, &text, &len, &err) == -1) {
        if (err->sys != ENOENT)
            log_warn_error(err, "the rules of the last start cannot be read");
        return NULL;
    }
    json_t *kept = obj_parse(text, len, &err);
    if (kept == NULL)
        log_warn_error(err, "the file with the rules of the last start is damaged");
    return kept;
}

static void write_file(const char *path, const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    size_t len = strlen(text);

    if (len > OBJ_MAX_BYTES)
        log_warn("the rules are too long to be kept for the next start: bytes=%zu", len);
    else if (file_write(path, text, len, 0600, &err) == -1)
        log_warn_error(err, "the rules are not kept for the next start");
}

/* --- the ConfigMap ----------------------------------------------------------------------------- */

static int read_map(struct validation *v, json_t **kept, struct error **err)
{
    json_auto_t *map = NULL;

    if (kube_get(v->options.client, &KIND_CONFIG_MAP, v->ns, MAP_NAME, &map, err) == -1)
        return -1;
    const json_t *text = json_object_get(obj_obj(map, "data"), MAP_KEY);
    if (!json_is_string(text))
        return 0;
    CLEANUP(error) struct error *damage = NULL;
    *kept = obj_parse(json_string_value(text), json_string_length(text), &damage);
    if (*kept == NULL)
        log_warn_error(damage, "the ConfigMap with the rules of the last start is damaged");
    return 0;
}

/* Creates or replaces it; nobody else writes it. */
static int write_map(struct validation *v, const char *text, struct error **err)
{
    json_auto_t *map = obj_pack("{s:{s:s, s:s, s:{s:s}}, s:{s:s}}", "metadata", "name", MAP_NAME,
                                "namespace", v->ns, "labels", "app.kubernetes.io/managed-by",
                                "gantry", "data", MAP_KEY, text);
    CLEANUP(error) struct error *exists = NULL;

    if (kube_create(v->options.client, &KIND_CONFIG_MAP, v->ns, map, NULL, &exists) == 0)
        return 0;
    if (exists->code != ERROR_EXISTS) {
        *err = steal(&exists);
        return -1;
    }
    json_auto_t *patch = obj_pack("{s:{s:s}}", "data", MAP_KEY, text);
    return kube_patch(v->options.client, &KIND_CONFIG_MAP, v->ns, MAP_NAME, NULL, patch, NULL, err);
}

static void write_map_or_tell(struct validation *v, const char *text)
{
    CLEANUP(error) struct error *err = NULL;

    if (strlen(text) > CONFIG_MAP_MAX) {
        log_warn("the rules are too long for a ConfigMap and are not kept for another pod: "
                 "bytes=%zu",
                 strlen(text));
        v->map_is_behind = false;
        return;
    }
    bool was_behind = v->map_is_behind;
    v->map_is_behind = write_map(v, text, &err) == -1;
    if (v->map_is_behind && !was_behind)
        log_warn_error(err, "the rules are kept for another pod later");
}

/* --- both -------------------------------------------------------------------------------------- */

/* The newer one: a pod that came back to its folder may have been away while another was here. */
static const json_t *choose(const json_t *file, const json_t *map)
{
    if (file == NULL || map == NULL)
        return file != NULL ? file : map;
    return obj_int(map, "revision", 0) > obj_int(file, "revision", 0) ? map : file;
}

int kept_rules_restore(struct validation *v, struct error **err)
{
    json_auto_t *file = v->kept_path != NULL ? read_file(v->kept_path) : NULL;
    json_auto_t *map = NULL;
    CLEANUP(error) struct error *unsound = NULL;

    if (v->options.keep_in_cluster && read_map(v, &map, err) == -1)
        return -1;
    v->is_restored = true;
    const json_t *kept = choose(file, map);
    if (kept == NULL || rules_restore(v->rules, kept, &unsound) == 0)
        kept_rules_save(v);
    else /* what is kept stays as it is: the gantry before this one may come back */
        log_warn_error(unsound, "the rules of the last start are not taken");
    return 0;
}

void kept_rules_save(struct validation *v)
{
    json_auto_t *kept = rules_get_kept(v->rules);
    CLEANUP(str) char *text = obj_format(kept);

    if (v->kept_path != NULL)
        write_file(v->kept_path, text);
    if (v->options.keep_in_cluster)
        write_map_or_tell(v, text);
}

void kept_rules_catch_up(struct validation *v)
{
    if (v->map_is_behind)
        kept_rules_save(v);
}
