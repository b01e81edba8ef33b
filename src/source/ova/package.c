#include "source/ova/package.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/digest.h"
#include "source/ova/share.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { OVA_MAX_CHUNKS = 4096 }; /* of one file */

static bool ends_with_fold(const char *text, const char *suffix)
{
    size_t len = strlen(text), end = strlen(suffix);

    return len >= end && strcasecmp(text + len - end, suffix) == 0;
}

/* Opens a regular file below ROOT. */
static int open_file(int root, const char *path, struct stat *st, struct error **err)
{
    CLEANUP(fd) int fd = ova_share_open_at(root, path, O_RDONLY);

    if (fd == -1 && (errno == ELOOP || errno == EXDEV))
        return error_set(err, ERROR_INVALID,
                         "\"%s\" is or lies behind a symbolic link, which is "
                         "not followed",
                         path);
    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    if (fstat(fd, st) == -1)
        return error_sys(err, errno, "cannot look at \"%s\"", path);
    if (!S_ISREG(st->st_mode))
        return error_set(err, ERROR_INVALID, "\"%s\" is not a regular file", path);
    return steal_fd(&fd);
}

/* Reads SIZE bytes at OFFSET of FD, at most MAX. */
static int read_part(int fd, uint64_t offset, uint64_t size, size_t max, const char *name,
                     char **data, struct error **err)
{
    CLEANUP(str) char *text = NULL;

    if (size > max)
        return error_set(err, ERROR_INVALID, "\"%s\" has %" PRIu64 " bytes, more than %zu", name,
                         size, max);
    text = xmalloc((size_t)size + 1);
    if (fd_pread_all(fd, text, (size_t)size, offset, name, err) == -1)
        return -1;
    text[size] = '\0';
    *data = steal(&text);
    return 0;
}

/* NAME with its %XX turned into bytes, or NULL if it has none.  Owned by the caller. */
static char *percent_decode(const char *name)
{
    if (strchr(name, '%') == NULL)
        return NULL;

    char *out = xstrdup(name), *to = out;
    for (const char *p = name; *p != '\0'; p++) {
        char digits[3] = {p[0] == '%' ? p[1] : '\0', p[0] == '%' && p[1] ? p[2] : '\0', '\0'};
        char *end = digits;
        long byte = digits[0] && digits[1] ? strtol(digits, &end, 16) : 0;

        if (end == digits + 2 && byte > 0) {
            *to++ = (char)byte;
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    return out;
}

char *ova_package_sibling(const struct ova_package *package, const char *name)
{
    const char *base = path_base(package->path);

    return xasprintf("%.*s%s", (int)(base - package->path), package->path, name);
}

/* The size of the file NAME of the package; false if it is not there. */
static bool find_size(int root, const struct ova_package *package, const char *name, uint64_t *size)
{
    if (!path_is_plain_relative(name, strlen(name)))
        return false;
    if (package->is_archive) {
        const struct tar_member *member = tar_index_find(&package->members, name);

        if (member != NULL)
            *size = member->size;
        return member != NULL;
    }

    CLEANUP(str) char *path = ova_package_sibling(package, name);
    CLEANUP(error) struct error *unused = NULL; /* absent, whatever the reason */
    struct stat st;
    CLEANUP(fd) int fd = open_file(root, path, &st, &unused);
    if (fd != -1)
        *size = (uint64_t)st.st_size;
    return fd != -1;
}

/* The size of all chunks of NAME together; false if there is not even the first. */
static bool find_chunks(int root, const struct ova_package *package, const char *name,
                        uint64_t *size)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < OVA_MAX_CHUNKS; i++) {
        CLEANUP(str) char *chunk = xasprintf("%s.%09u", name, i);
        uint64_t part = 0;

        if (!find_size(root, package, chunk, &part)) {
            *size = sum;
            return i > 0;
        }
        sum += part; /* of files that exist: no overflow */
    }
    *size = sum;
    return true;
}

/* Finds what FILE is called, which is its href as written or decoded, itself or in chunks. */
static char *find_name(int root, const struct ova_package *package, const struct ovf_file *file,
                       uint64_t *size)
{
    CLEANUP(str) char *decoded = percent_decode(file->href);
    const char *candidates[] = {file->href, decoded};

    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        if (candidates[i] == NULL)
            continue;
        if (file->chunk_size != 0 ? find_chunks(root, package, candidates[i], size)
                                  : find_size(root, package, candidates[i], size))
            return xstrdup(candidates[i]);
    }
    return NULL;
}

