#include "source/ova/catalog.h"

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "net/crypto.h"
#include "source/ova/share.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* A scan first collects the paths that look like packages, then compares each with the entry of the
 * last scan: a stamp that is the same keeps it.  Reading happens without the lock; the new list is
 * put in place at the end in one step, so others see one whole scan or the next.  An entry may be
 * in both lists, which is what the count of owners is for; only the collector's thread changes it.
 */

DEFINE_VECTOR(entry_list, struct ova_entry *)

struct ova_catalog {
    pthread_mutex_t lock;
    struct entry_list entries; /* guarded by lock; owned, sorted by path */
    struct map *vms;           /* guarded by lock; VM id to entry */
    struct map *waiting;       /* path to struct waiting; the collector's thread alone */
};

/* A file that may still be written: what it looked like, and since when. */
struct waiting {
    struct ova_stamp stamp;
    int64_t since_ms; /* monotonic */
};

/* One walk through the share. */
struct scan {
    struct str_list paths; /* of packages */
    struct entry_list bad; /* entries that are nothing but a problem */
    size_t seen;           /* directory entries */
};

static void entry_free(struct ova_entry *entry)
{
    if (entry == NULL || --entry->owners > 0)
        return;
    free(entry->path);
    ova_package_free(entry->package);
    free(entry->problem);
    free(entry->vm_ids);
    free(entry);
}

DEFINE_CLEANUP(entry, struct ova_entry *, entry_free)

static void entries_free(struct entry_list *entries)
{
    for (size_t i = 0; i < entries->len; i++)
        entry_free(entries->ptr[i]);
    entry_list_reset(entries);
}

static void scan_reset(struct scan *scan)
{
    str_list_free_all(&scan->paths);
    entries_free(&scan->bad);
}

DEFINE_CLEANUP_IN_PLACE(scan, struct scan, scan_reset)
DEFINE_CLEANUP_IN_PLACE(entries, struct entry_list, entries_free)

struct ova_catalog *ova_catalog_new(void)
{
    struct ova_catalog *catalog = xcalloc(1, sizeof(*catalog));

    pthread_mutex_init(&catalog->lock, NULL);
    catalog->vms = map_new();
    catalog->waiting = map_new();
    return catalog;
}

void ova_catalog_free(struct ova_catalog *catalog)
{
    if (catalog == NULL)
        return;
    entries_free(&catalog->entries);
    map_free(catalog->vms, NULL);
    map_free(catalog->waiting, free);
    pthread_mutex_destroy(&catalog->lock);
    free(catalog);
}

void ova_id(const char *kind, const char *text, char id[OVA_ID_SIZE])
{
    CLEANUP(str) char *whole = xasprintf("%s\n%s", kind, text);
    unsigned char digest[CRYPTO_SHA256_SIZE];

    crypto_sha256(whole, strlen(whole), digest);
    for (size_t i = 0; i < (OVA_ID_SIZE - 1) / 2; i++)
        snprintf(id + 2 * i, 3, "%02x", digest[i]);
}

static struct ova_entry *entry_new(const char *path)
{
    struct ova_entry *entry = xcalloc(1, sizeof(*entry));

    entry->owners = 1;
    entry->path = xstrdup(path);
    return entry;
}

/* Finding. */

static struct ova_entry *problem_new(const char *path, const char *problem)
{
    struct ova_entry *entry = entry_new(path);

    entry->problem = xstrdup(problem);
    return entry;
}

static bool name_ends_with(const char *name, const char *suffix)
{
    size_t len = strlen(name), end = strlen(suffix);

    return len > end && strcasecmp(name + len - end, suffix) == 0;
}

/* Which files at DEPTH (1: in the root) are packages. */
static bool is_package(const char *name, int depth)
{
    return (depth <= OVA_MAX_ARCHIVE_DEPTH && name_ends_with(name, ".ova")) ||
           (depth <= OVA_MAX_FOLDER_DEPTH && name_ends_with(name, ".ovf"));
}

static int scan_folder(int root, const char *path, int depth, struct scan *scan,
                       struct error **err);

