#include "move/vm/hook_check.h"

#include "base/error.h"
#include "base/text.h"
#include "data/base64.h"
#include "data/obj.h"
#include "data/yaml.h"
#include "kube/kinds.h"
#include "move/vm/settings.h"

#include <ctype.h>
#include <string.h>

enum { IMAGE_MAX = 512 };

static bool is_host_part(struct span part)
{
    return memchr(part.ptr, '.', part.len) != NULL || memchr(part.ptr, ':', part.len) != NULL ||
           span_eq_str(part, "localhost");
}

/* Cuts what is behind the last SEP off *TEXT; false if there is no SEP. */
static bool cut_behind(struct span *text, char sep, struct span *behind)
{
    for (size_t i = text->len; i > 0; i--)
        if (text->ptr[i - 1] == sep) {
            *behind = (struct span){text->ptr + i, text->len - i};
            text->len = i - 1;
            return true;
        }
    return false;
}

/* HOST or HOST:PORT, letters of either case. */
static bool host_is_valid(struct span part)
{
    struct span port;
    uint64_t number;

    if (cut_behind(&part, ':', &port) && (!span_u64(port, &number) || number > 65535))
        return false;
    for (size_t i = 0; i < part.len; i++)
        if (!isalnum((unsigned char)part.ptr[i]) && part.ptr[i] != '.' && part.ptr[i] != '-')
            return false;
    return part.len > 0;
}

/* Lower-case letters and digits, parted by . _ or -. */
static bool path_part_is_valid(struct span part)
{
    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (strchr("._-", c) == NULL || i == 0 || i + 1 == part.len))
            return false;
    }
    return part.len > 0;
}

static bool tag_is_valid(struct span tag)
{
    for (size_t i = 0; i < tag.len; i++)
        if (!isalnum((unsigned char)tag.ptr[i]) && (strchr("._-", tag.ptr[i]) == NULL ||
                                                    (i == 0 && tag.ptr[i] != '_')))
            return false;
    return tag.len > 0 && tag.len <= 128;
}

static bool digest_is_valid(struct span digest)
{
    struct span algorithm;

    if (!span_split(&digest, ':', &algorithm) || algorithm.len == 0 || digest.len < 32)
        return false;
    for (size_t i = 0; i < digest.len; i++)
        if (!isxdigit((unsigned char)digest.ptr[i]))
            return false;
    return true;
}

bool image_reference_is_valid(const char *text)
{
    struct span rest = span_of(text), behind, part;
    bool first = true;

    if (rest.len == 0 || rest.len > IMAGE_MAX)
        return false;
    if (cut_behind(&rest, '@', &behind) && !digest_is_valid(behind))
        return false;
    const char *colon = memrchr(rest.ptr, ':', rest.len);
    const char *slash = memrchr(rest.ptr, '/', rest.len);
    if (colon != NULL && (slash == NULL || colon > slash)) {
        cut_behind(&rest, ':', &behind);
        if (!tag_is_valid(behind))
            return false;
    }
    if (rest.len == 0 || rest.ptr[rest.len - 1] == '/')
        return false;
    bool several = memchr(rest.ptr, '/', rest.len) != NULL;
    while (span_split(&rest, '/', &part)) {
        bool host = first && several && is_host_part(part);
        if (host ? !host_is_valid(part) : !path_part_is_valid(part))
            return false;
        first = false;
    }
    return true;
}

static void check_playbook(const json_t *hook, json_t *status)
{
    const char *text = obj_str(hook, "spec.playbook", "");
    CLEANUP(str) char *playbook = NULL;
    CLEANUP(error) struct error *failure = NULL;
    size_t len = 0;

    if (base64_decode(text, strlen(text), &playbook, &len, &failure) == -1) {
        CLEANUP(str) char *why = error_format(failure);
        finding_add(status, "InvalidPlaybook", CONDITION_CRITICAL, "DataError",
                    "encode it with: base64 -w0 playbook.yml", "the playbook is not base64: %s",
                    why);
        return;
    }
    if (len == 0)
        return;
    json_auto_t *documents = obj_parse_yaml(playbook, len, &failure);
    if (documents == NULL) {
        CLEANUP(str) char *why = error_format(failure);
        finding_add(status, "InvalidPlaybook", CONDITION_CRITICAL, "DataError",
                    "ansible-playbook --syntax-check playbook.yml tells more",
                    "the playbook is not YAML: %s", why);
    } else if (!json_is_array(json_array_get(documents, 0))) {
        finding_add(status, "InvalidPlaybook", CONDITION_CRITICAL, "DataError",
                    "begin each play with \"- hosts:\"", "the playbook is no list of plays");
    }
}

static int check_aap(struct room *room, const json_t *hook, json_t *status, struct error **err)
{
    CLEANUP(settings) struct settings settings = {0};

    if (obj_int(hook, "spec.aap.jobTemplateId", 0) <= 0)
        finding_add(status, "InvalidHookExecute", CONDITION_CRITICAL, "NotSet",
                    "set spec.aap.jobTemplateId", "the job template's id must be above 0");
    if (settings_load(room, &settings, err) == -1)
        return -1;
    bool own = !str_is_empty(obj_str(hook, "spec.aap.url", NULL)) &&
               !str_is_empty(obj_str(hook, "spec.aap.tokenSecret.name", NULL));
    if (!own && (settings.aap_url == NULL || settings.aap_token_secret == NULL))
        finding_add(status, "InvalidHookExecute", CONDITION_CRITICAL, "NotSet",
                    "set spec.aap.url and spec.aap.tokenSecret, or aap_url and "
                    "aap_token_secret_name in the ForkliftController",
                    "there is no connection to an automation controller");
    return 0;
}

static int check(struct room *room, const json_t *hook, json_t *status, struct error **err)
{
    const char *image = obj_str(hook, "spec.image", "");
    bool local = image[0] != '\0' || obj_str(hook, "spec.playbook", "")[0] != '\0';
    bool aap = obj_obj(hook, "spec.aap") != NULL;

    if (local == aap) {
        finding_add(status, "InvalidHookExecute", CONDITION_CRITICAL, "NotSet",
                    "set image and playbook, or aap",
                    local ? "the hook has both a local form and aap"
                          : "the hook has neither an image, nor a playbook, nor aap");
        return 0;
    }
    if (aap)
        return check_aap(room, hook, status, err);
    if (image[0] != '\0' && !image_reference_is_valid(image))
        finding_add(status, "InvalidImage", CONDITION_CRITICAL, "NotSet",
                    "write it as HOST/PATH:TAG", "\"%s\" is no image reference", image);
    check_playbook(hook, status);
    return 0;
}

int hook_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                   struct reconcile_result *result, struct error **err)
{
    struct room *room = arg;
    CLEANUP(edit) struct edit edit = {0};

    if (edit_open(room, &KIND_HOOK, ns, name, &edit, err) == -1)
        return -1;
    if (edit.object == NULL || object_is_deleted(edit.object))
        return 0;
    conditions_begin(edit.status);
    if (check(room, edit.object, edit.status, err) == -1)
        return -1;
    if (!conditions_is_blocked(edit.status))
        finding_add(edit.status, "Ready", CONDITION_REQUIRED, "Ready", NULL, "the hook is ready");
    conditions_end(edit.status);
    return edit_save(room, &edit, err);
}