/* Only the files of disks matter: an ISO or an NVRAM file that was not exported is no problem. */
static int check_disk_file(const struct ova_package *package, const struct ovf_disk *disk,
                           const uint64_t *sizes, struct error **err)
{
    const struct ovf_file *file = &package->ovf->files.ptr[disk->file];

    if (package->names.ptr[disk->file] == NULL)
        return error_set(err, ERROR_INVALID, "disk \"%s\": the file \"%s\" is not %s", disk->id,
                         file->href, package->is_archive ? "in the archive" : "in the folder");
    if (sizes[disk->file] == 0)
        return error_set(err, ERROR_INVALID, "disk \"%s\": the file \"%s\" is empty", disk->id,
                         file->href);
    if (file->chunk_size != 0 && file->size != 0 && sizes[disk->file] != file->size)
        return error_set(err, ERROR_INVALID,
                         "disk \"%s\": the chunks of \"%s\" have %" PRIu64 " bytes, not %" PRIu64,
                         disk->id, file->href, sizes[disk->file], file->size);
    if (!str_is_empty(disk->parent))
        return error_set(err, ERROR_UNSUPPORTED, "disk \"%s\" holds only changes over disk \"%s\"",
                         disk->id, disk->parent);
    return 0;
}

static int find_files(int root, struct ova_package *package, struct error **err)
{
    const struct ovf *ovf = package->ovf;
    uint64_t *sizes = xcalloc(ovf->files.len + 1, sizeof(*sizes));
    int result = 0;

    for (size_t i = 0; i < ovf->files.len; i++)
        str_list_push(&package->names, find_name(root, package, &ovf->files.ptr[i], &sizes[i]));
    for (size_t i = 0; i < ovf->disks.len && result == 0; i++)
        if (ovf->disks.ptr[i].file != OVF_NONE)
            result = check_disk_file(package, &ovf->disks.ptr[i], sizes, err);
    free(sizes);
    return result;
}

/* The descriptor is what its manifest says it is; the disks are checked when they are copied. */
static int check_descriptor(const struct ova_package *package, const char *name, const char *ovf,
                            size_t len, struct error **err)
{
    const struct manifest_entry *entry = manifest_find(&package->manifest, name);
    CLEANUP(digest) struct digest *digest = NULL;

    if (entry == NULL)
        return 0;
    char hex[DIGEST_TEXT_SIZE];
    if (digest_new(manifest_algorithm(entry), &digest, err) == -1)
        return -1;
    digest_add(digest, ovf, len);
    if (str_eq(digest_finish(digest, hex), entry->hex))
        return 0;
    return error_set(err, ERROR_CORRUPT,
                     "descriptor \"%s\" has the %s digest %s, not %s as the "
                     "manifest says",
                     name, manifest_algorithm(entry), hex, entry->hex);
}

static int parse_texts(struct ova_package *package, const char *ovf, size_t ovf_len,
                       const char *ovf_name, const char *manifest, size_t manifest_len,
                       struct error **err)
{
    if (manifest != NULL && manifest_parse(manifest, manifest_len, &package->manifest, err) == -1)
        return -1;
    if (check_descriptor(package, ovf_name, ovf, ovf_len, err) == -1)
        return -1;
    if (ovf_parse(ovf, ovf_len, &package->ovf, err) == -1)
        return error_wrap(err, "descriptor \"%s\"", ovf_name);
    return 0;
}

static const struct tar_member *find_suffix(const struct tar_index *members, const char *suffix)
{
    for (size_t i = 0; i < members->len; i++)
        if (ends_with_fold(members->ptr[i].name, suffix))
            return &members->ptr[i];
    return NULL;
}

static int read_archive(int fd, struct ova_package *package, struct error **err)
{
    CLEANUP(str) char *ovf = NULL;
    CLEANUP(str) char *text = NULL;

    if (tar_index_read_fd(fd, &package->members, err) == -1)
        return -1;

    const struct tar_member *descriptor = find_suffix(&package->members, ".ovf");
    const struct tar_member *manifest = find_suffix(&package->members, ".mf");
    if (descriptor == NULL)
        return error_set(err, ERROR_INVALID, "no member is called *.ovf");
    if (read_part(fd, descriptor->offset, descriptor->size, OVF_MAX_BYTES, descriptor->name, &ovf,
                  err) == -1)
        return -1;
    if (manifest != NULL && read_part(fd, manifest->offset, manifest->size, MANIFEST_MAX_BYTES,
                                      manifest->name, &text, err) == -1)
        return -1;
    return parse_texts(package, ovf, (size_t)descriptor->size, descriptor->name, text,
                       manifest ? (size_t)manifest->size : 0, err);
}

