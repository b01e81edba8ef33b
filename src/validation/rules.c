#define LOG_COMPONENT "validation"
#include "validation/rules.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "validation/policy_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_MAX = 4096 };

struct rules {
    char *folder;
    char *state_path;            /* or NULL */
    json_t *state;               /* as the last start left it, or NULL */
    pthread_mutex_t update_lock; /* one update at a time; taken before lock */
    pthread_mutex_t lock;
    struct rego *set;   /* guarded by lock, as the next three */
    int64_t revision;
    json_t *trouble;
    bool updated;       /* guarded by update_lock, as below: it was tried at least once */
    uint64_t in_force;  /* digest */
    uint64_t last_seen; /* of what was tried last */
};

/* --- the revision, over restarts --------------------------------------------------------------- */

/* Reads what the last start kept; nothing readable is a first start. */
static void load_state(struct rules *rules)
{
    CLEANUP(error) struct error *ignored = NULL;
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (rules->state_path != NULL &&
        file_read(rules->state_path, STATE_MAX, &text, &len, &ignored) == 0)
        rules->state = obj_parse(text, len, &ignored);
    rules->revision = obj_int(rules->state, "revision", 0);
}

static int64_t find_revision(const struct rules *rules, uint64_t digest, uint64_t defaults)
{
    CLEANUP(str) char *mine = xasprintf("%016" PRIx64, digest);

    if (rules->updated)
        return rules->revision + 1;
    if (rules->state != NULL)
        return rules->revision + (str_eq(obj_str(rules->state, "digest", ""), mine) ? 0 : 1);
    return digest == defaults ? 0 : 1;
}

static void keep_revision(const struct rules *rules, uint64_t digest, int64_t revision)
{
    CLEANUP(str) char *mine = xasprintf("%016" PRIx64, digest);
    json_auto_t *state = obj_pack("{s:s, s:I}", "digest", mine, "revision", (json_int_t)revision);
    CLEANUP(str) char *text = obj_format(state);
    CLEANUP(error) struct error *err = NULL;

    if (rules->state_path != NULL &&
        file_write(rules->state_path, text, strlen(text), 0600, &err) == -1)
        log_warn_error(err, "the rules' revision is not kept, and begins anew at the next start");
}

/* --- reading ----------------------------------------------------------------------------------- */

static json_t *trouble_of(const struct rules *rules, const struct lang_diags *diags,
                          const json_t *texts, const char *source)
{
    const struct lang_diag *first = &diags->list[0];
    const char *file = first->pos.file != NULL ? first->pos.file : "";
    bool from_texts = texts != NULL && json_object_get(texts, file) != NULL;
    CLEANUP(str)
    char *folder = rules->folder != NULL ? xasprintf("folder %s", rules->folder) : NULL;

    return obj_pack("{s:s?, s:s, s:i, s:s, s:s}", "source",
                    from_texts || folder == NULL ? source : folder, "file", file, "line",
                    (int)first->pos.line, "code", first->code, "message", first->msg);
}

static void set_trouble(struct rules *rules, json_t *trouble)
{
    LOCK_SCOPE(&rules->lock);
    json_decref(rules->trouble);
    rules->trouble = trouble;
}

static int add_texts(struct policy_files *files, const json_t *texts, struct error **err)
{
    const char *name;
    json_t *text;
    json_object_foreach((json_t *)(uintptr_t)texts, name, text)
    {
        if (!json_is_string(text) || !str_ends_with(name, ".rego"))
            continue;
        struct span span = {json_string_value(text), json_string_length(text)};
        if (policy_files_add_text(files, name, span, REGO_AUTO, err) == -1)
            return -1;
    }
    return 0;
}

static int read_all(struct rules *rules, const json_t *texts, struct policy_files *files,
                    struct error **err)
{
    if (rules->folder != NULL && policy_files_add_path(files, rules->folder, REGO_AUTO, err) == -1)
        return -1;
    return texts != NULL ? add_texts(files, texts, err) : 0;
}

/* --- replacing --------------------------------------------------------------------------------- */

static void put_in_force(struct rules *rules, struct rego *set, int64_t revision)
{
    struct rego *old;
    json_t *trouble;
    {
        LOCK_SCOPE(&rules->lock);
        old = rules->set;
        trouble = rules->trouble;
        rules->set = set;
        rules->revision = revision;
        rules->trouble = NULL;
    }
    rego_free(old);
    json_decref(trouble);
}

