#include "inventory/inventory.h"

#include "base/array.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "net/http_server.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* An inventory with one OVA provider over a folder, asked without a connection. */

#define UID      "0a1b2c3d-0000-4000-8000-000000000001"
#define VM_ID    "9f1b0c3e-1111-4222-8333-444455556666"
#define PROVIDER "/inventory/providers/ova/" UID

static const char descriptor[] =
    "<Envelope xmlns:vmw=\"http://www.vmware.com/schema/ovf\">"
    "<References><File id=\"f\" href=\"d.vmdk\"/></References>"
    "<DiskSection><Disk diskId=\"d\" capacity=\"1\" capacityAllocationUnits=\"byte * 2^30\" "
    "fileRef=\"f\"/></DiskSection>"
    "<NetworkSection><Network name=\"LAN\"/><Network name=\"DMZ\"/></NetworkSection>"
    "<VirtualSystem id=\"" VM_ID "\"><Name>web</Name><VirtualHardwareSection>"
    "<Item><ResourceType>3</ResourceType><VirtualQuantity>1</VirtualQuantity></Item>"
    "<Item><ResourceType>4</ResourceType><VirtualQuantity>64</VirtualQuantity></Item>"
    "<Item><HostResource>ovf:/disk/d</HostResource><ResourceType>17</ResourceType></Item>"
    "</VirtualHardwareSection></VirtualSystem></Envelope>";

/* A cluster that knows one question: whether somebody may read a provider. */

struct judge {
    int asked;
    json_t *last; /* the review */
};

static int judge_request(void *self, const struct kube_request *request, int *status, char **body,
                         size_t *body_len, struct error **err)
{
    struct judge *judge = self;

    json_decref(judge->last);
    judge->last = obj_parse(request->body, request->body_len, err);
    judge->asked++;
    *status = 201;
    *body = xasprintf("{\"status\":{\"allowed\":%s}}",
                      str_eq(obj_str(judge->last, "spec.user", ""), "friend") ? "true" : "false");
    *body_len = strlen(*body);
    return 0;
}

static int judge_stream(void *self, const struct kube_request *request, int *status,
                        bool (*on_data)(void *arg, const char *data, size_t len), void *arg,
                        struct error **err)
{
    return error_set(err, ERROR_UNSUPPORTED, "no streams");
}

static void judge_free(void *self)
{
    struct judge *judge = self;

    json_decref(judge->last);
}

static const struct kube_transport_ops judge_ops = {judge_request, judge_stream, judge_free};

struct house {
    struct judge judge;
    struct kube_client *client;
    struct inventory *inventory;
    char *share;
    atomic_int changes;
};

static void on_change(void *arg, const char *ns, const char *name,
                      const struct inventory_change *change)
{
    struct house *house = arg;

    house->changes++;
}

static void write_old(const char *dir, const char *name, const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(dir, name);
    struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};

    CHECK_OK(file_write(path, text, strlen(text), 0600, &err), err);
    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

static json_t *provider_object(const char *type, const char *url)
{
    return obj_pack("{s:{s:s, s:s, s:s, s:s}, s:{s:s, s:s}}", "metadata", "name", "share",
                    "namespace", "mtv", "uid", UID, "resourceVersion", "7", "spec", "type", type,
                    "url", url);
}

static void open_house_with(struct house *house, int64_t parity_ms)
{
    static int count;
    CLEANUP(error) struct error *err = NULL;

    *house = (struct house){.share = xasprintf("%s/share%d", test_dir(), ++count)};
    house->client = kube_client_new(&judge_ops, &house->judge);
    house->inventory = inventory_new(&(struct inventory_options){.client = house->client,
                                                                 .dir = test_dir(),
                                                                 .parity_ms = parity_ms,
                                                                 .on_change = on_change,
                                                                 .arg = house});
    CHECK_OK(dir_make(house->share, 0700, &err), err);
    write_old(house->share, "web.ovf", descriptor);
    write_old(house->share, "d.vmdk", "data");
    write_old(house->share, "bad.ova", "no archive");
    json_auto_t *object = provider_object("ova", house->share);
    CHECK_OK(inventory_add_provider(house->inventory, object, NULL, &err), err);
}

