#include "disk/vmdk_descriptor.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "disk/disk.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Cuts the next word, white space before it skipped; a word in quotes may hold blanks. */
static bool next_word(struct span *line, struct span *word)
{
    *line = span_trim(*line);
    if (line->len == 0)
        return false;

    size_t end = 0;
    if (line->ptr[0] == '"') {
        const char *quote = memchr(line->ptr + 1, '"', line->len - 1);
        if (quote == NULL)
            return false;
        end = (size_t)(quote - line->ptr);
        *word = (struct span){line->ptr + 1, end - 1};
        end++;
    } else {
        while (end < line->len && line->ptr[end] != ' ' && line->ptr[end] != '\t')
            end++;
        *word = (struct span){line->ptr, end};
    }
    line->ptr += end;
    line->len -= end;
    return true;
}

static bool parse_hex(struct span text, uint32_t *value)
{
    uint32_t number = 0;

    if (text.len == 0 || text.len > 8)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        unsigned digit;

        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (unsigned)((c | 32) - 'a') + 10;
        else
            return false;
        number = number << 4 | digit;
    }
    *value = number;
    return true;
}

static int find_part_kind(struct span word, enum vmdk_part_kind *kind, struct error **err)
{
    static const struct {
        const char *name;
        enum vmdk_part_kind kind;
    } kinds[] = {
        {"FLAT", VMDK_PART_FLAT},     {"VMFS", VMDK_PART_FLAT},
        {"SPARSE", VMDK_PART_SPARSE}, {"VMFSSPARSE", VMDK_PART_COWD},
        {"ZERO", VMDK_PART_ZERO},     {"SESPARSE", VMDK_PART_SESPARSE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (span_eq_str(word, kinds[i].name)) {
            *kind = kinds[i].kind;
            return 0;
        }
    return error_set(err, ERROR_UNSUPPORTED, "extent of kind \"%.*s\"",
                     (int)(word.len < 64 ? word.len : 64), word.ptr);
}

/* ACCESS SECTORS KIND ["FILE" [OFFSET]], the access word cut off already. */
static int parse_part(struct span line, struct vmdk_part_list *parts, struct error **err)
{
    struct vmdk_part part = {0};
    uint64_t total = 0; /* each is checked before it is added: no overflow */
    struct span word;

    if (!next_word(&line, &word) || !span_u64(word, &part.sectors) ||
        part.sectors > VMDK_MAX_SECTORS)
        return error_set(err, ERROR_CORRUPT, "an extent without a usable number of sectors");
    if (!next_word(&line, &word))
        return error_set(err, ERROR_CORRUPT, "an extent without a kind");
    if (find_part_kind(word, &part.kind, err) == -1)
        return -1;
    for (size_t i = 0; i < parts->len; i++)
        total += parts->ptr[i].sectors;
    if (total + part.sectors > VMDK_MAX_SECTORS)
        return error_set(err, ERROR_CORRUPT, "extents of more than 2^43 sectors together");
    if (parts->len == DISK_MAX_PARTS)
        return error_set(err, ERROR_INVALID, "more than %d extents", DISK_MAX_PARTS);
    if (part.kind != VMDK_PART_ZERO) {
        if (!next_word(&line, &word) || word.len == 0 || memchr(word.ptr, '\0', word.len) != NULL)
            return error_set(err, ERROR_CORRUPT, "an extent without a file name");
        struct span file = word;
        if (next_word(&line, &word) && part.kind == VMDK_PART_FLAT &&
            (!span_u64(word, &part.offset) || part.offset > VMDK_MAX_SECTORS))
            return error_set(err, ERROR_CORRUPT, "an extent with an unusable offset");
        part.file = span_dup(file);
    }
    vmdk_part_list_push(parts, part);
    return 0;
}

/* KEY=VALUE; other lines mean nothing. */
static int parse_assignment(struct span line, struct vmdk_descriptor *out, struct error **err)
{
    const char *equals = memchr(line.ptr, '=', line.len);

    if (equals == NULL)
        return 0;
    struct span key = span_trim((struct span){line.ptr, (size_t)(equals - line.ptr)});
    struct span value =
        span_trim((struct span){equals + 1, line.len - (size_t)(equals + 1 - line.ptr)});
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
        value.ptr++;
        value.len -= 2;
    }
    if (span_eq_str(key, "CID") && !parse_hex(value, &out->cid))
        return error_set(err, ERROR_CORRUPT, "CID is no hexadecimal number");
    if (span_eq_str(key, "parentCID") && !parse_hex(value, &out->parent_cid))
        return error_set(err, ERROR_CORRUPT, "parentCID is no hexadecimal number");
    if (span_eq_str(key, "createType")) {
        free(out->create_type);
        out->create_type = span_dup(value);
    }
    if (span_eq_str(key, "parentFileNameHint")) {
        free(out->parent_hint);
        out->parent_hint = span_dup(value);
    }
    return 0;
}

static int parse_line(struct span line, struct vmdk_descriptor *out, struct error **err)
{
    struct span rest = line;
    struct span word;

    if (line.len == 0 || line.ptr[0] == '#')
        return 0;
    if (line.len > VMDK_MAX_LINE)
        return error_set(err, ERROR_INVALID, "longer than %d bytes", VMDK_MAX_LINE);
    if (next_word(&rest, &word) && (span_eq_str(word, "RW") || span_eq_str(word, "RDONLY") ||
                                    span_eq_str(word, "NOACCESS")))
        return parse_part(rest, &out->parts, err);
    return parse_assignment(line, out, err);
}

int vmdk_descriptor_parse(const char *text, size_t len, struct vmdk_descriptor *out,
                          struct error **err)
{
    CLEANUP(vmdk_descriptor) struct vmdk_descriptor found = {.parent_cid = VMDK_NO_PARENT};
    struct span rest = {text, strnlen(text, len)};
    struct span line;

    if (len > VMDK_MAX_DESCRIPTOR)
        return error_set(err, ERROR_INVALID, "VMDK descriptor of %zu bytes (at most %d)", len,
                         VMDK_MAX_DESCRIPTOR);
    for (unsigned number = 1; span_split(&rest, '\n', &line); number++)
        if (parse_line(span_trim(line), &found, err) == -1)
            return error_wrap(err, "line %u of the VMDK descriptor", number);
    if (found.create_type == NULL)
        return error_set(err, ERROR_CORRUPT, "VMDK descriptor without a createType");
    *out = found;
    found = (struct vmdk_descriptor){0};
    return 0;
}

void vmdk_descriptor_reset(struct vmdk_descriptor *descriptor)
{
    for (size_t i = 0; i < descriptor->parts.len; i++)
        free(descriptor->parts.ptr[i].file);
    vmdk_part_list_reset(&descriptor->parts);
    free(descriptor->create_type);
    free(descriptor->parent_hint);
    *descriptor = (struct vmdk_descriptor){0};
}