static int scan_name(int root, int folder, const char *path, const char *name, int depth,
                     struct scan *scan, struct error **err)
{
    CLEANUP(str) char *child = *path ? xasprintf("%s/%s", path, name) : xstrdup(name);
    struct stat st;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
        return 0; /* gone meanwhile */
    if (S_ISDIR(st.st_mode)) {
        CLEANUP(error) struct error *problem = NULL;

        if (depth == OVA_MAX_FOLDER_DEPTH)
            return 0;
        if (scan_folder(root, child, depth + 1, scan, &problem) == 0)
            return 0;
        if (problem->code != ERROR_DENIED) {
            *err = steal(&problem);
            return -1;
        }
        CLEANUP(str) char *text = error_format(problem);
        entry_list_push(&scan->bad, problem_new(child, text));
        return 0;
    }
    if (!is_package(name, depth))
        return 0;
    if (S_ISLNK(st.st_mode)) {
        entry_list_push(&scan->bad, problem_new(child, "a symbolic link, which is not followed"));
        return 0;
    }
    if (S_ISREG(st.st_mode))
        str_list_push(&scan->paths, steal(&child));
    if (scan->paths.len > OVA_MAX_PACKAGES)
        return error_set(err, ERROR_UNSUPPORTED, "more than %d packages", OVA_MAX_PACKAGES);
    return 0;
}

static int scan_folder(int root, const char *path, int depth, struct scan *scan, struct error **err)
{
    int fd = ova_share_open_at(root, *path ? path : ".", O_RDONLY | O_DIRECTORY);
    DIR *dir = fd == -1 ? NULL : fdopendir(fd);
    int result = 0;

    if (dir == NULL) {
        result = error_sys(err, errno, "cannot open the folder \"%s\"", *path ? path : "/");
        cleanup_fd(&fd);
        return result;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);

        if (entry == NULL)
            break;
        if (entry->d_name[0] == '.')
            continue;
        if (++scan->seen > OVA_MAX_ENTRIES)
            result = error_set(err, ERROR_UNSUPPORTED, "more than %d files", OVA_MAX_ENTRIES);
        else
            result = scan_name(root, dirfd(dir), path, entry->d_name, depth, scan, err);
        if (result == -1)
            break;
    }
    if (result == 0 && errno != 0)
        result = error_sys(err, errno, "cannot read the folder \"%s\"", *path ? path : "/");
    closedir(dir);
    return result;
}

/* Comparing. */

static struct ova_entry *find_entry(const struct entry_list *entries, const char *path)
{
    size_t low = 0, high = entries->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(entries->ptr[middle]->path, path);