static void open_house(struct house *house)
{
    open_house_with(house, 20000);
}

static void wait_until_complete(struct house *house)
{
    struct deadline deadline = deadline_after(20000);

    while (!inventory_is_complete(house->inventory, "mtv", "share"))
        CHECK(!deadline_is_over(deadline));
}

static void close_house(struct house *house)
{
    inventory_free(house->inventory);
    kube_client_free(house->client);
    free(house->share);
}

struct reply {
    int status;
    char *reason; /* X-Reason, or NULL */
    struct buf body;
    json_t *json; /* or NULL */
};

static bool reply_start(void *arg, int status, const struct http_header *headers, size_t count)
{
    struct reply *reply = arg;

    reply->status = status;
    for (size_t i = 0; i < count; i++)
        if (str_eq(headers[i].name, "X-Reason"))
            reply->reason = xstrdup(headers[i].value);
    return true;
}

static bool reply_write(void *arg, const void *data, size_t len)
{
    struct reply *reply = arg;

    buf_append(&reply->body, data, len);
    return true;
}

static void reply_reset(struct reply *reply)
{
    buf_reset(&reply->body);
    json_decref(reply->json);
    free(reply->reason);
}

DEFINE_CLEANUP_IN_PLACE(reply, struct reply, reply_reset)

static const char *const masters[] = {"system:masters"};
static const struct http_user root = {"root", NULL, masters, 1};
static const struct http_user friend = {"friend", NULL, NULL, 0};
static const struct http_user stranger = {"stranger", NULL, NULL, 0};

static void get(struct house *house, const struct http_user *user, const char *path,
                const char *query, struct reply *reply)
{
    CLEANUP(error) struct error *err = NULL;
    const struct http_request request = {
        .method = "GET", .path = path, .query = query, .body = "", .user = user};
    const struct http_sink sink = {
        .start = reply_start, .write = reply_write, .arg = reply, .deadline = DEADLINE_NONE};
    CLEANUP(http_response) struct http_response *response = http_response_new(&sink);

    *reply = (struct reply){.body = BUF_INIT(1 << 20)};
    inventory_handle(house->inventory, &request, response);
    http_response_finish(response);
    if (reply->body.len > 0) {
        reply->json = obj_parse(reply->body.ptr, reply->body.len, &err);
        CHECK(reply->json != NULL);
    }
}

TEST(lists_providers_by_type)
{
    struct house house;
    CLEANUP(reply) struct reply all, one;

    open_house(&house);
    wait_until_complete(&house);
    get(&house, &root, "/inventory/providers", "", &all);
    CHECK_STR(obj_str(all.json, "ova[0].selfLink", ""), "providers/ova/" UID);
    CHECK(obj_arr(all.json, "vsphere") != NULL);
    CHECK(obj_at(all.json, "ova[0].object") == NULL);

    get(&house, &root, PROVIDER "/", "", &one);
    CHECK_INT(obj_int(one.json, "vmCount", -1), 1);
    CHECK_INT(obj_int(one.json, "networkCount", -1), 2);
    CHECK_INT(obj_int(one.json, "storageCount", -1), 2);
    CHECK_STR(obj_str(one.json, "object.spec.url", ""), house.share);
    close_house(&house);
}

TEST(shows_as_much_of_a_machine_as_was_asked_for)
{
    struct house house;
    CLEANUP(reply) struct reply base, middle, full, single, workload;

    open_house(&house);
    get(&house, &root, PROVIDER "/vms", "", &base);
    CHECK_U64(json_object_size(json_array_get(base.json, 0)), 3);
    CHECK_STR(obj_str(json_array_get(base.json, 0), "name", ""), "web");
    get(&house, &root, PROVIDER "/vms", "detail=1", &middle);
    CHECK(obj_at(json_array_get(middle.json, 0), "disks[0].Capacity") != NULL);
    CHECK(obj_at(json_array_get(middle.json, 0), "uuid") == NULL);
    get(&house, &root, PROVIDER "/vms", "detail=all", &full);
    CHECK_STR(obj_str(json_array_get(full.json, 0), "uuid", ""), VM_ID);
    CHECK(obj_at(json_array_get(full.json, 0), "revision") == NULL);
    CHECK_INT(obj_int(json_array_get(full.json, 0), "disks[0].Revision", 0), 1);
    get(&house, &root, PROVIDER "/vms/" VM_ID, "", &single);
    CHECK(obj_eq(single.json, json_array_get(full.json, 0)));
    get(&house, &root, PROVIDER "/workloads/" VM_ID, "", &workload);
    CHECK_STR(obj_str(workload.json, "selfLink", ""), "providers/ova/" UID "/workloads/" VM_ID);
    close_house(&house);
}

