/* The thread that follows the inventory: what it judges, when, and what it tells. */
#include "validation/validation.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "validation/fake_inventory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, POLL_MS = 5 };

#define GOOD_RULE                                                                                  \
    "package io.konveyor.forklift.vmware\n\nconcerns[flag] {\n\tcount(input.disks) > 1\n\tflag "   \
    ":= {\"id\": \"mine\", \"category\": \"Warning\", \"label\": \"l\", \"assessment\": "         \
    "\"a\"}\n}\n"
#define BAD_RULE "package io.konveyor.forklift.vmware\n\nconcerns[flag] { flag := 1; other > 1 }\n"

/* --- a cluster with one ConfigMap and one ForkliftController ----------------------------------- */

struct cluster {
    pthread_mutex_t lock;
    json_t *rules;      /* guarded by lock, as below; the ConfigMap's data, or NULL */
    json_t *in_force;   /* the ConfigMap with the rules in force, or NULL */
    bool is_away;       /* nobody answers */
    char *map_name;     /* what the ConfigMap is called */
    json_t *controller; /* the ForkliftController, or NULL */
    json_t *events;     /* reasons */
};

static void answer(int *status, char **body, size_t *len, const json_t *object)
{
    *status = object != NULL ? 200 : 404;
    *body = object != NULL ? obj_format(object)
                           : xstrdup("{\"kind\":\"Status\",\"reason\":\"NotFound\",\"code\":404}");
    *len = strlen(*body);
}

/* The ConfigMap that gantry keeps the rules in: made by POST, then changed by PATCH. */
static bool take_in_force(struct cluster *cluster, const struct kube_request *request,
                          const json_t *sent, int *status, char **body, size_t *len)
{
    bool is_its_path = str_ends_with(request->path, "/configmaps/forklift-validation-in-force");

    if (str_eq(request->method, "POST") && str_ends_with(request->path, "/configmaps")) {
        json_auto_t *exists = obj_pack("{s:s, s:s, s:s, s:s, s:i}", "kind", "Status",
                                       "status", "Failure", "reason", "AlreadyExists", "message",
                                       "it is there", "code", 409);
        bool is_new = cluster->in_force == NULL;

        if (is_new)
            cluster->in_force = obj_copy(sent);
        answer(status, body, len, is_new ? cluster->in_force : exists);
        *status = is_new ? 201 : 409;
        return true;
    }
    if (is_its_path && str_eq(request->method, "PATCH") && cluster->in_force != NULL)
        obj_take(cluster->in_force, "data", obj_copy(obj_obj(sent, "data")));
    if (is_its_path)
        answer(status, body, len, cluster->in_force);
    return is_its_path;
}

static int take_request(void *self, const struct kube_request *request, int *status, char **body,
                        size_t *len, struct error **err)
{
    struct cluster *cluster = self;
    LOCK_SCOPE(&cluster->lock);
    CLEANUP(str) char *map_path = xasprintf("/configmaps/%s", cluster->map_name);
    json_auto_t *sent = request->body_len > 0
                            ? obj_parse(request->body, request->body_len, err)
                            : json_object();

    if (cluster->is_away)
        return error_set(err, ERROR_UNAVAILABLE, "nobody is there");
    if (take_in_force(cluster, request, sent, status, body, len))
        return 0;
    if (strstr(request->path, "/events") != NULL) {
        json_array_append_new(cluster->events, json_string(obj_str(sent, "reason", "")));
        answer(status, body, len, sent);
    } else if (strstr(request->path, "forkliftcontrollers") != NULL) {
        json_auto_t *list = obj_pack("{s:{s:s}, s:[]}", "metadata", "resourceVersion", "1",
                                     "items");
        if (str_eq(request->method, "PUT")) {
            json_decref(cluster->controller);
            cluster->controller = json_incref(sent);
        } else if (cluster->controller != NULL) {
            json_array_append(json_object_get(list, "items"), cluster->controller);
        }
        answer(status, body, len, list);
    } else if (str_ends_with(request->path, map_path) && cluster->rules != NULL) {
        json_auto_t *map = obj_pack("{s:{s:s, s:s, s:s}, s:O}", "metadata", "name",
                                    cluster->map_name, "namespace", "mtv", "uid", "1", "data",
                                    cluster->rules);
        answer(status, body, len, map);
    } else {
        answer(status, body, len, NULL);
    }
    return 0;
}

