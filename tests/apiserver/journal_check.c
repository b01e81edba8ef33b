/* The journals against each other and against the server.
 *
 * Each object has one writer, which goes on to the next object after a write that was not
 * acknowledged: all writes of an object but the last are acknowledged, and what the server has tells
 * whether that last one was done.  So it is known which events each watcher must have seen, one by
 * one. */
#include "journal.h"

#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WRITES = 5, MAX_WORD = 128 };

struct one_write {
    bool removes, is_acknowledged;
    int value;
    uint64_t version; /* 0: not told */
};

/* All writes of one object. */
struct life {
    const char *key; /* of the map: "KIND NAME" */
    struct one_write writes[MAX_WRITES];
    size_t count;
    size_t done; /* the first so many, as the server shows */
    size_t seen; /* by the watcher whose journal is read */
};

struct journals {
    struct map *lives;   /* "KIND NAME" -> life */
    struct map *waiting; /* ID -> life, whose last write it is; not answered yet */
    uint64_t newest;     /* of all acknowledged versions, and what the rounds began with */
    size_t rounds, acknowledged, refused, unknown, events, resumed, relisted, bookmarks;
};

static int wrong(struct error **err, const char *who, const char *what, const char *line)
{
    return error_set(err, ERROR_CORRUPT, "%s: %s: \"%s\"", who, what, line);
}

/* --- The writers ------------------------------------------------------------------------------ */

static struct life *find_life(struct journals *j, const char *kind, const char *name)
{
    CLEANUP(str) char *key = xasprintf("%s %s", kind, name);

    return map_find(j->lives, key);
}

static void add_write(struct journals *j, const char *id, const char *kind, const char *name,
                      char what, int value)
{
    CLEANUP(str) char *key = xasprintf("%s %s", kind, name);
    struct life *life = map_find(j->lives, key);

    if (life == NULL) {
        life = xcalloc(1, sizeof(*life));
        map_put(j->lives, key, life);
    }
    if (life->count == MAX_WRITES)
        return;
    life->writes[life->count++] = (struct one_write){.removes = what == 'D', .value = value};
    map_put(j->waiting, id, life);
}

static int acknowledge(struct journals *j, const char *id, uint64_t version, const char *line,
                       struct error **err)
{
    struct life *life = map_find(j->waiting, id);

    if (life == NULL)
        return wrong(err, "writes", "an answer without a write", line);
    struct one_write *write = &life->writes[life->count - 1];
    map_remove(j->waiting, id);
    write->is_acknowledged = true;
    write->version = version;
    j->acknowledged++;
    if (version > j->newest)
        j->newest = version;
    if (life->count > 1 && version != 0 && version <= life->writes[life->count - 2].version)
        return wrong(err, "writes", "the version went back", line);
    return 0;
}

static int read_write_line(struct journals *j, const char *line, struct error **err)
{
    char id[MAX_WORD], kind[MAX_WORD], name[MAX_WORD], what;
    uint64_t version = 0;
    int value = 0;

    if (sscanf(line, "R %" SCNu64, &version) == 1) {
        j->rounds++;
        if (version < j->newest)
            return wrong(err, "writes", "the version went back over a restart", line);
        j->newest = version;
        return 0;
    }
    if (sscanf(line, "+ %127s %127s %127s %c %d", id, kind, name, &what, &value) == 5)
        add_write(j, id, kind, name, what, value);
    else if (sscanf(line, "= %127s %" SCNu64, id, &version) == 2)
        return acknowledge(j, id, version, line, err);
    else if (sscanf(line, "- %127s", id) == 1)
        j->refused++;
    else
        return wrong(err, "writes", "a line that is none", line);
    return 0;
}

/* Calls EACH for every line of DIR/NAME. */
static int read_lines(const char *dir, const char *name, struct journals *j,
                      int (*each)(struct journals *j, const char *line, void *arg,
                                  struct error **err),
                      void *arg, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, name);
    CLEANUP(str) char *text = NULL;
    size_t len = 0;
    int result = 0;

    if (file_read(path, JOURNAL_MAX_BYTES, &text, &len, err) == -1)
        return -1;
    char *at = text;
    for (char *end; result == 0 && (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        result = each(j, at, arg, err);
    }
    return result;
}

static int each_write(struct journals *j, const char *line, void *arg, struct error **err)
{
    return read_write_line(j, line, err);
}

/* --- The server ------------------------------------------------------------------------------- */

