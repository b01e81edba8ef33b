#include "validation/policy_files.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/vector.h"
#include "lang/rego/json.h"
#include "validation/default_policies.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

DEFINE_VECTOR(source_list, struct rego_source)

struct policy_files {
    struct source_list sources;   /* names and texts are owned */
    struct source_list documents; /* the same of JSON files, with their paths */
    size_t default_count;         /* so many of the sources, the first, are gantry's own */
    struct arena arena;         /* of data */
    const struct rval *data;    /* NULL if there is none */
    uint64_t data_digest;
};

enum { FOLDER_DEPTH_MAX = 32 };

struct policy_files *policy_files_new(void)
{
    return (struct policy_files *)xcalloc(1, sizeof(struct policy_files));
}

static void free_list(struct source_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free((void *)(uintptr_t)list->ptr[i].file);
        free((void *)(uintptr_t)list->ptr[i].text.ptr);
    }
    source_list_reset(list);
}

void policy_files_free(struct policy_files *files)
{
    if (files == NULL)
        return;
    free_list(&files->sources);
    free_list(&files->documents);
    arena_reset(&files->arena);
    free(files);
}

int policy_files_add_text(struct policy_files *files, const char *name, struct span text,
                          enum rego_version version, struct error **err)
{
    if (text.len > POLICY_FILE_MAX)
        return error_set(err, ERROR_INVALID, "policy \"%s\" has more than %d bytes", name,
                         POLICY_FILE_MAX);
    if (files->sources.len >= POLICY_FILES_MAX)
        return error_set(err, ERROR_INVALID, "more than %d policies", POLICY_FILES_MAX);
    source_list_push(&files->sources,
                     (struct rego_source){xstrdup(name), {span_dup(text), text.len}, version});
    return 0;
}

void policy_files_add_defaults(struct policy_files *files)
{
    for (size_t i = 0; i < default_policy_count; i++) {
        const struct default_policy *policy = &default_policies[i];
        source_list_push(&files->sources,
                         (struct rego_source){xstrdup(policy->name),
                                              {xstrdup(policy->text), strlen(policy->text)},
                                              REGO_V1});
    }
    files->default_count = files->sources.len;
}

/* Later documents win, objects are merged. */
static const struct rval *merge(struct arena *arena, const struct rval *a, const struct rval *b)
{
    if (a->type != RVAL_OBJECT || b->type != RVAL_OBJECT)
        return b;
    for (uint32_t i = 0; i < b->len; i++) {
        const struct rval *old = rval_get(a, b->pairs[i].key);
        const struct rval *value = b->pairs[i].value;
        a = rval_object_with(arena, a, b->pairs[i].key,
                             old != NULL ? merge(arena, old, value) : value);
    }
    return a;
}

/* FNV-1a. */
static uint64_t add_bytes(uint64_t hash, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((const unsigned char *)data)[i]) * 1099511628211ULL;
    return (hash ^ 0xFF) * 1099511628211ULL;
}

static int add_data(struct policy_files *files, const char *path, struct span text,
                    struct error **err)
{
    const struct rval *value = NULL;
    if (rjson_read(&files->arena, text, &value, err) == -1)
        return error_wrap(err, "\"%s\"", path);
    if (value->type != RVAL_OBJECT)
        return error_set(err, ERROR_INVALID, "\"%s\": data must be an object", path);
    files->data = files->data != NULL ? merge(&files->arena, files->data, value) : value;
    files->data_digest = add_bytes(files->data_digest, path, strlen(path));
    files->data_digest = add_bytes(files->data_digest, text.ptr, text.len);
    source_list_push(&files->documents,
                     (struct rego_source){xstrdup(path), {span_dup(text), text.len}, REGO_AUTO});
    return 0;
}

static int add_file(struct policy_files *files, const char *path, enum rego_version version,
                    struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len;
    if (file_read(path, POLICY_FILE_MAX, &text, &len, err) == -1)
        return -1;
    if (str_ends_with(path, ".json"))
        return add_data(files, path, (struct span){text, len}, err);
    return policy_files_add_text(files, path, (struct span){text, len}, version, err);
}