/* True if content with DIGEST was looked at already; *RESULT is then the answer. */
static bool is_known(struct rules *rules, uint64_t digest, int *result)
{
    if (digest == rules->in_force && digest != rules->last_seen)
        set_trouble(rules, NULL); /* what was wrong was taken back */
    if (!rules->updated || (digest != rules->in_force && digest != rules->last_seen))
        return false;
    *result = digest == rules->in_force ? 0 : -1;
    rules->last_seen = digest;
    return true;
}

int rules_update(struct rules *rules, const json_t *texts, const char *source)
{
    LOCK_SCOPE(&rules->update_lock);
    CLEANUP(policy_files) struct policy_files *files = policy_files_new();
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    CLEANUP(error) struct error *err = NULL;
    int result = 0;

    policy_files_add_defaults(files);
    uint64_t defaults = policy_files_digest(files);
    if (read_all(rules, texts, files, &err) == -1) {
        CLEANUP(str) char *text = error_format(err);
        set_trouble(rules, obj_pack("{s:s?, s:s?, s:i, s:s, s:s}", "source", source, "file",
                                    rules->folder, "line", 0, "code", "unreadable", "message",
                                    text));
        rules->last_seen = 0; /* to be tried again */
        return -1;
    }
    uint64_t digest = policy_files_digest(files);
    if (is_known(rules, digest, &result))
        return result;
    rules->last_seen = digest;

    int64_t revision = find_revision(rules, digest, defaults);
    policy_files_set_revision(files, revision);
    struct rego *set = policy_files_compile(files, false, &diags);
    if (set == NULL) {
        set_trouble(rules, trouble_of(rules, &diags, texts, source));
        rules->updated = true;
        return -1;
    }
    bool same = digest == rules->in_force && revision == rules->revision;
    rules->updated = true;
    rules->in_force = digest;
    put_in_force(rules, set, revision);
    keep_revision(rules, digest, revision);
    return same ? 0 : 1;
}

/* The default policies, until somebody says which others there are. */
static int start_with_defaults(struct rules *rules, struct error **err)
{
    CLEANUP(policy_files) struct policy_files *files = policy_files_new();
    CLEANUP(lang_diags) struct lang_diags diags = {0};

    policy_files_add_defaults(files);
    rules->in_force = policy_files_digest(files);
    rules->last_seen = rules->in_force;
    policy_files_set_revision(files, rules->revision);
    rules->set = policy_files_compile(files, false, &diags);
    if (rules->set == NULL && lang_diags_raise(&diags, err) == -1)
        return error_wrap(err, "the default policies are not sound");
    return 0;
}

struct rules *rules_new(const char *folder, const char *dir, struct error **err)
{
    struct rules *rules = (struct rules *)xcalloc(1, sizeof(*rules));

    pthread_mutex_init(&rules->lock, NULL);
    pthread_mutex_init(&rules->update_lock, NULL);
    rules->folder = folder != NULL ? xstrdup(folder) : NULL;
    rules->state_path = dir != NULL ? path_join(dir, "rules.json") : NULL;
    load_state(rules);
    if (start_with_defaults(rules, err) == -1) {
        rules_free(rules);
        return NULL;
    }
    return rules;
}

void rules_free(struct rules *rules)
{
    if (rules == NULL)
        return;
    rego_free(rules->set);
    json_decref(rules->trouble);
    pthread_mutex_destroy(&rules->lock);
    pthread_mutex_destroy(&rules->update_lock);
    free(rules->folder);
    free(rules->state_path);
    json_decref(rules->state);
    free(rules);
}

struct rego *rules_get(struct rules *rules, int64_t *revision)
{
    LOCK_SCOPE(&rules->lock);
    *revision = rules->revision;
    return rego_ref(rules->set);
}

json_t *rules_get_trouble(struct rules *rules)
{
    LOCK_SCOPE(&rules->lock);
    return obj_copy(rules->trouble);
}

static bool add_if_old(void *arg, const char *path, const struct rule *rule)
{
    if (!rule->module->is_v1)
        json_object_set_new((json_t *)arg, rule->module->file, json_true());
    return true;
}

json_t *rules_list_old(struct rules *rules)
{
    int64_t revision = 0;
    CLEANUP(rego) struct rego *set = rules_get(rules, &revision);
    json_auto_t *names = json_object();
    json_t *list = json_array();
    const char *name;
    json_t *value;

    rego_each_rule(set, add_if_old, names);
    json_object_foreach(names, name, value) json_array_append_new(list, json_string(name));
    return list;
}
