#include "disk/blob.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/blob_cache.h"
#include "disk/blob_http.h"
#include "disk/blob_member.h"
#include "disk/blob_nbd.h"
#include "disk/disk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Cuts ova:FILE#MEMBER at the last "#": file names may hold one, members hardly ever do. */
static int split_member(const char *source, char **path, const char **member, struct error **err)
{
    const char *mark = strrchr(source, '#');

    if (mark == NULL || mark == source + 4 || mark[1] == '\0') {
        error_set(err, ERROR_INVALID, "\"%s\" names no member", source);
        return error_hint(err, "write ova:FILE#MEMBER");
    }
    *path = xstrndup(source + 4, (size_t)(mark - source - 4));
    *member = mark + 1;
    return 0;
}

/* Many small reads of headers and tables cost few round trips. */
static int open_http(const char *url, const struct disk_options *options, struct blob **out,
                     struct error **err)
{
    struct blob *blob;

    if (blob_http_open(url, options, &blob, err) == -1)
        return -1;
    *out = blob_cache_new(blob);
    return 0;
}

static int open_member(const char *source, const struct disk_options *options, struct blob **out,
                       struct error **err)
{
    CLEANUP(str) char *path = NULL;
    const char *member;
    struct blob *whole;

    if (split_member(source, &path, &member, err) == -1)
        return -1;
    if (!blob_http_is_url(path))
        return blob_member_open(path, member, out, err);
    return open_http(path, options, &whole, err) == -1 ? -1
                                                       : blob_member_of(whole, member, out, err);
}

int blob_open(const char *source, const struct disk_options *options, struct blob **out,
              struct error **err)
{
    if (str_starts_with(source, "ova:"))
        return open_member(source, options, out, err);
    if (blob_nbd_is_uri(source))
        return blob_nbd_open(source, options, out, err);
    if (blob_http_is_url(source))
        return open_http(source, options, out, err);
    if (blob_chunks_exist(source))
        return blob_chunks_open(source, out, err);
    return blob_file_open(source, out, err);
}

/* The folder of PATH; owned by the caller. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* NAME beside the resource URL, its query kept (vSphere's datastore browser needs it). */
static char *sibling_url(const char *url, const char *name)
{
    const char *query = strchr(url, '?');
    size_t path_len = query == NULL ? strlen(url) : (size_t)(query - url);
    struct buf text = BUF_INIT(16384);

    while (path_len > 0 && url[path_len - 1] != '/')
        path_len--;
    buf_append(&text, url, path_len);
    for (const char *p = name; *p != '\0'; p++)
        if (strchr("/-._~", *p) != NULL || (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
            (*p >= 'A' && *p <= 'Z'))
            buf_add_char(&text, *p);
        else
            buf_printf(&text, "%%%02X", (unsigned char)*p);
    if (query != NULL)
        buf_add(&text, query);
    return buf_take(&text);
}

char *blob_sibling_name(const char *source, const char *name)
{
    const char *mark = strrchr(source, '#');
    CLEANUP(str) char *dir = NULL;

    if (blob_http_is_url(source))
        return sibling_url(source, name);
    if (str_starts_with(source, "ova:") && mark != NULL) {
        const char *slash = strrchr(mark, '/');
        int keep = (int)((slash == NULL ? mark : slash) + 1 - source);
        return xasprintf("%.*s%s", keep, source, name);
    }
    if (name[0] == '/')
        return xstrdup(name);
    dir = folder_of(source);
    return path_join(dir, name);
}

int blob_open_sibling(const char *source, const char *name, const struct disk_options *options,
                      struct blob **out, struct error **err)
{
    CLEANUP(str) char *full = blob_sibling_name(source, name);

    if (!path_is_plain_relative(name, strlen(name)) && !options->allow_paths) {
        error_set(err, ERROR_DENIED, "the image refers to \"%s\", outside its folder", name);
        return error_hint(err, "use --allow-paths if the image is trusted");
    }
    if (blob_nbd_is_uri(source))
        return error_set(err, ERROR_UNSUPPORTED, "the image refers to \"%s\": NBD has no folders",
                         name);
    if (blob_http_is_url(source) || str_starts_with(source, "ova:"))
        return blob_open(full, options, out, err);
    if (options->allow_paths)
        return blob_file_open(full, out, err);

    CLEANUP(str) char *dir = folder_of(source);
    return blob_file_open_beneath(dir, name, out, err);
}

void blob_close(struct blob *blob)
{
    if (blob == NULL)
        return;
    free(blob->name);
    blob->ops->close(blob);
}

int blob_read(struct blob *blob, void *data, size_t len, uint64_t offset, struct error **err)
{
    if (offset > blob->size_bytes || len > blob->size_bytes - offset)
        return error_set(err, ERROR_CORRUPT,
                         "%zu bytes at byte %" PRIu64 " of \"%s\" lie behind its end (%" PRIu64
                         " bytes)",
                         len, offset, blob->name, blob->size_bytes);
    return len == 0 ? 0 : blob->ops->read(blob, data, len, offset, err);
}

int blob_extents(struct blob *blob, uint64_t offset, uint64_t length, struct extent_list *list,
                 struct error **err)
{
    return blob->ops->extents(blob, offset, length, list, err);
}