static int take_stream(void *self, const struct kube_request *request, int *status,
                       bool (*on_data)(void *arg, const char *data, size_t len), void *arg,
                       struct error **err)
{
    return error_set(err, ERROR_UNSUPPORTED, "no streams");
}

static void keep(void *self) {}

static const struct kube_transport_ops cluster_ops = {take_request, take_stream, keep};

static void set_rule(struct cluster *cluster, const char *text)
{
    LOCK_SCOPE(&cluster->lock);

    json_decref(cluster->rules);
    cluster->rules = obj_pack("{s:s}", "mine.rego", text);
}

static bool has_event(struct cluster *cluster, const char *reason)
{
    LOCK_SCOPE(&cluster->lock);

    for (size_t i = 0; i < json_array_size(cluster->events); i++)
        if (str_eq(json_string_value(json_array_get(cluster->events, i)), reason))
            return true;
    return false;
}

/* The condition TYPE of the ForkliftController, with a reference, or NULL. */
static json_t *get_condition(struct cluster *cluster, const char *type)
{
    LOCK_SCOPE(&cluster->lock);
    const json_t *list = obj_arr(cluster->controller, "status.conditions");

    for (size_t i = 0; i < json_array_size(list); i++)
        if (str_eq(obj_str(json_array_get(list, i), "type", ""), type))
            return json_incref(json_array_get(list, i));
    return NULL;
}

/* --- the stage --------------------------------------------------------------------------------- */

struct stage {
    struct cluster cluster;
    struct kube_client *client;
    struct validation *v;
    atomic_int told, troubles;
    bool in_cluster; /* the rules in force are to be kept there */
};

static void on_validated(void *arg, const char *ns, const char *name)
{
    ((struct stage *)arg)->told++;
}

static void on_trouble(void *arg)
{
    ((struct stage *)arg)->troubles++;
}

static void start(struct stage *stage, const char *dir)
{
    CLEANUP(error) struct error *err = NULL;
    int inventory = 0; /* the fake needs none */
    const struct validation_options options = {.client = stage->client,
                                               .inventory = (struct inventory *)(void *)&inventory,
                                               .ns = "mtv",
                                               .dir = dir,
                                               .keep_in_cluster = stage->in_cluster,
                                               .interval_ms = 30,
                                               .on_validated = on_validated,
                                               .on_trouble = on_trouble,
                                               .arg = stage};
    CHECK_OK(validation_start(&options, &stage->v, &err), err);
}

static void put_vm(const char *id, const char *host, const char *network, bool tpm)
{
    fake_inventory_put("vc", "VM",
                       obj_pack("{s:s, s:s, s:s, s:b, s:[{s:s}], s:[{s:{s:s}}]}", "id", id, "name",
                                id, "host", host, "tpmEnabled", (int)tpm, "networks", "id", network,
                                "disks", "datastore", "id", "ds-1"));
}

static void put_place(const char *kind, const char *id, const char *cluster, int mood)
{
    fake_inventory_put("vc", kind,
                       obj_pack("{s:s, s:s, s:s, s:i, s:b}", "id", id, "name", id, "cluster",
                                cluster, "mood", mood, "drsEnabled", mood % 2));
}

static void open_stage(struct stage *stage)
{
    *stage = (struct stage){.cluster.lock = PTHREAD_MUTEX_INITIALIZER,
                            .cluster.map_name = xstrdup("forklift-validation-config"),
                            .cluster.events = json_array()};
    stage->client = kube_client_new(&cluster_ops, &stage->cluster);
    fake_inventory_reset();
    fake_inventory_add_provider("vc", "vsphere", "u1");
    put_place("Cluster", "c1", "", 0);
    put_place("Cluster", "c2", "", 0);
    put_place("Host", "h1", "c1", 0);
    put_place("Host", "h2", "c2", 0);
    put_place("Network", "n1", "", 0);
    put_place("Datastore", "ds-1", "", 0);
    put_vm("a", "h1", "n1", false);
    put_vm("b", "h1", "n2", true);
    put_vm("c", "h2", "n2", false);
}

