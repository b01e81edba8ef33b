#include "validation/rules.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"
#include "data/obj.h"
#include "validation/policy_files.h"

#include <stdlib.h>

struct rules {
    char *folder;
    pthread_mutex_t update_lock; /* one update at a time; taken before lock */
    pthread_mutex_t lock;
    struct rego *set;   /* guarded by lock */
    int64_t revision;   /* guarded by lock */
    json_t *trouble;    /* guarded by lock */
    uint64_t in_force;  /* digest; guarded by update_lock */
    uint64_t last_seen; /* of what was tried last; guarded by update_lock */
};

static json_t *trouble_of(const struct lang_diags *diags)
{
    const struct lang_diag *first = &diags->list[0];
    return obj_pack("{s:s?, s:i, s:s, s:s}", "file", first->pos.file, "line", (int)first->pos.line,
                    "code", first->code, "message", first->msg);
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
    policy_files_add_defaults(files);
    if (rules->folder != NULL && policy_files_add_path(files, rules->folder, REGO_AUTO, err) == -1)
        return -1;
    return texts != NULL ? add_texts(files, texts, err) : 0;
}

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

int rules_update(struct rules *rules, const json_t *texts)
{
    LOCK_SCOPE(&rules->update_lock);
    CLEANUP(policy_files) struct policy_files *files = policy_files_new();
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    CLEANUP(error) struct error *err = NULL;

    if (read_all(rules, texts, files, &err) == -1) {
        CLEANUP(str) char *text = error_format(err);
        set_trouble(
            rules, obj_pack("{s:s?, s:i, s:s}", "file", rules->folder, "line", 0, "message", text));
        return -1;
    }
    uint64_t digest = policy_files_digest(files);
    if (digest == rules->in_force && digest != rules->last_seen)
        set_trouble(rules, NULL); /* what was wrong was taken back */
    if (digest == rules->in_force || digest == rules->last_seen) {
        bool refused = digest != rules->in_force;
        rules->last_seen = digest;
        return refused ? -1 : 0;
    }
    rules->last_seen = digest;

    int64_t revision = rules->in_force == 0 ? 0 : rules->revision + 1;
    policy_files_set_revision(files, revision);
    struct rego *set = policy_files_compile(files, false, &diags);
    if (set == NULL) {
        set_trouble(rules, trouble_of(&diags));
        return -1;
    }
    rules->in_force = digest;
    put_in_force(rules, set, revision);
    return 1;
}

struct rules *rules_new(const char *folder, struct error **err)
{
    struct rules *rules = (struct rules *)xcalloc(1, sizeof(*rules));
    pthread_mutex_init(&rules->lock, NULL);
    pthread_mutex_init(&rules->update_lock, NULL);
    if (rules_update(rules, NULL) == -1) {
        error_set(err, ERROR_BUG, "the default policies are not sound: %s",
                  obj_str(rules->trouble, "message", ""));
        rules_free(rules);
        return NULL;
    }
    rules->folder = folder != NULL ? xstrdup(folder) : NULL;
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