TEST(pages_and_filters_lists)
{
    struct house house;
    CLEANUP(reply) struct reply all, page, rest, named, none;

    open_house(&house);
    get(&house, &root, PROVIDER "/networks", "", &all);
    CHECK_U64(json_array_size(all.json), 2);
    get(&house, &root, PROVIDER "/networks", "limit=1", &page);
    get(&house, &root, PROVIDER "/networks", "limit=5&offset=1", &rest);
    CHECK(obj_eq(json_array_get(all.json, 0), json_array_get(page.json, 0)));
    CHECK_U64(json_array_size(page.json), 1);
    CHECK(obj_eq(json_array_get(all.json, 1), json_array_get(rest.json, 0)));
    get(&house, &root, PROVIDER "/networks", "name=LAN", &named);
    CHECK_U64(json_array_size(named.json), 1);
    get(&house, &root, PROVIDER "/networks", "name=none", &none);
    CHECK_STR(none.body.ptr, "[]");
    close_house(&house);
}

TEST(answers_what_is_wrong_with_the_statuses_that_clients_know)
{
    static const struct {
        const char *path, *query;
        int status;
    } cases[] = {
        {PROVIDER "/vms", "detail=x", 400},
        {PROVIDER "/vms", "limit=-1", 400},
        {PROVIDER "/vms/none", "", 404},
        {PROVIDER "/clusters", "", 404},
        {PROVIDER "/tree/namespace", "", 404},
        {PROVIDER "/vms/" VM_ID "/more", "", 404},
        {"/inventory/providers/vsphere/" UID "/vms", "", 404},
        {"/inventory/providers/none", "", 404},
        {"/inventory", "", 404},
        {"/inventory/schema", "", 200},
    };
    struct house house;
    CLEANUP(reply) struct reply unknown;

    open_house(&house);
    wait_until_complete(&house);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(reply) struct reply reply;

        get(&house, &root, cases[i].path, cases[i].query, &reply);
        if (reply.status != cases[i].status)
            test_fail(__FILE__, __LINE__, "%s?%s: %d", cases[i].path, cases[i].query, reply.status);
    }
    get(&house, NULL, "/inventory/providers/ova/none/vms", "", &unknown);
    CHECK_INT(unknown.status, 404);
    CHECK_STR(unknown.reason, "ProviderNotFound");
    close_house(&house);
}

TEST(asks_the_cluster_who_may_read_and_remembers_a_yes)
{
    struct house house;
    CLEANUP(reply) struct reply nobody, no, yes, again;

    open_house(&house);
    wait_until_complete(&house);
    get(&house, NULL, PROVIDER "/vms", "", &nobody);
    CHECK_INT(nobody.status, 401);
    get(&house, &stranger, PROVIDER "/vms", "", &no);
    CHECK_INT(no.status, 403);
    CHECK_STR(obj_str(house.judge.last, "spec.resourceAttributes.verb", ""), "get");
    CHECK_STR(obj_str(house.judge.last, "spec.resourceAttributes.name", ""), "share");
    CHECK_STR(obj_str(house.judge.last, "spec.resourceAttributes.namespace", ""), "mtv");
    get(&house, &friend, PROVIDER "/vms", "", &yes);
    get(&house, &friend, PROVIDER "/vms", "", &again);
    CHECK_INT(yes.status, 200);
    CHECK_INT(again.status, 200);
    CHECK_INT(house.judge.asked, 2);
    close_house(&house);
}