static void close_stage(struct stage *stage)
{
    validation_stop(stage->v);
    kube_client_free(stage->client);
    json_decref(stage->cluster.rules);
    json_decref(stage->cluster.in_force);
    json_decref(stage->cluster.controller);
    json_decref(stage->cluster.events);
    free(stage->cluster.map_name);
    fake_inventory_reset();
}

static uint64_t judged(const struct stage *stage)
{
    struct validation_stats stats;

    validation_get_stats(stage->v, &stats);
    return stats.judged;
}

/* Waits until COUNT machines were judged since the start, and checks that there are no more. */
static void expect_judged(struct stage *stage, uint64_t count)
{
    struct deadline deadline = deadline_after(PATIENCE_MS);

    while (judged(stage) < count && !deadline_is_over(deadline))
        usleep(POLL_MS * 1000);
    /* whatever else was woken has its turn: a change of nothing is looked at after it */
    for (int i = 0; i < 20; i++) {
        validation_wake(stage->v, "mtv", "vc");
        usleep(10 * 1000);
    }
    CHECK_U64(judged(stage), count);
}

static void change(struct stage *stage)
{
    validation_wake(stage->v, "mtv", "vc");
}

static bool wait_for(bool (*is_true)(struct stage *stage), struct stage *stage)
{
    struct deadline deadline = deadline_after(PATIENCE_MS);

    while (!is_true(stage) && !deadline_is_over(deadline))
        usleep(POLL_MS * 1000);
    return is_true(stage);
}

/* --- tests ------------------------------------------------------------------------------------- */

TEST(concerns_land_beside_the_machine_with_versions)
{
    struct stage stage;

    open_stage(&stage);
    start(&stage, NULL);
    expect_judged(&stage, 3);
    json_auto_t *a = fake_inventory_get("vc", "VM", "a"), *b = fake_inventory_get("vc", "VM", "b");
    CHECK_U64(obj_count(a, "concerns"), 0);
    CHECK_STR(obj_str(b, "concerns[0].id", ""), "vmware.tpm.detected");
    CHECK_INT(obj_int(b, "policyVersion", 0), 5);
    CHECK_INT(obj_int(b, "revisionValidated", 0), 1);
    CHECK_INT(stage.told, 1);
    close_stage(&stage);
}

TEST(a_change_judges_exactly_what_it_touches)
{
    struct stage stage;

    open_stage(&stage);
    start(&stage, NULL);
    expect_judged(&stage, 3);

    put_vm("a", "h1", "n1", true); /* the machine itself */
    change(&stage);
    expect_judged(&stage, 4);
    json_auto_t *a = fake_inventory_get("vc", "VM", "a");
    CHECK_U64(obj_count(a, "concerns"), 1);
    CHECK_INT(obj_int(a, "revisionValidated", 0), 2);

    put_place("Host", "h1", "c1", 1); /* a and b */
    change(&stage);
    expect_judged(&stage, 6);
    put_place("Cluster", "c2", "", 1); /* c, by its host */
    change(&stage);
    expect_judged(&stage, 7);
    json_auto_t *c = fake_inventory_get("vc", "VM", "c");
    CHECK_STR(obj_str(c, "concerns[0].id", ""), "vmware.drs.enabled");
    put_place("Network", "n1", "", 1); /* a */
    change(&stage);
    expect_judged(&stage, 8);
    put_place("Network", "n2", "", 0); /* b and c referred to it before it was there */
    change(&stage);
    expect_judged(&stage, 10);
    put_place("Datastore", "ds-1", "", 1); /* all */
    change(&stage);
    expect_judged(&stage, 13);
    put_place("Network", "n3", "", 0); /* nobody */
    change(&stage);
    expect_judged(&stage, 13);
    fake_inventory_remove("vc", "Host", "h2"); /* c */
    change(&stage);
    expect_judged(&stage, 14);
    close_stage(&stage);
}

TEST(a_verdict_that_comes_too_late_is_made_again)
{
    struct stage stage;

    open_stage(&stage);
    fake_inventory_set_late(true);
    start(&stage, NULL);
    expect_judged(&stage, 6);
    json_auto_t *a = fake_inventory_get("vc", "VM", "a");
    CHECK_INT(obj_int(a, "revision", 0), 2);
    CHECK_INT(obj_int(a, "revisionValidated", 0), 2);
    close_stage(&stage);
}