static bool is_state_after(const struct life *life, size_t writes, const json_t *object)
{
    const struct one_write *last = writes == 0 ? NULL : &life->writes[writes - 1];
    uint64_t version = 0;

    if (last == NULL || last->removes)
        return object == NULL;
    if (object == NULL || !span_u64(span_of(meta_resource_version(object)), &version))
        return false;
    CLEANUP(str) char *value = xasprintf("%d", last->value);
    const char *even = last->value % 2 == 0 ? "yes" : "no";
    return str_eq(obj_str(object, "metadata.annotations.value", ""), value) &&
           str_eq(obj_str(object, "metadata.labels.even", ""), even) &&
           (last->version == 0 || last->version == version);
}

static int check_life(struct journals *j, struct life *life, const char *key, const json_t *object,
                      struct error **err)
{
    size_t acknowledged = 0;

    while (acknowledged < life->count && life->writes[acknowledged].is_acknowledged)
        acknowledged++;
    if (acknowledged + 1 < life->count)
        return wrong(err, "writes", "a writer went on after a failure", key);
    j->unknown += life->count - acknowledged;
    for (life->done = acknowledged; life->done <= life->count; life->done++)
        if (is_state_after(life, life->done, object))
            return 0;
    return wrong(err, "server", "what was acknowledged is not there", key);
}

/* Every object is as one of its writes left it, and there are no others. */
static int check_server(struct journals *j, struct kube_client *client, struct error **err)
{
    struct map *objects = map_new();
    json_auto_t *all = json_array();
    const char *key;
    size_t pos = 0, i;
    json_t *object;
    void *life = NULL;
    int result = 0;

    for (size_t k = 0; k < JOURNAL_KINDS && result == 0; k++) {
        json_auto_t *items = NULL;
        result = kube_list(client, journal_kinds[k], "default", NULL, &items, err);
        json_array_foreach(items, i, object) {
            CLEANUP(str) char *name =
                xasprintf("%s %s", journal_kinds[k]->plural, meta_name(object));
            if (str_starts_with(meta_name(object), "j-")) {
                map_put(objects, name, object);
                if (map_find(j->lives, name) == NULL && result == 0)
                    result = wrong(err, "server", "an object that nobody made", name);
            }
        }
        json_array_extend(all, items);
    }
    while (result == 0 && (key = map_next(j->lives, &pos, &life)) != NULL)
        result = check_life(j, life, key, map_find(objects, key), err);
    map_free(objects, NULL);
    return result;
}

/* --- The watchers ----------------------------------------------------------------------------- */

struct watching {
    const char *file;
    char kind[MAX_WORD];
    bool only_even;
    uint64_t version; /* the last one seen */
    bool listed;      /* at least once */
    struct map *snapshot; /* what the last list showed: name -> the line's text behind it */
};

static bool is_visible(const struct watching *w, const struct life *life, size_t writes)
{
    const struct one_write *last = writes == 0 ? NULL : &life->writes[writes - 1];

    return last != NULL && !last->removes && (!w->only_even || last->value % 2 == 0);
}

/* The event that the next write of LIFE gives this watcher, NULL for none: then that is skipped. */
static const char *next_event(const struct watching *w, struct life *life)
{
    while (life->seen < life->done) {
        bool before = is_visible(w, life, life->seen), after = is_visible(w, life, life->seen + 1);
        if (before || after)
            return after ? before ? "MODIFIED" : "ADDED" : "DELETED";
        life->seen++;
    }
    return NULL;
}

static int check_event(struct journals *j, struct watching *w, const char *line,
                       struct error **err)
{
    char type[MAX_WORD], name[MAX_WORD];
    uint64_t version = 0;
    int value = -1;

    if (sscanf(line, "E %127s %127s %" SCNu64 " %d", type, name, &version, &value) != 4)
        return wrong(err, w->file, "a line that is none", line);
    struct life *life = find_life(j, w->kind, name);
    if (life == NULL)
        return wrong(err, w->file, "an object that nobody made", line);
    const char *wanted = next_event(w, life);
    if (wanted == NULL || !str_eq(wanted, type))
        return wrong(err, w->file, wanted == NULL ? "an event too many" : wanted, line);
    const struct one_write *write = &life->writes[life->seen];
    const struct one_write *shown = str_eq(type, "DELETED") ? write - 1 : write;
    if (shown->value != value || (write->version != 0 && write->version != version))
        return wrong(err, w->file, "an event of another write", line);
    if (version <= w->version)
        return wrong(err, w->file, "versions go back", line);
    w->version = version;
    life->seen++;
    j->events++;
    return 0;
}