TEST(answers_206_while_a_provider_is_read_for_the_first_time)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(reply) struct reply reply;
    struct house house;

    open_house_with(&house, 300);
    json_auto_t *gone = provider_object("ova", "/no/such/folder");
    CHECK_OK(inventory_add_provider(house.inventory, gone, NULL, &err), err);
    get(&house, &root, PROVIDER "/vms", "", &reply);
    CHECK_INT(reply.status, 206);
    CHECK_U64(reply.body.len, 0);
    json_auto_t *trouble = inventory_get_trouble(house.inventory, "mtv", "share");
    CHECK(strstr(obj_str(trouble, "message", ""), "/no/such/folder") != NULL);
    close_house(&house);
}

TEST(keeps_problems_beside_what_is_good)
{
    struct house house;

    open_house(&house);
    wait_until_complete(&house);
    json_auto_t *trouble = inventory_get_trouble(house.inventory, "mtv", "share");
    CHECK(obj_at(trouble, "message") == NULL);
    CHECK_U64(obj_count(trouble, "problems"), 1);
    CHECK(str_ends_with(obj_str(trouble, "problems[0].where", ""), "/bad.ova"));
    CHECK(house.changes > 0);
    close_house(&house);
}

TEST(a_collector_is_started_again_only_for_another_spec_or_secret)
{
    CLEANUP(error) struct error *err = NULL;
    struct house house;
    const struct source_ops *ops = NULL;

    open_house(&house);
    wait_until_complete(&house);
    struct source *before = inventory_get_source(house.inventory, "mtv", "share", &ops);
    CHECK_STR(ops->type, "ova");
    json_auto_t *same = provider_object("ova", house.share);
    obj_put_str(same, "metadata.resourceVersion", "8");
    CHECK_OK(inventory_add_provider(house.inventory, same, NULL, &err), err);
    struct source *after = inventory_get_source(house.inventory, "mtv", "share", &ops);
    CHECK(before == after);
    inventory_put_source(house.inventory, after);

    json_auto_t *secret = obj_pack("{s:{s:s}}", "data", "url", "x");
    CHECK_OK(inventory_add_provider(house.inventory, same, secret, &err), err);
    after = inventory_get_source(house.inventory, "mtv", "share", &ops);
    CHECK(before != after);
    inventory_put_source(house.inventory, after);
    inventory_put_source(house.inventory, before); /* was valid until now */

    json_auto_t *wrong = provider_object("ova", "nonsense");
    CHECK_FAILS(inventory_add_provider(house.inventory, wrong, NULL, &err), err, ERROR_INVALID,
                "neither SERVER:/PATH nor a folder");
    CHECK(inventory_get_source(house.inventory, "mtv", "share", &ops) == NULL);
    json_auto_t *other = provider_object("hyperv", "");
    CHECK_FAILS(inventory_add_provider(house.inventory, other, NULL, &err), err, ERROR_UNSUPPORTED,
                "provider type \"hyperv\" is not known");
    close_house(&house);
}

TEST(finds_objects_for_controllers)
{
    CLEANUP(error) struct error *err = NULL;
    struct house house;
    json_auto_t *vm = NULL;
    json_auto_t *storage = NULL;
    json_t *none = NULL;

    open_house(&house);
    wait_until_complete(&house);
    CHECK_OK(inventory_find(house.inventory, "mtv", "share", "VM", NULL, "web", &vm, &err), err);
    CHECK_STR(obj_str(vm, "id", ""), VM_ID);
    CHECK_OK(inventory_find(house.inventory, "mtv", "share", "Storage", NULL,
                            "Dummy storage for source provider share", &storage, &err),
             err);
    CHECK_STR(obj_str(storage, "id", ""), UID);
    CHECK_OK(inventory_find(house.inventory, "mtv", "none", "VM", VM_ID, NULL, &none, &err), err);
    CHECK(none == NULL);

    json_auto_t *concerns = obj_pack("[{s:s}]", "id", "ova.x");
    char id[] = VM_ID;
    struct inventory_verdict verdicts[] = {{id, concerns, 5, 1}, {id, concerns, 6, 99}};
    CHECK_U64(inventory_put_verdicts(house.inventory, "mtv", "share", verdicts, 2), 1);
    json_auto_t *list = inventory_list(house.inventory, "mtv", "share", "VM");
    CHECK_STR(obj_str(json_array_get(list, 0), "concerns[0].id", ""), "ova.x");
    CHECK_INT(obj_int(json_array_get(list, 0), "policyVersion", 0), 5);
    close_house(&house);
}
