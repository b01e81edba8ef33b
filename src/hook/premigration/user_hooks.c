#define LOG_COMPONENT "premigration"

#include "hook/premigration/user_hooks.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/vector.h"
#include "data/dom.h"
#include "data/obj.h"
#include "data/yaml.h"
#include "hook/premigration/facts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct user_hook {
    char *name;
    char *path;    /* of a program, or NULL */
    json_t *edits; /* of a declarative hook, or NULL */
};
DEFINE_VECTOR(user_hook_list, struct user_hook)
DEFINE_VECTOR(word_vector, const char *)

struct user_hooks {
    struct user_hook_list list;
};

void user_hooks_free(struct user_hooks *hooks)
{
    if (hooks == NULL)
        return;
    for (size_t i = 0; i < hooks->list.len; i++) {
        free(hooks->list.ptr[i].name);
        free(hooks->list.ptr[i].path);
        json_decref(hooks->list.ptr[i].edits);
    }
    user_hook_list_reset(&hooks->list);
    free(hooks);
}

size_t user_hooks_count(const struct user_hooks *hooks)
{
    return hooks == NULL ? 0 : hooks->list.len;
}

bool user_hooks_have_programs(const struct user_hooks *hooks)
{
    for (size_t i = 0; i < user_hooks_count(hooks); i++)
        if (hooks->list.ptr[i].path != NULL)
            return true;
    return false;
}

const char *user_hooks_name(const struct user_hooks *hooks, size_t i)
{
    return hooks->list.ptr[i].name;
}

/* --- loading ------------------------------------------------------------------------------------------ */

static int check_edit(const json_t *edit, struct error **err)
{
    static const char *const actions[] = {"set-attribute", "set-text", "remove", "add"};
    const char *xpath, *action, *value;
    bool known = false;

    if (obj_need_str(edit, "xpath", &xpath, err) == -1 ||
        obj_need_str(edit, "action", &action, err) == -1)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        known |= strcmp(action, actions[i]) == 0;
    if (!known)
        return error_set(err, ERROR_INVALID,
                         "action \"%s\" is none of set-attribute, set-text, remove, add", action);
    if (strcmp(action, "set-attribute") == 0 &&
        obj_need_str(edit, "attribute", &value, err) == -1)
        return -1;
    return strcmp(action, "remove") == 0 ? 0 : obj_need_str(edit, "value", &value, err);
}

static int parse_edits(const char *text, size_t len, json_t **out, struct error **err)
{
    json_t *edits, *edit;
    size_t i;

    if (len > USER_HOOK_BYTES_MAX)
        return error_set(err, ERROR_INVALID, "%zu bytes, more than %d", len, USER_HOOK_BYTES_MAX);

    json_auto_t *documents = obj_parse_yaml(text, len, err); /* JSON is YAML */
    if (documents == NULL)
        return -1;
    if (json_array_size(documents) != 1)
        return error_set(err, ERROR_INVALID, "one document is expected, not %zu",
                         json_array_size(documents));
    if (obj_need_arr(json_array_get(documents, 0), "edits", &edits, err) == -1)
        return -1;
    if (json_array_size(edits) > USER_HOOK_EDITS_MAX)
        return error_set(err, ERROR_INVALID, "more than %d edits", USER_HOOK_EDITS_MAX);
    json_array_foreach (edits, i, edit)
        if (check_edit(edit, err) == -1)
            return error_wrap(err, "edits[%zu]", i);
    *out = json_incref(edits);
    return 0;
}

int user_hooks_add(struct user_hooks *hooks, const char *name, const char *text, size_t len,
                   struct error **err)
{
    struct user_hook hook = {0};

    if (hooks->list.len >= USER_HOOKS_MAX)
        return error_set(err, ERROR_INVALID, "more than %d hooks", USER_HOOKS_MAX);
    if (parse_edits(text, len, &hook.edits, err) == -1)
        return error_wrap(err, "hook \"%s\"", name);
    hook.name = xstrdup(name);
    user_hook_list_push(&hooks->list, hook);
    return 0;
}