static int read_folder(int root, int fd, uint64_t size, struct ova_package *package,
                       struct error **err)
{
    const char *name = path_base(package->path);
    CLEANUP(str) char *ovf = NULL;
    CLEANUP(str) char *text = NULL;
    CLEANUP(str) char *path = xasprintf("%.*s.mf", (int)strlen(package->path) - 4, package->path);
    CLEANUP(error) struct error *absent = NULL; /* a manifest is optional */
    struct stat st = {0};
    CLEANUP(fd) int manifest = open_file(root, path, &st, &absent);

    if (manifest == -1 && absent->code != ERROR_NOT_FOUND) {
        *err = steal(&absent);
        return -1;
    }
    if (read_part(fd, 0, size, OVF_MAX_BYTES, name, &ovf, err) == -1)
        return -1;
    if (manifest != -1 &&
        read_part(manifest, 0, (uint64_t)st.st_size, MANIFEST_MAX_BYTES, path, &text, err) == -1)
        return -1;
    return parse_texts(package, ovf, (size_t)size, name, text, (size_t)st.st_size, err);
}

int ova_package_read(int root, const char *path, struct ova_package **out, struct error **err)
{
    CLEANUP(ova_package) struct ova_package *package = xcalloc(1, sizeof(*package));
    CLEANUP(fd) int fd = -1;
    struct stat st = {0};

    package->path = xstrdup(path);
    package->is_archive = ends_with_fold(path, ".ova");
    fd = open_file(root, path, &st, err);
    if (fd == -1)
        return -1;
    if (package->is_archive ? read_archive(fd, package, err)
                            : read_folder(root, fd, (uint64_t)st.st_size, package, err))
        return -1;
    if (find_files(root, package, err) == -1)
        return -1;
    *out = steal(&package);
    return 0;
}

void ova_package_free(struct ova_package *package)
{
    if (package == NULL)
        return;
    free(package->path);
    ovf_free(package->ovf);
    manifest_free_all(&package->manifest);
    tar_index_reset(&package->members);
    str_list_free_all(&package->names);
    free(package);
}

static void stamp_add(const struct stat *st, struct ova_stamp *stamp)
{
    const uint64_t parts[] = {(uint64_t)st->st_dev,          (uint64_t)st->st_ino,
                              (uint64_t)st->st_size,         (uint64_t)st->st_mtim.tv_sec,
                              (uint64_t)st->st_mtim.tv_nsec, (uint64_t)st->st_ctim.tv_sec,
                              (uint64_t)st->st_ctim.tv_nsec};
    int64_t mtime_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        stamp->id = (stamp->id ^ parts[i]) * 0x9e3779b97f4a7c15ULL + (stamp->id >> 29);
    if (mtime_ms > stamp->mtime_ms)
        stamp->mtime_ms = mtime_ms;
}

/* Adds what NAME is, or its chunks; absent counts as empty. */
static void stamp_add_file(int root, const char *path, struct ova_stamp *stamp)
{
    struct stat st = {0};

    if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        stamp_add(&st, stamp);
        return;
    }
    for (unsigned i = 0; i < OVA_MAX_CHUNKS; i++) {
        CLEANUP(str) char *chunk = xasprintf("%s.%09u", path, i);

        if (fstatat(root, chunk, &st, AT_SYMLINK_NOFOLLOW) == -1)
            break;
        stamp_add(&st, stamp);
    }
    memset(&st, 0, sizeof(st)); /* a chunk that comes makes a difference, as one that goes */
    stamp_add(&st, stamp);
}

int ova_package_stamp(int root, const char *path, const struct ova_package *package,
                      struct ova_stamp *stamp, struct error **err)
{
    struct stat st = {0};
    struct ova_stamp result = {0};

    if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == -1)
        return error_sys(err, errno, "cannot look at \"%s\"", path);
    stamp_add(&st, &result);
    for (size_t i = 0; package != NULL && !package->is_archive && i < package->names.len; i++) {
        const char *name = package->names.ptr[i];

        if (name == NULL)
            continue;
        CLEANUP(str) char *sibling = ova_package_sibling(package, name);
        stamp_add_file(root, sibling, &result);
    }
    *stamp = result;
    return 0;
}
