#include "source/ova/manifest.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;   /* in the file */
    const char *prefix; /* in our digests */
    size_t hex_len;
} algorithms[] = {
    [MANIFEST_SHA1] = {"SHA1", "sha1", 40},
    [MANIFEST_SHA256] = {"SHA256", "sha256", 64},
    [MANIFEST_SHA512] = {"SHA512", "sha512", 128},
};

static bool find_algorithm(struct span name, enum manifest_algorithm *algorithm)
{
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
        if (name.len == strlen(algorithms[i].name) &&
            strncasecmp(name.ptr, algorithms[i].name, name.len) == 0) {
            *algorithm = (enum manifest_algorithm)i;
            return true;
        }
    return false;
}

/* HEX in lower case, or NULL if it is not LEN hexadecimal digits. */
static char *take_hex(struct span hex, size_t len)
{
    if (hex.len != len)
        return NULL;
    char *text = span_dup(hex);
    for (char *p = text; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'F')
            *p = (char)(*p - 'A' + 'a');
        if (!(*p >= '0' && *p <= '9') && !(*p >= 'a' && *p <= 'f')) {
            free(text);
            return NULL;
        }
    }
    return text;
}

/* ALGORITHM(FILE)= HEX.  A file's name may have parentheses, so the last ")" counts. */
static int parse_line(struct span line, struct manifest_entry *entry, struct error **err)
{
    const char *open = memchr(line.ptr, '(', line.len);
    const char *close = memrchr(line.ptr, ')', line.len);

    if (open == NULL || close == NULL || close <= open + 1)
        return error_set(err, ERROR_INVALID, "not of the form ALGORITHM(FILE)= DIGEST");

    struct span name = {line.ptr, (size_t)(open - line.ptr)};
    struct span file = {open + 1, (size_t)(close - open - 1)};
    struct span rest =
        span_trim((struct span){close + 1, line.len - (size_t)(close + 1 - line.ptr)});

    if (rest.len == 0 || rest.ptr[0] != '=')
        return error_set(err, ERROR_INVALID, "no \"=\" behind the file's name");
    if (!find_algorithm(span_trim(name), &entry->algorithm))
        return error_set(err, ERROR_UNSUPPORTED, "unknown digest algorithm \"%.*s\"",
                         (int)(name.len < 32 ? name.len : 32), name.ptr);
    if (memchr(file.ptr, '\0', file.len) != NULL)
        return error_set(err, ERROR_INVALID, "a NUL in the file's name");
    entry->hex = take_hex(span_trim((struct span){rest.ptr + 1, rest.len - 1}),
                          algorithms[entry->algorithm].hex_len);
    if (entry->hex == NULL)
        return error_set(err, ERROR_INVALID, "a %s digest has %zu hexadecimal digits",
                         algorithms[entry->algorithm].name, algorithms[entry->algorithm].hex_len);
    entry->file = span_dup(file);
    return 0;
}

int manifest_parse(const char *text, size_t len, struct manifest *out, struct error **err)
{
    CLEANUP(manifest) struct manifest manifest = {0};
    struct span rest = {text, len}, line = {0};

    if (len > MANIFEST_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "manifest has %zu bytes, more than %d", len,
                         MANIFEST_MAX_BYTES);
    for (size_t number = 1; span_split(&rest, '\n', &line); number++) {
        struct manifest_entry entry = {0};

        line = span_trim(line);
        if (line.len == 0)
            continue;
        if (manifest.len == MANIFEST_MAX_ENTRIES)
            return error_set(err, ERROR_INVALID, "manifest has more than %d entries",
                             MANIFEST_MAX_ENTRIES);
        if (parse_line(line, &entry, err) == -1)
            return error_wrap(err, "manifest line %zu", number);
        manifest_push(&manifest, entry);
    }
    *out = manifest;
    manifest = (struct manifest){0};
    return 0;
}

const struct manifest_entry *manifest_find(const struct manifest *manifest, const char *file)
{
    const struct manifest_entry *best = NULL;

    for (size_t i = 0; i < manifest->len; i++)
        if (str_eq(manifest->ptr[i].file, file) &&
            (best == NULL || manifest->ptr[i].algorithm > best->algorithm))
            best = &manifest->ptr[i];
    return best;
}

const char *manifest_algorithm(const struct manifest_entry *entry)
{
    return algorithms[entry->algorithm].prefix;
}

char *manifest_format_digest(const struct manifest_entry *entry)
{
    return xasprintf("%s:%s", algorithms[entry->algorithm].prefix, entry->hex);
}

void manifest_free_all(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->len; i++) {
        free(manifest->ptr[i].file);
        free(manifest->ptr[i].hex);
    }
    manifest_reset(manifest);
}
