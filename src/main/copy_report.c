#include "main/copy_report.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "data/size.h"
#include "disk/blockmap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_INFO_EXTENTS = 100000, BAR_WIDTH = 30 };

#define INFO_WINDOW (UINT64_C(64) << 30)

/* One object a line; a reader of a pod's log sees each at once. */
static void print_json(json_t *take)
{
    json_auto_t *o = take;
    CLEANUP(str) char *text = obj_format(o);

    puts(text);
    fflush(stdout);
}

static void report_bar(const struct copy_progress *progress)
{
    char done[SIZE_TEXT_SIZE];
    char rate[SIZE_TEXT_SIZE];
    char bar[BAR_WIDTH + 1];
    unsigned permille =
        progress->total_bytes == 0
            ? 0
            : (unsigned)((double)progress->done_bytes * 1000 / (double)progress->total_bytes);

    for (unsigned i = 0; i < BAR_WIDTH; i++)
        bar[i] = i * 1000 / BAR_WIDTH < permille ? '=' : ' ';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "%s[%s] %3u.%u %%  %s  %s/s", isatty(STDERR_FILENO) ? "\r\033[K" : "", bar,
            permille / 10, permille % 10, size_format(progress->done_bytes, done),
            size_format(progress->rate, rate));
    if (progress->left_s >= 0)
        fprintf(stderr, "  %" PRId64 " s left", progress->left_s);
    if (!isatty(STDERR_FILENO))
        fputc('\n', stderr);
}

void copy_report_progress(const struct copy_settings *settings,
                          const struct copy_progress *progress)
{
    if (settings->progress == COPY_PROGRESS_BAR)
        report_bar(progress);
    if (settings->progress == COPY_PROGRESS_JSON)
        print_json(obj_pack("{s:I, s:I, s:I, s:I}", "done", (json_int_t)progress->done_bytes,
                            "total", (json_int_t)progress->total_bytes, "rate",
                            (json_int_t)progress->rate, "left", (json_int_t)progress->left_s));
}

static void report_success_json(const struct copy_outcome *outcome)
{
    const struct copy_result *result = &outcome->result;
    json_t *o = obj_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "result", "ok", "bytes",
                         (json_int_t)result->size_bytes, "format", outcome->format, "read",
                         (json_int_t)result->read_bytes, "written",
                         (json_int_t)result->written_bytes, "shared",
                         (json_int_t)result->shared_bytes, "kept", (json_int_t)result->kept_bytes,
                         "repaired", (json_int_t)result->repaired_bytes, "milliseconds",
                         (json_int_t)result->elapsed_ms, "verified", outcome->verified);

    if (outcome->digest_name != NULL)
        obj_put_str(o, outcome->digest_name, outcome->digest);
    obj_put_str(o, "map", outcome->map_root);
    print_json(o);
}