        if (order == 0)
            return entries->ptr[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* True if the file is old enough, or looked the same long enough (a server's clock may be ahead).
 */
static bool is_settled(struct ova_catalog *catalog, const char *path, const struct ova_stamp *stamp)
{
    struct waiting *waiting = map_find(catalog->waiting, path);
    int64_t now_ms = time_mono_ms();

    if (time_now_ms() - stamp->mtime_ms >= OVA_SETTLE_MS ||
        (waiting != NULL && waiting->stamp.id == stamp->id &&
         now_ms - waiting->since_ms >= OVA_SETTLE_MS)) {
        free(map_remove(catalog->waiting, path));
        return true;
    }
    if (waiting == NULL) {
        waiting = xcalloc(1, sizeof(*waiting));
        map_put(catalog->waiting, path, waiting);
    }
    if (waiting->stamp.id != stamp->id) {
        waiting->stamp = *stamp;
        waiting->since_ms = now_ms;
    }
    return false;
}

static struct ova_entry *read_entry(int root, const char *path)
{
    CLEANUP(entry) struct ova_entry *entry = entry_new(path);
    CLEANUP(error) struct error *err = NULL;

    if (ova_package_read(root, path, &entry->package, &err) == 0 &&
        ova_package_stamp(root, path, entry->package, &entry->stamp, &err) == 0) {
        entry->vm_ids = xcalloc(entry->package->ovf->systems.len, sizeof(*entry->vm_ids));
        return steal(&entry);
    }
    ova_package_free(steal(&entry->package));
    entry->problem = error_format(err);

    /* It is read again when it changes; if it is gone already, the next scan knows. */
    error_clear(&err);
    if (ova_package_stamp(root, path, NULL, &entry->stamp, &err) == -1)
        entry->stamp = (struct ova_stamp){0};
    return steal(&entry);
}

/* The entry of PATH now, with an owner for the caller: the one there was (*KEPT) if the file is the
 * same or is just being changed, a new one, or NULL while a new file is being written. */
static struct ova_entry *look_at(struct ova_catalog *catalog, int root, const char *path,
                                 bool *kept)
{
    struct ova_entry *old = find_entry(&catalog->entries, path);
    CLEANUP(error) struct error *gone = NULL; /* between listing and looking */
    struct ova_stamp stamp = {0};

    *kept = false;
    if (ova_package_stamp(root, path, old ? old->package : NULL, &stamp, &gone) == -1)
        return NULL;
    if (old != NULL && old->stamp.id == stamp.id)
        free(map_remove(catalog->waiting, path));
    else if (is_settled(catalog, path, &stamp))
        return read_entry(root, path);
    if (old == NULL)
        return NULL;
    *kept = true;
    old->owners++;
    return old;
}

static int compare_entries(const void *a, const void *b)
{
    const struct ova_entry *const *x = a, *const *y = b;

    return strcmp((*x)->path, (*y)->path);
}

static bool is_uuid(const char *text)
{
    if (strlen(text) != 36)
        return false;
    for (size_t i = 0; i < 36; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-'
                                                    : !isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

/* Ids are those of the systems where they are UUIDs (the first path wins), else made from path and
 * id, so that they are the same after a restart. */
static void assign_ids(const struct entry_list *entries, struct map *vms)
{
    for (size_t i = 0; i < entries->len; i++) {
        struct ova_entry *entry = entries->ptr[i];

        for (size_t j = 0; entry->package != NULL && j < entry->package->ovf->systems.len; j++) {
            const struct ovf_system *system = &entry->package->ovf->systems.ptr[j];
            CLEANUP(str) char *whole = xasprintf("%s/%zu/%s", entry->path, j, system->id);

            ova_id("VM", whole, entry->vm_ids[j]);
            if (is_uuid(system->id)) {
                char uuid[OVA_ID_SIZE];

                for (size_t k = 0; k < sizeof(uuid); k++)
                    uuid[k] = (char)tolower((unsigned char)system->id[k]);
                if (map_find(vms, uuid) == NULL)
                    memcpy(entry->vm_ids[j], uuid, sizeof(uuid));
            }
            map_put(vms, entry->vm_ids[j], entry);
        }
    }
}

/* A problem that is no package is the same as in the last scan if its words are. */
static struct ova_entry *keep_problem(struct ova_catalog *catalog, struct ova_entry *entry,
                                      bool *kept)
{
    struct ova_entry *old = find_entry(&catalog->entries, entry->path);

    *kept = old != NULL && old->package == NULL && str_eq(old->problem, entry->problem);
    entry->owners++;
    return entry;
}

/* Forgets files that were waited for and have gone. */
static void prune_waiting(struct ova_catalog *catalog, const struct scan *scan)
{
    struct map *paths = map_new();
    const char *path = NULL;
    void *value = NULL;

    for (size_t i = 0; i < scan->paths.len; i++)
        map_put(paths, scan->paths.ptr[i], scan->paths.ptr[i]);
    for (size_t pos = 0; (path = map_next(catalog->waiting, &pos, &value)) != NULL;)
        if (map_find(paths, path) == NULL)
            free(map_remove(catalog->waiting, path));
    map_free(paths, NULL);
}

int ova_catalog_scan(struct ova_catalog *catalog, int root, bool *changed, bool *pending,
                     struct error **err)
{
    CLEANUP(scan) struct scan scan = {0};
    CLEANUP(entries) struct entry_list next = {0};
    size_t kept_count = 0;
    bool kept = false;

    if (scan_folder(root, "", 1, &scan, err) == -1)
        return -1;
    prune_waiting(catalog, &scan);
    for (size_t i = 0; i < scan.paths.len; i++) {
        struct ova_entry *entry = look_at(catalog, root, scan.paths.ptr[i], &kept);

        if (entry != NULL)
            entry_list_push(&next, entry);
        kept_count += kept;
    }
    for (size_t i = 0; i < scan.bad.len; i++) {
        entry_list_push(&next, keep_problem(catalog, scan.bad.ptr[i], &kept));
        kept_count += kept;
    }
    if (next.len > 0)
        qsort(next.ptr, next.len, sizeof(*next.ptr), compare_entries);
    *changed = kept_count != next.len || kept_count != catalog->entries.len;
    *pending = map_count(catalog->waiting) > 0;

    LOCK_SCOPE(&catalog->lock);
    struct entry_list old = catalog->entries;
    catalog->entries = next;
    next = old; /* freed on return, after the new ids are in place */
    map_free(catalog->vms, NULL);
    catalog->vms = map_new();
    assign_ids(&catalog->entries, catalog->vms);
    return 0;
}

void ova_catalog_walk(struct ova_catalog *catalog,
                      void (*each)(void *arg, const struct ova_entry *entry), void *arg)
{
    for (size_t i = 0; i < catalog->entries.len; i++)
        each(arg, catalog->entries.ptr[i]);
}

bool ova_catalog_find(struct ova_catalog *catalog, const char *vm_id,
                      void (*use)(void *arg, const struct ova_entry *entry, size_t system),
                      void *arg)
{
    LOCK_SCOPE(&catalog->lock);
    const struct ova_entry *entry = map_find(catalog->vms, vm_id);

    for (size_t i = 0; entry != NULL && i < entry->package->ovf->systems.len; i++)
        if (str_eq(entry->vm_ids[i], vm_id)) {
            use(arg, entry, i);
            return true;
        }
    return false;
}
