/* The REST API for tags: sessions, the list, what they are on, and single ones. */
#include "fake.h"

#include "base/error.h"
#include "base/mem.h"
#include "data/base64.h"
#include "data/obj.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN   "secret-rest-token"
#define TAGGING "/rest/com/vmware/cis/tagging"

static void answer(struct http_response *response, json_t *value)
{
    json_auto_t *body = obj_pack("{s:o}", "value", value);
    CLEANUP(str) char *text = obj_format(body);

    http_response_set_status(response, 200);
    http_response_add_header(response, "Content-Type", "application/json");
    http_response_write(response, text, strlen(text));
}

static void refuse(struct http_response *response, int status)
{
    http_response_set_status(response, status);
    http_response_write(response, "{}", 2);
}

static bool is_basic(const struct http_request *request)
{
    CLEANUP(str) char *pair = xasprintf("%s:%s", FAKE_VCENTER_USER, FAKE_VCENTER_PASSWORD);
    CLEANUP(str) char *encoded = base64_encode(pair, strlen(pair));
    CLEANUP(str) char *want = xasprintf("Basic %s", encoded);

    return str_eq(http_request_header(request, "Authorization"), want);
}

/* The machines that tag NUMBER is on, in the form of an association. */
static json_t *attached(const struct fake_vcenter *fake, const json_t *tag)
{
    json_t *objects = json_array();

    for (size_t i = 0; i < fake->machines.len; i++)
        if (str_eq(fake->machines.ptr[i].name, obj_str(tag, "vm", "")))
            json_array_append_new(objects, obj_pack("{s:s, s:s}", "id", fake->machines.ptr[i].id,
                                                    "type", "VirtualMachine"));
    return obj_pack("{s:s, s:o}", "tag_id", obj_str(tag, "id", ""), "object_ids", objects);
}

static const json_t *find_tag(const struct fake_vcenter *fake, const char *id)
{
    for (size_t i = 0; i < json_array_size(fake->tags); i++)
        if (str_eq(obj_str(json_array_get(fake->tags, i), "id", ""), id))
            return json_array_get(fake->tags, i);
    return NULL;
}

static void list_tags(struct fake_vcenter *fake, struct http_response *response)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < json_array_size(fake->tags); i++)
        json_array_append(ids, json_object_get(json_array_get(fake->tags, i), "id"));
    answer(response, ids);
}

static void list_attached(struct fake_vcenter *fake, const struct http_request *request,
                          struct http_response *response)
{
    CLEANUP(error) struct error *ignored = NULL;
    json_auto_t *body = obj_parse(request->body, request->body_len, &ignored);
    const json_t *ids = obj_arr(body, "tag_ids");
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *tag = find_tag(fake, json_string_value(json_array_get(ids, i)));
        if (tag != NULL)
            json_array_append_new(list, attached(fake, tag));
    }
    answer(response, list);
}

static void get_tag(struct fake_vcenter *fake, const char *id, struct http_response *response)
{
    const json_t *tag = find_tag(fake, id);

    if (tag == NULL) {
        refuse(response, 404);
        return;
    }
    answer(response,
           obj_pack("{s:s, s:s, s:s, s:s, s:[]}", "id", id, "name", obj_str(tag, "name", ""),
                    "description", obj_str(tag, "description", ""), "category_id",
                    "urn:vmomi:InventoryServiceCategory:1:GLOBAL", "used_by"));
}

void fake_serve_tags(struct fake_vcenter *fake, const struct http_request *request,
                     struct http_response *response)
{
    static const char one[] = TAGGING "/tag/id:";
    LOCK_SCOPE(&fake->lock);

    if (str_eq(request->path, "/rest/com/vmware/cis/session") && str_eq(request->method, "POST")) {
        if (is_basic(request))
            answer(response, json_string(TOKEN));
        else
            refuse(response, 401);
        return;
    }
    if (!str_eq(http_request_header(request, "vmware-api-session-id"), TOKEN))
        refuse(response, 401);
    else if (str_eq(request->path, "/rest/com/vmware/cis/session"))
        answer(response, json_true());
    else if (str_eq(request->path, TAGGING "/tag"))
        list_tags(fake, response);
    else if (str_starts_with(request->path, TAGGING "/tag-association"))
        list_attached(fake, request, response);
    else if (str_starts_with(request->path, one))
        get_tag(fake, request->path + strlen(one), response);
    else
        refuse(response, 404);
}

void fake_vcenter_tag(struct fake_vcenter *fake, const char *vm, const char *name,
                      const char *description)
{
    LOCK_SCOPE(&fake->lock);

    if (fake->tags == NULL)
        fake->tags = json_array();
    CLEANUP(str)
    char *id =
        xasprintf("urn:vmomi:InventoryServiceTag:%zu:GLOBAL", json_array_size(fake->tags) + 1);
    json_array_append_new(fake->tags, obj_pack("{s:s, s:s, s:s, s:s}", "id", id, "name", name,
                                               "description", description, "vm", vm));
}
