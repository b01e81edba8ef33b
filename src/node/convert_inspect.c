#define LOG_COMPONENT "convert"

#include "node/convert_inspect.h"

#include "base/array.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"
#include "base/vector.h"
#include "data/dom.h"
#include "data/obj.h"

#include <stdlib.h>

enum { INSPECT_MS = 900 * 1000, OUTPUT_MAX = 4 * 1024 * 1024, ROOT_PREFIX = 7 /* "/dev/sd" */ };

static void put_text(json_t *out, const char *key, struct dom_node *os, const char *path)
{
    struct dom_node *node = dom_find(os, path);
    CLEANUP(str) char *text = node == NULL ? NULL : dom_text(node);

    if (!str_is_empty(text))
        obj_put_str(out, key, text);
}

static void put_version(json_t *out, struct dom_node *os)
{
    struct dom_node *major = dom_find(os, "major_version"), *minor = dom_find(os, "minor_version");
    CLEANUP(str) char *first = major == NULL ? NULL : dom_text(major);
    CLEANUP(str) char *second = minor == NULL ? NULL : dom_text(minor);

    if (str_is_empty(first))
        return;
    CLEANUP(str) char *version =
        str_is_empty(second) ? xstrdup(first) : xasprintf("%s.%s", first, second);
    obj_put_str(out, "version", version);
}

/* A mounted EFI system partition tells how the guest boots. */
static const char *firmware_of(struct dom_node *os)
{
    struct dom_node *points = dom_find(os, "mountpoints");

    for (struct dom_node *point = points == NULL ? NULL : dom_first(points, "mountpoint");
         point != NULL; point = dom_next(point, "mountpoint")) {
        CLEANUP(str) char *path = dom_text(point);

        if (str_eq(path, "/boot/efi") || str_eq(path, "/efi"))
            return "uefi";
    }
    return "bios";
}

/* "/dev/sdb2": the second disk.  Roots on logical volumes tell nothing. */
static void put_boot_disk(json_t *out, struct dom_node *os)
{
    struct dom_node *node = dom_find(os, "root");
    CLEANUP(str) char *root = node == NULL ? NULL : dom_text(node);

    if (root != NULL && str_starts_with(root, "/dev/sd") && root[ROOT_PREFIX] >= 'a' &&
        root[ROOT_PREFIX] <= 'z')
        obj_put_int(out, "bootDisk", root[ROOT_PREFIX] - 'a');
}

json_t *convert_inspect_parse(const char *xml, size_t len)
{
    static const struct {
        const char *key, *path;
    } texts[] = {{"os", "name"},
                 {"distro", "distro"},
                 {"osinfo", "osinfo"},
                 {"product", "product_name"},
                 {"arch", "arch"},
                 {"hostname", "hostname"}};
    CLEANUP(error) struct error *err = NULL;
    struct dom *dom = NULL;
    json_t *out = json_object();

    if (dom_parse(xml, len, &dom, &err) == -1) {
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "cannot read the inspection");
        return out;
    }
    struct dom_node *os = dom_find(dom_root(dom), "operatingsystem");
    for (size_t i = 0; os != NULL && i < ARRAY_SIZE(texts); i++)
        put_text(out, texts[i].key, os, texts[i].path);
    if (os != NULL) {
        put_version(out, os);
        put_boot_disk(out, os);
        obj_put_str(out, "firmware", firmware_of(os));
    }
    dom_free(dom);
    return out;
}

json_t *convert_inspect(const char *const *disks, size_t count)
{
    CLEANUP(process_result) struct process_result result = {0};
    CLEANUP(error) struct error *err = NULL;
    struct str_list argv = {0};
    static const char *const words[] = {"virt-inspector", "--no-applications", "--no-icon"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        str_list_push(&argv, xstrdup(words[i]));
    for (size_t i = 0; i < count; i++) {
        str_list_push(&argv, xstrdup("-a"));
        str_list_push(&argv, xstrdup(disks[i]));
    }
    str_list_push(&argv, NULL);
    struct process_options options = {.argv = (const char *const *)argv.ptr};
    int ran = process_run(&options, NULL, 0, OUTPUT_MAX, deadline_after(INSPECT_MS), NULL, &result,
                          &err);
    str_list_free_all(&argv);
    if (ran == 0 && result.status == 0)
        return convert_inspect_parse(result.out, result.out_len);
    if (err != NULL)
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "cannot inspect the guest");
    else
        log_warn("cannot inspect the guest: %s", result.errors);
    return json_object();
}