TEST(many_machines_are_put_in_batches)
{
    struct stage stage;
    struct validation_stats stats;

    open_stage(&stage);
    for (int i = 0; i < 1000; i++) {
        CLEANUP(str) char *id = xasprintf("vm-%d", i);
        put_vm(id, "h1", "n1", i % 2 == 0);
    }
    start(&stage, NULL);
    expect_judged(&stage, 1003);
    validation_get_stats(stage.v, &stats);
    CHECK_U64(stats.batches, 4);
    /* equal concerns are kept once */
    json_auto_t *one = fake_inventory_get("vc", "VM", "vm-0");
    json_auto_t *two = fake_inventory_get("vc", "VM", "vm-2");
    CHECK(obj_at(one, "concerns[0]") == obj_at(two, "concerns[0]"));
    close_stage(&stage);
}

TEST(a_provider_that_is_made_again_is_judged_anew)
{
    struct stage stage;

    open_stage(&stage);
    start(&stage, NULL);
    expect_judged(&stage, 3);
    fake_inventory_remove_provider("vc");
    change(&stage);
    expect_judged(&stage, 3);
    fake_inventory_add_provider("vc", "vsphere", "u2");
    change(&stage);
    expect_judged(&stage, 6);
    close_stage(&stage);
}

static bool is_mine(struct stage *stage)
{
    json_auto_t *d = fake_inventory_get("vc", "VM", "d");

    return str_eq(obj_str(d, "concerns[0].id", ""), "mine");
}

static bool is_troubled(struct stage *stage)
{
    return stage->troubles > 0;
}

static bool is_well_again(struct stage *stage)
{
    return stage->troubles > 1;
}

static bool has_old_rules(struct stage *stage)
{
    json_auto_t *condition = get_condition(&stage->cluster, "ValidationRulesOld");

    return condition != NULL;
}

static bool has_no_trouble(struct stage *stage)
{
    json_auto_t *condition = get_condition(&stage->cluster, "ValidationRulesNotValid");

    return condition == NULL;
}

static void put_two_disks(const char *id)
{
    fake_inventory_put("vc", "VM", obj_pack("{s:s, s:s, s:[{}, {}]}", "id", id, "name", id,
                                            "disks"));
}

TEST(users_rules_are_taken_and_a_bad_one_is_named_while_the_old_stay)
{
    struct stage stage;

    open_stage(&stage);
    stage.cluster.controller =
        obj_pack("{s:{s:s, s:s}, s:{}}", "metadata", "name", "fc", "namespace", "mtv", "spec");
    put_two_disks("d");
    start(&stage, NULL);
    expect_judged(&stage, 4);

    set_rule(&stage.cluster, GOOD_RULE);
    CHECK(wait_for(is_mine, &stage));
    expect_judged(&stage, 8); /* other rules: all machines */
    json_auto_t *d = fake_inventory_get("vc", "VM", "d");
    CHECK_INT(obj_int(d, "policyVersion", 0), 6);
    CHECK(wait_for(has_old_rules, &stage));

    set_rule(&stage.cluster, BAD_RULE);
    CHECK(wait_for(is_troubled, &stage));
    json_auto_t *trouble = validation_get_trouble(stage.v);
    CHECK_STR(obj_str(trouble, "file", ""), "mine.rego");
    CHECK_INT(obj_int(trouble, "line", 0), 3);
    CHECK_STR(obj_str(trouble, "source", ""), "ConfigMap mtv/forklift-validation-config");
    json_auto_t *condition = get_condition(&stage.cluster, "ValidationRulesNotValid");
    CHECK(strstr(obj_str(condition, "message", ""), "\"mine.rego\" line 3: var other is unsafe") !=
          NULL);
    expect_judged(&stage, 8);
    put_two_disks("d");
    change(&stage);
    expect_judged(&stage, 9);
    CHECK(is_mine(&stage)); /* by the rule from before */

    set_rule(&stage.cluster, GOOD_RULE);
    CHECK(wait_for(is_well_again, &stage));
    CHECK(wait_for(has_no_trouble, &stage));
    expect_judged(&stage, 9); /* nothing is new */
    CHECK(has_event(&stage.cluster, "RuleNotValid"));
    CHECK(has_event(&stage.cluster, "RulesTaken"));
    CHECK(has_event(&stage.cluster, "RegoV0"));
    close_stage(&stage);
}