static int add_folder(struct policy_files *files, const char *path, enum rego_version version,
                      int depth, struct error **err)
{
    struct dirent **names;
    if (depth > FOLDER_DEPTH_MAX)
        return error_set(err, ERROR_INVALID, "\"%s\": folders are nested too deeply", path);
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0)
        return error_sys(err, errno, "cannot read \"%s\"", path);
    int result = 0;
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        CLEANUP(str) char *below = path_join(path, name);
        struct stat info;
        if (result == 0 && name[0] != '.' && lstat(below, &info) == 0) {
            if (S_ISDIR(info.st_mode))
                result = add_folder(files, below, version, depth + 1, err);
            else if (str_ends_with(name, ".rego") || str_ends_with(name, ".json"))
                result = add_file(files, below, version, err);
        }
        free(names[i]);
    }
    free(names);
    return result;
}

int policy_files_add_path(struct policy_files *files, const char *path, enum rego_version version,
                          struct error **err)
{
    struct stat info;
    if (stat(path, &info) == -1)
        return error_sys(err, errno, "cannot read \"%s\"", path);
    return S_ISDIR(info.st_mode) ? add_folder(files, path, version, 0, err)
                                 : add_file(files, path, version, err);
}

/* --- as one document --------------------------------------------------------------------------- */

static bool pack_list(const struct source_list *list, size_t first, json_t *packed)
{
    for (size_t i = first; i < list->len; i++) {
        const struct rego_source *source = &list->ptr[i];
        json_t *name = json_string(source->file);
        json_t *text = json_stringn(source->text.ptr, source->text.len);

        bool has_nul = memchr(source->text.ptr, '\0', source->text.len) != NULL;

        if (name == NULL || text == NULL || has_nul) {
            json_decref(name);
            json_decref(text);
            return false;
        }
        json_array_append_new(packed, obj_pack("{s:o, s:o}", "name", name, "text", text));
    }
    return true;
}

json_t *policy_files_pack(const struct policy_files *files)
{
    json_auto_t *packed = json_array();

    if (!pack_list(&files->sources, files->default_count, packed) ||
        !pack_list(&files->documents, 0, packed))
        return NULL;
    return steal(&packed);
}

int policy_files_add_packed(struct policy_files *files, const json_t *packed, struct error **err)
{
    const json_t *file;
    size_t i;

    json_array_foreach(packed, i, file)
    {
        const json_t *text = json_object_get(file, "text");
        const char *name = obj_str(file, "name", "");
        struct span span = {json_string_value(text), json_string_length(text)};

        if (!json_is_string(text))
            return error_set(err, ERROR_CORRUPT, "file %zu (\"%s\") has no text", i, name);
        if ((str_ends_with(name, ".json") ? add_data(files, name, span, err)
                                          : policy_files_add_text(files, name, span, REGO_AUTO,
                                                                  err)) == -1)
            return -1;
    }
    return 0;
}

size_t policy_files_count(const struct policy_files *files)
{
    return files->sources.len;
}

const struct rego_source *policy_files_get(const struct policy_files *files, size_t index)
{
    return &files->sources.ptr[index];
}

void policy_files_set_revision(struct policy_files *files, int64_t revision)
{
    struct arena *arena = &files->arena;
    const struct rval *inner = rval_object_with(
        arena, &rval_empty_object, rval_text(arena, "revision"), rval_int(arena, revision));
    const struct rval *outer =
        rval_object_with(arena, &rval_empty_object, rval_text(arena, "gantry"), inner);
    files->data = files->data != NULL ? merge(arena, files->data, outer) : outer;
}

uint64_t policy_files_digest(const struct policy_files *files)
{
    uint64_t hash = 14695981039346656037ULL;
    for (size_t i = 0; i < files->sources.len; i++) {
        const struct rego_source *source = &files->sources.ptr[i];
        hash = add_bytes(hash, source->file, strlen(source->file));
        hash = add_bytes(hash, source->text.ptr, source->text.len);
    }
    return add_bytes(hash, &files->data_digest, sizeof(files->data_digest));
}

struct rego *policy_files_compile(const struct policy_files *files, bool no_index,
                                  struct lang_diags *diags)
{
    const struct rego_options options = {.data = files->data, .no_index = no_index};
    return rego_compile(files->sources.ptr, files->sources.len, &options, diags);
}

const char *policy_package_of(const char *type)
{
    static const char *const rows[][2] = {{"vsphere", "vmware"},
                                          {"ovirt", "ovirt"},
                                          {"openstack", "openstack"},
                                          {"ova", "ova"},
                                          {"hyperv", "hyperv"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (str_eq(rows[i][0], type))
            return rows[i][1];
    return NULL;
}