/* After a list an object has been seen as that shows it, in between unseen. */
static void catch_up(struct journals *j, struct watching *w)
{
    const char *key;
    size_t pos = 0, prefix = strlen(w->kind) + 1;
    void *value = NULL;

    while ((key = map_next(j->lives, &pos, &value)) != NULL) {
        struct life *life = value;
        if (strncmp(key, w->kind, prefix - 1) != 0 || key[prefix - 1] != ' ')
            continue;
        const char *shown = map_find(w->snapshot, key + prefix);
        uint64_t until = shown == NULL ? w->version : strtoull(shown, NULL, 10);
        while (life->seen < life->done) {
            const struct one_write *write = &life->writes[life->seen];
            bool is_over = write->version != 0 ? write->version <= until
                                               : shown == NULL && is_visible(w, life, life->seen);
            if (!is_over)
                break;
            life->seen++;
        }
    }
}

static int each_watch_line(struct journals *j, const char *line, void *arg, struct error **err)
{
    struct watching *w = arg;
    char word[MAX_WORD], name[MAX_WORD];
    uint64_t version = 0;
    int at = 0;

    if (sscanf(line, "W %127s %127s", w->kind, word) == 2) {
        w->only_even = !str_eq(word, "-");
        return 0;
    }
    if (sscanf(line, "S %127s %n", name, &at) == 1) {
        free(map_put(w->snapshot, name, xstrdup(line + at)));
        return 0;
    }
    if (w->listed) { /* the list is complete */
        catch_up(j, w);
        w->listed = false;
    }
    if (line[0] == 'E')
        return check_event(j, w, line, err);
    if (line[0] == 'C') {
        j->resumed++;
    } else if (line[0] == 'G') {
        j->relisted++;
    } else if (sscanf(line, "B %" SCNu64, &version) == 1 ||
               sscanf(line, "L %" SCNu64, &version) == 1) {
        if (version < w->version)
            return wrong(err, w->file, "versions go back", line);
        w->version = version;
        j->bookmarks += line[0] == 'B';
        w->listed = line[0] == 'L';
        if (w->listed) {
            map_free(w->snapshot, free);
            w->snapshot = map_new();
        }
    } else {
        return wrong(err, w->file, "a line that is none", line);
    }
    return 0;
}

/* What this watcher has not seen and should have. */
static int check_rest(struct journals *j, struct watching *w, struct error **err)
{
    const char *key;
    size_t pos = 0, len = strlen(w->kind);
    void *life = NULL;

    while ((key = map_next(j->lives, &pos, &life)) != NULL)
        if (strncmp(key, w->kind, len) == 0 && key[len] == ' ' && next_event(w, life) != NULL)
            return wrong(err, w->file, "an event is missing", key);
    return 0;
}

static int check_watcher(struct journals *j, const char *dir, const char *name, struct error **err)
{
    struct watching w = {.file = name, .snapshot = map_new()};
    size_t pos = 0;
    void *life = NULL;

    while (map_next(j->lives, &pos, &life) != NULL)
        ((struct life *)life)->seen = 0;
    int result = read_lines(dir, name, j, each_watch_line, &w, err);
    if (result == 0 && w.kind[0] == '\0')
        result = wrong(err, name, "a journal of nothing", "");
    if (result == 0)
        result = check_rest(j, &w, err);
    map_free(w.snapshot, free);
    return result;
}

int journal_check(struct kube_client *client, const char *dir, struct error **err)
{
    struct journals j = {.lives = map_new(), .waiting = map_new()};
    int result = 0;

    if (read_lines(dir, "writes", &j, each_write, NULL, err) == -1 ||
        check_server(&j, client, err) == -1)
        result = -1;
    for (int i = 0; result == 0 && i < 2 * JOURNAL_KINDS; i++) {
        CLEANUP(str) char *name = xasprintf("watch-%d", i);
        CLEANUP(str) char *path = path_join(dir, name);
        if (file_exists(path))
            result = check_watcher(&j, dir, name, err);
    }
    if (result == 0)
        printf("rounds=%zu objects=%zu acknowledged=%zu refused=%zu without_answer=%zu events=%zu "
               "resumed=%zu lists_after_410=%zu bookmarks=%zu\n",
               j.rounds, map_count(j.lives), j.acknowledged, j.refused, j.unknown - j.refused,
               j.events, j.resumed, j.relisted, j.bookmarks);
    map_free(j.lives, free);
    map_free(j.waiting, NULL);
    return result;
}