TEST(the_knobs_name_the_configmap_and_switch_validation_off)
{
    struct stage stage;

    open_stage(&stage);
    free(stage.cluster.map_name);
    stage.cluster.map_name = xstrdup("ours");
    set_rule(&stage.cluster, GOOD_RULE);
    stage.cluster.controller =
        obj_pack("{s:{s:s, s:s}, s:{s:s, s:s}}", "metadata", "name", "fc", "namespace", "mtv",
                 "spec", "validation_configmap_name", "ours", "feature_validation", "false");
    put_two_disks("d");
    start(&stage, NULL);
    expect_judged(&stage, 0);
    {
        LOCK_SCOPE(&stage.cluster.lock);
        json_object_del(json_object_get(stage.cluster.controller, "spec"), "feature_validation");
    }
    CHECK(wait_for(is_mine, &stage));
    close_stage(&stage);
}

static int64_t version_of_d(struct stage *stage, const char *dir)
{
    fake_inventory_remove("vc", "VM", "d");
    put_two_disks("d");
    start(stage, dir);
    CHECK(wait_for(is_mine, stage));
    json_auto_t *d = fake_inventory_get("vc", "VM", "d");
    validation_stop(stage->v);
    stage->v = NULL;
    return obj_int(d, "policyVersion", 0);
}

TEST(the_rules_version_survives_a_restart_and_only_grows)
{
    struct stage stage;

    open_stage(&stage);
    set_rule(&stage.cluster, GOOD_RULE);
    CHECK_INT(version_of_d(&stage, test_dir()), 6);
    CHECK_INT(version_of_d(&stage, test_dir()), 6);
    set_rule(&stage.cluster, GOOD_RULE "\n# changed while nobody was there\n");
    CHECK_INT(version_of_d(&stage, test_dir()), 7);
    close_stage(&stage);
}

/* Rules are good, gantry stops, they become bad, gantry starts. */
static void restart_with_a_bad_rule(struct stage *stage, const char *dir, const char *later_dir)
{
    set_rule(&stage->cluster, GOOD_RULE);
    CHECK_INT(version_of_d(stage, dir), 6);
    set_rule(&stage->cluster, BAD_RULE);
    CHECK_INT(version_of_d(stage, later_dir), 6);
    start(stage, later_dir);
    CHECK(wait_for(is_troubled, stage));
    CHECK(is_mine(stage));
}

TEST(the_last_good_rules_are_in_force_after_a_restart)
{
    struct stage stage;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *prefix = path_join(test_dir(), "home.");
    CLEANUP(str) char *dir = dir_make_temp(prefix, &err);

    open_stage(&stage);
    restart_with_a_bad_rule(&stage, dir, dir);
    CHECK(stage.cluster.in_force == NULL);
    close_stage(&stage);
}

TEST(in_a_cluster_they_survive_the_folder_of_the_pod)
{
    struct stage stage;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *prefix = path_join(test_dir(), "pod.");
    CLEANUP(str) char *first = dir_make_temp(prefix, &err);
    CLEANUP(str) char *second = dir_make_temp(prefix, &err);

    open_stage(&stage);
    stage.in_cluster = true;
    restart_with_a_bad_rule(&stage, first, second);
    close_stage(&stage);
}

static void set_away(struct stage *stage, bool is_away)
{
    LOCK_SCOPE(&stage->cluster.lock);
    stage->cluster.is_away = is_away;
}

TEST(nobody_is_judged_until_the_rules_of_the_last_start_are_known)
{
    struct stage stage;

    open_stage(&stage);
    stage.in_cluster = true;
    set_rule(&stage.cluster, GOOD_RULE);
    CHECK_INT(version_of_d(&stage, NULL), 6);
    set_rule(&stage.cluster, BAD_RULE);
    set_away(&stage, true);
    start(&stage, NULL);
    expect_judged(&stage, 0);
    set_away(&stage, false);
    CHECK(wait_for(is_troubled, &stage));
    CHECK(wait_for(is_mine, &stage));
    close_stage(&stage);
}