int user_hooks_parse(const char *name, const char *text, size_t len, struct user_hooks **out,
                     struct error **err)
{
    CLEANUP(user_hooks) struct user_hooks *hooks = xcalloc(1, sizeof(*hooks));

    if (user_hooks_add(hooks, name, text, len, err) == -1)
        return -1;
    *out = steal(&hooks);
    return 0;
}

static int load_edits(const char *path, json_t **out, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (file_read(path, USER_HOOK_BYTES_MAX, &text, &len, err) == -1)
        return -1;
    return parse_edits(text, len, out, err);
}

static int load_one(const char *dir, const char *name, struct user_hooks *hooks, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, name);
    struct user_hook hook = {0};
    struct stat st;

    if (stat(path, &st) == -1)
        return error_sys(err, errno, "cannot look at \"%s\"", path);
    if (str_ends_with(name, ".yaml") || str_ends_with(name, ".yml") ||
        str_ends_with(name, ".json")) {
        if (load_edits(path, &hook.edits, err) == -1)
            return error_wrap(err, "hook \"%s\"", path);
    } else if (S_ISREG(st.st_mode) && (st.st_mode & S_IXUSR) != 0) {
        hook.path = xstrdup(path);
    } else {
        error_set(err, ERROR_INVALID, "\"%s\" is neither a program nor .yaml or .json", path);
        return error_hint(err, "chmod +x makes it a program");
    }
    hook.name = xstrdup(name);
    user_hook_list_push(&hooks->list, hook);
    return 0;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int user_hooks_load(const char *dir, struct user_hooks **out, struct error **err)
{
    CLEANUP(user_hooks) struct user_hooks *hooks = xcalloc(1, sizeof(*hooks));
    struct dirent **entries = NULL;
    int count = dir == NULL ? 0 : scandir(dir, &entries, is_visible, alphasort);
    int result = 0;

    if (count == -1)
        return error_sys(err, errno, "cannot read folder \"%s\"", dir);
    if (count > USER_HOOKS_MAX)
        result = error_set(err, ERROR_INVALID, "more than %d hooks in \"%s\"", USER_HOOKS_MAX, dir);
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = load_one(dir, entries[i]->d_name, hooks, err);
        free(entries[i]);
    }
    free(entries);
    if (result == -1)
        return -1;
    *out = steal(&hooks);
    return 0;
}

/* --- edits by XPath ------------------------------------------------------------------------------------- */

static int apply_edit(void *arg, struct dom_node *node, const char *attr, struct error **err)
{
    const json_t *edit = arg;
    const char *action = obj_str(edit, "action", "");
    const char *value = obj_str(edit, "value", "");

    if (attr != NULL) { /* the expression selects attributes: the value is theirs */
        if (strcmp(action, "remove") == 0)
            dom_del_attr(node, attr);
        else if (strcmp(action, "add") == 0)
            return error_set(err, ERROR_INVALID, "nothing can be added to an attribute");
        else
            dom_set_attr(node, attr, value);
        return 0;
    }
    if (strcmp(action, "set-attribute") == 0)
        dom_set_attr(node, obj_str(edit, "attribute", ""), value);
    else if (strcmp(action, "set-text") == 0)
        dom_set_text(node, value);
    else if (strcmp(action, "add") == 0)
        return dom_add_xml(node, value, err);
    else if (dom_parent(node) == NULL)
        return error_set(err, ERROR_INVALID, "the root element cannot be removed");
    else
        dom_remove(node);
    return 0;
}

static int run_edits(const json_t *edits, struct dom *dom, struct error **err)
{
    json_t *edit;
    size_t i;

    json_array_foreach (edits, i, edit)
        if (dom_select(dom, obj_str(edit, "xpath", ""), apply_edit, edit, err) == -1)
            return error_wrap(err, "edits[%zu]", i);
    return 0;
}

