#include "disk/tar.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 512 };

/* A header as it lies in the file; numbers are octal text, or base-256 with the top bit set. */
struct raw_header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link_name[100];
    char magic[6]; /* "ustar\0" (POSIX) or "ustar " (GNU) */
    char version[2];
    char owner[32];
    char group[32];
    char device_major[8];
    char device_minor[8];
    char prefix[155];
    char padding[12];
};
static_assert(sizeof(struct raw_header) == BLOCK, "a header is one block");

/* What extension headers say about the member that follows them. */
struct pending {
    char *name;
    uint64_t size;
    bool has_size;
    bool is_sparse;
};

static void pending_reset(struct pending *pending)
{
    free(pending->name);
    *pending = (struct pending){0};
}

DEFINE_CLEANUP_IN_PLACE(pending, struct pending, pending_reset)

/* A number field.  False if it is neither form or does not fit. */
static bool parse_number(const char *field, size_t len, uint64_t *value)
{
    const unsigned char *p = (const unsigned char *)field;
    uint64_t number = 0;
    size_t i = 0;

    if (p[0] & 0x80) { /* base-256; bit 6 is the sign */
        number = p[0] & 0x3f;
        if (p[0] & 0x40)
            return false;
        for (i = 1; i < len; i++) {
            if (number >> 56 != 0)
                return false;
            number = number << 8 | p[i];
        }
        *value = number;
        return true;
    }
    while (i < len && p[i] == ' ')
        i++;
    for (; i < len && p[i] >= '0' && p[i] <= '7'; i++) {
        if (number >> 61 != 0)
            return false;
        number = number << 3 | (uint64_t)(p[i] - '0');
    }
    for (; i < len; i++)
        if (p[i] != ' ' && p[i] != '\0')
            return false;
    *value = number;
    return true;
}

static bool checksum_fits(const struct raw_header *header)
{
    const unsigned char *p = (const unsigned char *)header;
    size_t from = offsetof(struct raw_header, checksum);
    uint64_t want;
    uint64_t sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= from && i < from + sizeof(header->checksum) ? ' ' : p[i];
    return parse_number(header->checksum, sizeof(header->checksum), &want) && want == sum;
}

static bool is_zero_block(const struct raw_header *header)
{
    static const char zeroes[BLOCK];

    return memcmp(header, zeroes, BLOCK) == 0;
}

/* The name in the header itself, with the prefix of the POSIX form. */
static char *header_name(const struct raw_header *header)
{
    int name_len = (int)strnlen(header->name, sizeof(header->name));
    int prefix_len = (int)strnlen(header->prefix, sizeof(header->prefix));

    if (memcmp(header->magic, "ustar", 6) == 0 && prefix_len > 0)
        return xasprintf("%.*s/%.*s", prefix_len, header->prefix, name_len, header->name);
    return xstrndup(header->name, (size_t)name_len);
}

/* Takes one pax record's key and value. */
static int take_record(struct pending *pending, struct span key, struct span value,
                       struct error **err)
{
    if (span_eq_str(key, "path")) {
        if (value.len == 0 || value.len > TAR_MAX_NAME || memchr(value.ptr, '\0', value.len))
            return error_set(err, ERROR_INVALID, "pax record \"path\" is empty or too long");
        free(pending->name);
        pending->name = span_dup(value);
    } else if (span_eq_str(key, "size")) {
        if (!span_u64(value, &pending->size))
            return error_set(err, ERROR_CORRUPT, "pax record \"size\" is not a number");
        pending->has_size = true;
    } else if (key.len > 11 && memcmp(key.ptr, "GNU.sparse.", 11) == 0) {
        pending->is_sparse = true;
    }
    return 0;
}

/* Records "LENGTH KEY=VALUE\n", where LENGTH counts the whole record. */
static int parse_pax(struct span text, struct pending *pending, struct error **err)
{
    while (text.len > 0) {
        uint64_t length;
        const char *blank = (const char *)memchr(text.ptr, ' ', text.len < 20 ? text.len : 20);

        if (blank == NULL ||
            !span_u64((struct span){text.ptr, (size_t)(blank - text.ptr)}, &length) ||
            length > text.len || length < (uint64_t)(blank - text.ptr) + 3 ||
            text.ptr[length - 1] != '\n')
            return error_set(err, ERROR_CORRUPT, "pax record with a wrong length");

        struct span rest = {blank + 1, (size_t)(text.ptr + length - 1 - (blank + 1))};
        const char *equals = (const char *)memchr(rest.ptr, '=', rest.len);
        if (equals == NULL)
            return error_set(err, ERROR_CORRUPT, "pax record without \"=\"");
        struct span key = {rest.ptr, (size_t)(equals - rest.ptr)};
        struct span value = {equals + 1, rest.len - key.len - 1};
        if (take_record(pending, key, value, err) == -1)
            return -1;
        text.ptr += length;
        text.len -= (size_t)length;
    }
    return 0;
}

/* The content of a pax ('x') or long name ('L') header. */
static int read_extension(const struct tar_input *input, char type, uint64_t offset, uint64_t size,
                          struct pending *pending, struct error **err)
{
    if (size > TAR_MAX_EXTENDED)
        return error_set(err, ERROR_INVALID, "extended header of %" PRIu64 " bytes (at most %d)",
                         size, TAR_MAX_EXTENDED);

    CLEANUP(str) char *text = (char *)xmalloc((size_t)size + 1);
    if (input->read(input->arg, text, (size_t)size, offset, err) == -1)
        return -1;
    text[size] = '\0';
    if (type == 'x')
        return parse_pax((struct span){text, (size_t)size}, pending, err);

