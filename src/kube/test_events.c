#include "kube/events.h"

#include "base/cancel.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/fake_api.h"
#include "kube/meta.h"

/* All events the fake server got: it takes any kind for its own. */
static json_t *events_of(struct fake_api *api, size_t count)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(kube_client) struct kube_client *client = fake_api_client(api);
    struct deadline deadline = deadline_after(20000);

    for (;;) {
        json_t *items = NULL;

        CHECK_OK(kube_list(client, &FAKE_KIND, NULL, NULL, &items, &err), err);
        if (json_array_size(items) >= count)
            return items;
        json_decref(items);
        if (deadline_is_over(deadline))
            test_fail(__FILE__, __LINE__, "%zu events do not come up", count);
        cancel_wait(NULL, 2);
    }
}

static struct event_recorder *start(struct kube_client *client)
{
    CLEANUP(error) struct error *err = NULL;
    struct event_recorder *recorder = event_recorder_new(client, "tester", "host-1");

    CHECK_OK(event_recorder_start(recorder, &err), err);
    return recorder;
}

TEST(writes_an_event_about_an_object)
{
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    struct event_recorder *recorder = start(client);
    json_auto_t *plan = meta_new(&FAKE_KIND, "prod", "web");

    obj_put_str(plan, "metadata.uid", "u1");
    event_record(recorder, &FAKE_KIND, plan, EVENT_WARNING, "CopyFailed", "disk %d", 3);
    event_recorder_free(recorder);
    json_auto_t *events = events_of(api, 1);
    const json_t *event = json_array_get(events, 0);

    CHECK(str_starts_with(meta_name(event), "web."));
    CHECK_STR(meta_ns(event), "prod");
    CHECK_STR(obj_str(event, "involvedObject.uid", NULL), "u1");
    CHECK_STR(obj_str(event, "involvedObject.kind", NULL), "Thing");
    CHECK_STR(obj_str(event, "involvedObject.apiVersion", NULL), "example.org/v1");
    CHECK_STR(obj_str(event, "type", NULL), "Warning");
    CHECK_STR(obj_str(event, "reason", NULL), "CopyFailed");
    CHECK_STR(obj_str(event, "message", NULL), "disk 3");
    CHECK_STR(obj_str(event, "source.component", NULL), "tester");
    CHECK_INT(obj_int(event, "count", 0), 1);
    kube_client_free(client);
    fake_api_free(api);
}

TEST(a_repetition_raises_the_count)
{
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    struct event_recorder *recorder = start(client);
    json_auto_t *plan = meta_new(&FAKE_KIND, "prod", "web");

    for (int i = 0; i < 5; i++)
        event_record(recorder, &FAKE_KIND, plan, EVENT_NORMAL, "Waiting", "for a slot");
    event_recorder_free(recorder);
    json_auto_t *events = events_of(api, 1);
    CHECK_U64(json_array_size(events), 1);
    CHECK_INT(obj_int(json_array_get(events, 0), "count", 0), 5);
    kube_client_free(client);
    fake_api_free(api);
}

TEST(a_flood_of_messages_becomes_one_event)
{
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    struct event_recorder *recorder = start(client);
    json_auto_t *plan = meta_new(&FAKE_KIND, "prod", "web");

    for (int i = 0; i < 30; i++)
        event_record(recorder, &FAKE_KIND, plan, EVENT_NORMAL, "Copying", "%d percent", i);
    event_recorder_free(recorder);
    json_auto_t *events = events_of(api, 11);
    CHECK_U64(json_array_size(events), 11);
    const json_t *last = json_array_get(events, 10);
    CHECK_STR(obj_str(last, "message", NULL), "(combined from similar events): 29 percent");
    CHECK_INT(obj_int(last, "count", 0), 20);
    kube_client_free(client);
    fake_api_free(api);
}

TEST(a_server_that_refuses_does_no_harm)
{
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    struct event_recorder *recorder = start(client);
    json_auto_t *node = meta_new(&FAKE_KIND, NULL, "n1");

    fake_api_fail(api, "POST", 1, 403);
    event_record(recorder, &FAKE_KIND, node, EVENT_NORMAL, "First", "refused");
    event_record(recorder, &FAKE_KIND, node, EVENT_NORMAL, "Second", "written");
    event_recorder_free(recorder);
    json_auto_t *events = events_of(api, 1);
    CHECK_STR(obj_str(json_array_get(events, 0), "reason", NULL), "Second");
    CHECK_STR(meta_ns(json_array_get(events, 0)), "default");
    kube_client_free(client);
    fake_api_free(api);
}