/* --- programs --------------------------------------------------------------------------------------------- */

/* The context as a file that only the program sees. */
static int make_context_fd(const struct facts *facts, struct error **err)
{
    CLEANUP(fd) int fd = memfd_create("context.json", MFD_CLOEXEC);

    if (fd == -1)
        return error_sys(err, errno, "cannot make the context's file");
    if (fd_write_all(fd, facts->json, strlen(facts->json), "context", err) == -1)
        return -1;
    return steal_fd(&fd);
}

/* The sandbox's words in front of the program at PATH: programs and libraries of the host, itself, and
 * nothing else. */
static void add_sandbox(struct word_vector *argv, const char *path)
{
    static const char *const words[] = {
        "/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--new-session",
        "--cap-drop", "ALL",
        "--ro-bind", "/usr", "/usr",
        "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
        "--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
        "--symlink", "usr/bin", "/bin",
        "--symlink", "usr/sbin", "/sbin",
        "--symlink", "usr/lib", "/lib",
        "--symlink", "usr/lib64", "/lib64",
        "--tmpfs", "/tmp", "--dev", "/dev", "--proc", "/proc",
    };

    if (access(words[0], X_OK) == -1) {
        log_warn("no bubblewrap: users' hooks run without a sandbox of their own");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        word_vector_push(argv, words[i]);
    word_vector_push(argv, "--ro-bind");
    word_vector_push(argv, path);
    word_vector_push(argv, path);
}

static int refuse(const struct process_result *result, struct error **err)
{
    CLEANUP(str) char *status = process_status_format(result->status);
    struct span rest = span_trim((struct span){result->errors, result->errors_len}), line;

    if (span_split(&rest, '\n', &line) && line.len > 0)
        return error_set(err, ERROR_INVALID, "%.*s (%s)", (int)(line.len < 500 ? line.len : 500),
                         line.ptr, status);
    return error_set(err, ERROR_INVALID, "ended with %s", status);
}

static int run_program(const struct user_hook *hook, const struct facts *facts, struct dom **dom,
                       struct error **err)
{
    CLEANUP(str) char *xml = dom_format(*dom);
    CLEANUP(process_result) struct process_result result = {0};
    CLEANUP(fd) int fd = make_context_fd(facts, err);
    struct word_vector argv = {0};

    if (fd == -1)
        return -1;
    CLEANUP(str) char *context = xasprintf("GANTRY_CONTEXT=/proc/self/fd/%d", fd);
    const char *const env[] = {context, "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", NULL};

    add_sandbox(&argv, hook->path);
    word_vector_push(&argv, hook->path);
    word_vector_push(&argv, NULL);
    const struct process_options options = {
        .argv = argv.ptr,
        .env = env,
        .keep_fds = &fd,
        .keep_count = 1,
        .new_session = true,
    };
    int ran = process_run(&options, xml, strlen(xml), DOM_MAX_BYTES, deadline_after(USER_HOOK_MS),
                          NULL, &result, err);

    word_vector_reset(&argv);
    if (ran == -1)
        return -1;
    if (result.status != 0)
        return refuse(&result, err);
    if (span_trim((struct span){result.out, result.out_len}).len == 0)
        return 0; /* unchanged, as for libvirt */

    struct dom *edited = NULL;
    if (dom_parse(result.out, result.out_len, &edited, err) == -1)
        return error_wrap(err, "what it printed");
    dom_free(*dom);
    *dom = edited;
    return 0;
}

int user_hooks_run(const struct user_hooks *hooks, size_t i, const struct facts *facts,
                   struct dom **dom, struct error **err)
{
    const struct user_hook *hook = &hooks->list.ptr[i];

    return hook->edits != NULL ? run_edits(hook->edits, *dom, err)
                               : run_program(hook, facts, dom, err);
}