    size_t len = strnlen(text, (size_t)size);
    if (len == 0 || len > TAR_MAX_NAME)
        return error_set(err, ERROR_INVALID, "long name of %zu bytes", len);
    free(pending->name);
    pending->name = xstrndup(text, len);
    return 0;
}

/* Adds a regular file; takes NAME. */
static int add_member(struct tar_index *index, char *name, uint64_t offset, uint64_t size,
                      int64_t mtime, struct error **err)
{
    CLEANUP(str) char *owned = name;
    const char *plain = name;

    while (plain[0] == '.' && plain[1] == '/')
        plain += 2;
    if (!path_is_plain_relative(plain, strlen(plain)))
        return error_set(err, ERROR_INVALID, "member name \"%s\" leaves the folder", name);
    if (tar_index_find(index, plain) != NULL)
        return error_set(err, ERROR_INVALID, "member \"%s\" appears twice", plain);
    if (index->len == index->cap) {
        index->cap = index->cap == 0 ? 16 : index->cap * 2;
        index->ptr = (struct tar_member *)xreallocarray(index->ptr, index->cap,
                                                        sizeof(index->ptr[0]));
    }
    index->ptr[index->len++] = (struct tar_member){
        .name = xstrdup(plain), .offset = offset, .size = size, .mtime = mtime};
    return 0;
}

/* Takes the member with this header, whose content begins at OFFSET; *NEXT becomes the offset of
 * the header behind it. */
static int take_member(const struct tar_input *input, const struct raw_header *header,
                       uint64_t offset, struct pending *pending, struct tar_index *index,
                       uint64_t *next, struct error **err)
{
    uint64_t size;
    uint64_t mtime;
    bool is_regular = header->type == '0' || header->type == '\0' || header->type == '7';
    bool is_extension = header->type == 'x' || header->type == 'L';

    if (!checksum_fits(header))
        return error_set(err, ERROR_CORRUPT, "header checksum does not fit");
    if (!parse_number(header->size, sizeof(header->size), &size))
        return error_set(err, ERROR_CORRUPT, "member size is not a number");
    if (!parse_number(header->mtime, sizeof(header->mtime), &mtime) || mtime > INT64_MAX / 1000)
        mtime = 0; /* only shown */
    if (!is_extension && header->type != 'g' && pending->has_size)
        size = pending->size;
    if (size > input->size - offset)
        return error_set(err, ERROR_CORRUPT,
                         "member of %" PRIu64 " bytes ends behind the end of the file (%" PRIu64
                         " bytes)",
                         size, input->size);
    *next = offset + size;
    if (*next % BLOCK != 0) /* the padding of the last member may be missing */
        *next = input->size - *next < BLOCK - *next % BLOCK ? input->size
                                                            : *next + BLOCK - *next % BLOCK;

    if (is_extension)
        return read_extension(input, header->type, offset, size, pending, err);
    if (header->type == 'g' || header->type == 'K')
        return 0; /* defaults for all members and long link names say nothing of files */
    if (header->type == 'S' || pending->is_sparse)
        return error_set(err, ERROR_UNSUPPORTED, "sparse member");
    if (is_regular) {
        char *name = pending->name != NULL ? steal(&pending->name) : header_name(header);
        if (!str_ends_with(name, "/")) { /* a folder as tar before POSIX wrote it */
            if (add_member(index, name, offset, size, (int64_t)mtime, err) == -1)
                return -1;
        } else {
            free(name);
        }
    }
    pending_reset(pending);
    return 0;
}

int tar_index_read(const struct tar_input *input, struct tar_index *index, struct error **err)
{
    CLEANUP(tar_index) struct tar_index found = {0};
    CLEANUP(pending) struct pending pending = {0};
    uint64_t offset = 0;

    for (size_t count = 0;; count++) {
        struct raw_header header;
        uint64_t next;

        if (offset == input->size && count > 0)
            break; /* some writers leave out the two blocks of zeroes */
        if (input->size - offset < BLOCK)
            return error_set(err, ERROR_CORRUPT, "tar file ends within a header at byte %" PRIu64,
                             offset);
        if (input->read(input->arg, &header, sizeof(header), offset, err) == -1)
            return error_wrap(err, "tar header at byte %" PRIu64, offset);
        if (is_zero_block(&header))
            break;
        if (count == TAR_MAX_MEMBERS)
            return error_set(err, ERROR_INVALID, "tar file with more than %d members",
                             TAR_MAX_MEMBERS);
        if (take_member(input, &header, offset + BLOCK, &pending, &found, &next, err) == -1)
            return error_wrap(err, "tar header at byte %" PRIu64, offset);
        offset = next;
    }
    *index = found;
    found = (struct tar_index){0};
    return 0;
}

static int read_fd(void *arg, void *data, size_t len, uint64_t offset, struct error **err)
{
    return fd_pread_all(*(const int *)arg, data, len, offset, "tar file", err);
}

int tar_index_read_fd(int fd, struct tar_index *index, struct error **err)
{
    struct stat st;

    if (fstat(fd, &st) == -1)
        return error_sys(err, errno, "cannot look at the tar file");
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID, "a tar file must be a regular file");
    return tar_index_read(
        &(struct tar_input){.arg = &fd, .size = (uint64_t)st.st_size, .read = read_fd}, index, err);
}

const struct tar_member *tar_index_find(const struct tar_index *index, const char *name)
{
    for (size_t i = 0; i < index->len; i++)
        if (str_eq(index->ptr[i].name, name))
            return &index->ptr[i];
    return NULL;
}

void tar_index_reset(struct tar_index *index)
{
    for (size_t i = 0; i < index->len; i++)
        free(index->ptr[i].name);
    free(index->ptr);
    *index = (struct tar_index){0};
}
