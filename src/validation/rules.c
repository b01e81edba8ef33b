#include "validation/rules.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "validation/policy_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct rules {
    char *folder;
    pthread_mutex_t update_lock; /* one update at a time; taken before lock */
    pthread_mutex_t lock;
    struct rego *set; /* guarded by lock, as the next three */
    int64_t revision;
    json_t *trouble;
    json_t *kept;       /* frozen; what rules_get_kept gives */
    uint64_t in_force;  /* digest; guarded by update_lock, as below */
    uint64_t last_seen; /* of what was tried last */
};

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

/* What a later start needs to begin with these rules; without them if they cannot be kept. */
static json_t *pack(const struct policy_files *files, uint64_t digest, int64_t revision)
{
    CLEANUP(str) char *digits = xasprintf("%016" PRIx64, digest);
    json_t *packed = policy_files_pack(files);

    return obj_pack("{s:s, s:I, s:o}", "digest", digits, "revision", (json_int_t)revision, "files",
                    packed != NULL ? packed : json_array());
}

/* Takes SET and KEPT. */
static void put_in_force(struct rules *rules, struct rego *set, int64_t revision, json_t *kept)
{
    struct rego *old;
    json_t *trouble, *old_kept;
    {
        LOCK_SCOPE(&rules->lock);
        old = rules->set;
        old_kept = rules->kept;
        trouble = rules->trouble;
        rules->set = set;
        rules->kept = kept;
        rules->revision = revision;
        rules->trouble = NULL;
    }
    rego_free(old);
    json_decref(trouble);
    json_decref(old_kept);
}

/* Compiles FILES and puts them in force as REVISION; -1 with diagnostics. */
static int replace(struct rules *rules, struct policy_files *files, uint64_t digest,
                   int64_t revision, struct lang_diags *diags)
{
    policy_files_set_revision(files, revision);
    struct rego *set = policy_files_compile(files, false, diags);
    if (set == NULL)
        return -1;
    rules->in_force = digest;
    rules->last_seen = digest;
    put_in_force(rules, set, revision, pack(files, digest, revision));
    return 0;
}

/* True if content with DIGEST was looked at already; *RESULT is then the answer. */
static bool is_known(struct rules *rules, uint64_t digest, int *result)
{
    if (digest == rules->in_force && digest != rules->last_seen)
        set_trouble(rules, NULL); /* what was wrong was taken back */
    if (digest != rules->in_force && digest != rules->last_seen)
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
    if (replace(rules, files, digest, rules->revision + 1, &diags) == 0)
        return 1;
    set_trouble(rules, trouble_of(rules, &diags, texts, source));
    return -1;
}

/* Those that were in force are sound unless this gantry's default policies do not go with them. */
int rules_restore(struct rules *rules, const json_t *kept, struct error **err)
{
    LOCK_SCOPE(&rules->update_lock);
    CLEANUP(policy_files) struct policy_files *files = policy_files_new();
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    int64_t revision = obj_int(kept, "revision", 0);

    policy_files_add_defaults(files);
    if (policy_files_add_packed(files, obj_arr(kept, "files"), err) == -1)
        return -1;
    uint64_t digest = policy_files_digest(files);
    CLEANUP(str) char *digits = xasprintf("%016" PRIx64, digest);
    if (!str_eq(obj_str(kept, "digest", ""), digits))
        revision++; /* the default policies are others */
    if (replace(rules, files, digest, revision, &diags) == 0)
        return 0;
    {
        LOCK_SCOPE(&rules->lock);
        rules->revision = revision; /* the next set is a newer one all the same */
    }
    return lang_diags_raise(&diags, err);
}

static int start_with_defaults(struct rules *rules, struct error **err)
{
    CLEANUP(policy_files) struct policy_files *files = policy_files_new();
    CLEANUP(lang_diags) struct lang_diags diags = {0};

    policy_files_add_defaults(files);
    if (replace(rules, files, policy_files_digest(files), 0, &diags) == -1 &&
        lang_diags_raise(&diags, err) == -1)
        return error_wrap(err, "the default policies are not sound");
    return 0;
}

struct rules *rules_new(const char *folder, struct error **err)
{
    struct rules *rules = (struct rules *)xcalloc(1, sizeof(*rules));

    pthread_mutex_init(&rules->lock, NULL);
    pthread_mutex_init(&rules->update_lock, NULL);
    rules->folder = folder != NULL ? xstrdup(folder) : NULL;
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
    json_decref(rules->kept);
    free(rules);
}

struct rego *rules_get(struct rules *rules, int64_t *revision)
{
    LOCK_SCOPE(&rules->lock);
    *revision = rules->revision;
    return rego_ref(rules->set);
}

json_t *rules_get_kept(struct rules *rules)
{
    LOCK_SCOPE(&rules->lock);
    return json_incref(rules->kept);
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