void copy_report_success(const struct copy_settings *settings, const struct copy_outcome *outcome)
{
    const struct copy_result *result = &outcome->result;
    char size[SIZE_TEXT_SIZE];
    char written[SIZE_TEXT_SIZE];
    char kept[SIZE_TEXT_SIZE];

    if (settings->progress == COPY_PROGRESS_JSON) {
        report_success_json(outcome);
        return;
    }
    if (settings->quiet)
        return;
    if (settings->progress == COPY_PROGRESS_BAR && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    if (result->elapsed_ms > 0 || result->size_bytes > 0)
        printf("%s copied (%s stored) in %.2f s\n", size_format(result->size_bytes, size),
               size_format(result->written_bytes, written), (double)result->elapsed_ms / 1000);
    if (result->shared_bytes > 0)
        printf("%s share the storage of the source\n", size_format(result->shared_bytes, kept));
    if (result->kept_bytes > 0)
        printf("%s were there already\n", size_format(result->kept_bytes, kept));
    if (result->repaired_bytes > 0)
        printf("%s had been changed by somebody else and were copied again\n",
               size_format(result->repaired_bytes, kept));
    if (outcome->digest_name != NULL)
        printf("%s %s\n", outcome->digest_name, outcome->digest);
    if (outcome->map_root != NULL)
        printf("map %s\n", outcome->map_root);
    if (outcome->verified)
        puts("verified");
}

void copy_report_failure(const struct copy_settings *settings, const struct error *err, int status)
{
    CLEANUP(str) char *text = error_format(err);
    const char *hint = error_get_hint(err);

    if (settings->progress == COPY_PROGRESS_JSON) {
        json_t *o = obj_pack("{s:s, s:s, s:i}", "result", "failed", "error", text, "status", status);
        obj_put_str(o, "hint", hint);
        print_json(o);
    }
    if (settings->progress == COPY_PROGRESS_BAR && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    fprintf(stderr, "gantry-copy: %s\n", text);
    if (hint != NULL)
        fprintf(stderr, "gantry-copy: hint: %s\n", hint);
}

static const char *kind_name(enum extent_kind kind)
{
    return kind == EXTENT_DATA ? "data" : "zero";
}

/* Collects the disk's areas, up to a limit; *COMPLETE tells whether all are there. */
static int collect_extents(struct disk *disk, struct extent_list *list, bool *complete,
                           struct error **err)
{
    uint64_t size = disk_size(disk);
    uint64_t at = 0;

    while (at < size && list->len < MAX_INFO_EXTENTS) {
        CLEANUP(extent_list) struct extent_list found = {0};
        uint64_t length = size - at < INFO_WINDOW ? size - at : INFO_WINDOW;

        if (disk_extents(disk, at, length, &found, err) == -1)
            return -1;
        for (size_t i = 0; i < found.len; i++)
            extent_list_add(list, found.ptr[i].offset, found.ptr[i].length,
                            found.ptr[i].kind == EXTENT_DATA ? EXTENT_DATA : EXTENT_ZERO);
        at = extent_list_end(&found, at);
    }
    *complete = at >= size;
    return 0;
}

int copy_report_info(const char *source, struct disk *disk, bool json, struct error **err)
{
    CLEANUP(extent_list) struct extent_list list = {0};
    char size[SIZE_TEXT_SIZE];
    char data_size[SIZE_TEXT_SIZE];
    uint64_t data = 0;
    bool complete;

    if (collect_extents(disk, &list, &complete, err) == -1)
        return -1;
    for (size_t i = 0; i < list.len; i++)
        data += list.ptr[i].kind == EXTENT_DATA ? list.ptr[i].length : 0;
    if (json) {
        json_t *areas = json_array();
        for (size_t i = 0; i < list.len; i++)
            json_array_append_new(areas, obj_pack("{s:I, s:I, s:s}", "offset",
                                                  (json_int_t)list.ptr[i].offset, "length",
                                                  (json_int_t)list.ptr[i].length, "kind",
                                                  kind_name(list.ptr[i].kind)));
        print_json(obj_pack("{s:s, s:s, s:I, s:I, s:b, s:o}", "source", source, "format",
                            disk_format(disk), "size", (json_int_t)disk_size(disk), "data",
                            (json_int_t)data, "complete", complete, "extents", areas));
        return 0;
    }
    printf("source: %s\nformat: %s\nsize:   %" PRIu64 " (%s)\ndata:   %" PRIu64 " (%s) in %zu areas%s\n",
           source, disk_format(disk), disk_size(disk), size_format(disk_size(disk), size), data,
           size_format(data, data_size), list.len, complete ? "" : " and more");
    for (size_t i = 0; i < list.len; i++)
        printf("%" PRIu64 " %" PRIu64 " %s\n", list.ptr[i].offset, list.ptr[i].length,
               kind_name(list.ptr[i].kind));
    return 0;
}

void copy_report_stream_info(const char *source, const char *format, bool has_size, uint64_t size,
                             bool json)
{
    char text[SIZE_TEXT_SIZE];

    if (json) {
        json_t *o = obj_pack("{s:s, s:s, s:b}", "source", source, "format", format, "stream", true);
        if (has_size)
            obj_put_int(o, "size", (int64_t)size);
        print_json(o);
        return;
    }
    printf("source: %s\nformat: %s, read front to back\n", source, format);
    if (has_size)
        printf("size:   %" PRIu64 " (%s)\n", size, size_format(size, text));
}

/* For the walk over a map. */
struct map_printer {
    bool json;
    bool comma;
};

static bool print_block(void *arg, const struct blockmap_block *block)
{
    struct map_printer *printer = arg;
    char hash[2 * BLOCKMAP_HASH_SIZE + 1];

    for (size_t i = 0; i < BLOCKMAP_HASH_SIZE; i++)
        snprintf(hash + 2 * i, 3, "%02x", block->hash[i]);
    if (printer->json)
        printf("%s{\"offset\":%" PRIu64 ",\"length\":%" PRIu32 ",\"xxh3\":\"%s\",\"state\":\"%s\"}",
               printer->comma ? ",\n" : "\n", block->offset, block->length, hash,
               block->is_zero ? "zero" : "data");
    else
        printf("%" PRIu64 " %" PRIu32 " %s %s\n", block->offset, block->length, hash,
               block->is_zero ? "zero" : "data");
    printer->comma = true;
    return true;
}

int copy_report_map(const struct blockmap *map, bool json, struct error **err)
{
    const struct blockmap_source *source = blockmap_get_source(map);
    struct map_printer printer = {.json = json};
    char root[BLOCKMAP_ROOT_SIZE];

    if (blockmap_root(map, root, err) == NULL)
        return -1;
    if (json) {
        json_auto_t *o = obj_pack("{s:s, s:I, s:I, s:b, s:s}", "source", source->name, "size",
                                  (json_int_t)blockmap_size(map), "block",
                                  (json_int_t)blockmap_block_bytes(map), "complete",
                                  blockmap_is_complete(map), "map", root);
        CLEANUP(str) char *text = obj_format(o);
        printf("%.*s,\"blocks\":[", (int)(strlen(text) - 1), text); /* millions of blocks: not built */
    } else {
        printf("# source %s\n# size %" PRIu64 " block %" PRIu32 " %s map %s\n", source->name,
               blockmap_size(map), blockmap_block_bytes(map),
               blockmap_is_complete(map) ? "complete" : "unfinished", root);
    }
    int result = blockmap_walk(map, print_block, &printer, err);
    if (json)
        puts("]}");
    return result;
}
