#include "node/pod_status.h"

#include "base/test.h"
#include "data/obj.h"
#include "node/pod_spec.h"

enum { NOW = 1000 * 1000 };

/* A Pod of one init container and one other, in the states given. */
struct scene {
    json_t *pod;
    struct pod_container containers[2];
    struct pod_view view;
};

static void scene_reset(struct scene *scene)
{
    json_decref(scene->pod);
}
DEFINE_CLEANUP_IN_PLACE(scene, struct scene, scene_reset)

static void set_state(struct pod_container *c, enum container_phase phase, int exit_code, int run)
{
    c->state = (struct container_state){
        .phase = phase, .exit_code = exit_code, .finished_ms = NOW - 10, .reason = "x"};
    c->run = run;
}

static void scene_init(struct scene *s, const char *policy)
{
    *s = (struct scene){0};
    s->pod = obj_pack("{s:{s:s,s:[{s:s}],s:[{s:s}]}}", "spec", "restartPolicy", policy,
                      "initContainers", "name", "i", "containers", "name", "m");
    s->containers[0] = (struct pod_container){.spec = obj_at(s->pod, "spec.initContainers[0]"),
                                              .is_init = true,
                                              .run = -1};
    s->containers[1] =
        (struct pod_container){.spec = obj_at(s->pod, "spec.containers[0]"), .run = -1};
    s->view = (struct pod_view){s->pod, s->containers, 2, NOW};
}

static const char *phase_of(const struct scene *s)
{
    static char phase[32];
    json_auto_t *status = pod_status_make(&s->view, NULL, NULL);

    strncpy(phase, obj_str(status, "phase", ""), sizeof(phase) - 1);
    return phase;
}

TEST(starts_init_containers_first)
{
    CLEANUP(scene) struct scene s;

    scene_init(&s, "Never");
    CHECK_INT(pod_plan_next(&s.view).next, POD_START);
    CHECK_U64(pod_plan_next(&s.view).index, 0);
    CHECK_STR(phase_of(&s), "Pending");
    set_state(&s.containers[0], CONTAINER_RUNNING, 0, 0);
    CHECK_INT(pod_plan_next(&s.view).next, POD_NOTHING);
    set_state(&s.containers[0], CONTAINER_OVER, 0, 0);
    CHECK_INT(pod_plan_next(&s.view).next, POD_START);
    CHECK_U64(pod_plan_next(&s.view).index, 1);
}

TEST(follows_the_restart_policy)
{
    static const struct {
        const char *policy;
        int exit_code;
        const char *phase;
    } cases[] = {
        {"Never", 0, "Succeeded"},     {"Never", 1, "Failed"},    {"OnFailure", 0, "Succeeded"},
        {"OnFailure", 1, "Running"}, {"Always", 0, "Running"}, {"Always", 1, "Running"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(scene) struct scene s;

        scene_init(&s, cases[i].policy);
        set_state(&s.containers[0], CONTAINER_OVER, 0, 0);
        set_state(&s.containers[1], CONTAINER_OVER, cases[i].exit_code, 0);
        CHECK_STR(phase_of(&s), cases[i].phase);
    }
}

TEST(fails_with_an_init_container_that_failed)
{
    CLEANUP(scene) struct scene s;

    scene_init(&s, "Never");
    set_state(&s.containers[0], CONTAINER_OVER, 2, 0);
    CHECK_INT(pod_plan_next(&s.view).next, POD_OVER);
    CHECK_STR(phase_of(&s), "Failed");
}

TEST(waits_longer_before_each_restart)
{
    CLEANUP(scene) struct scene s;

    scene_init(&s, "Always");
    set_state(&s.containers[0], CONTAINER_OVER, 0, 0);
    set_state(&s.containers[1], CONTAINER_OVER, 1, 0);
    int64_t first = pod_plan_next(&s.view).next_ms;
    set_state(&s.containers[1], CONTAINER_OVER, 1, 3);
    int64_t fourth = pod_plan_next(&s.view).next_ms;
    CHECK_INT(first, NOW - 10 + 1000);
    CHECK_INT(fourth, NOW - 10 + 8000);
    s.view.now_ms = fourth;
    CHECK_INT(pod_plan_next(&s.view).next, POD_START);
}

TEST(shows_how_a_container_ended)
{
    CLEANUP(scene) struct scene s;

    scene_init(&s, "Never");
    set_state(&s.containers[0], CONTAINER_OVER, 0, 0);
    set_state(&s.containers[1], CONTAINER_OVER, 137, 0);
    json_auto_t *status = pod_status_make(&s.view, NULL, NULL);
    CHECK_INT(obj_int(status, "containerStatuses[0].state.terminated.exitCode", -1), 137);
    CHECK_INT(obj_int(status, "containerStatuses[0].state.terminated.signal", -1), 9);
    CHECK_INT(obj_int(status, "initContainerStatuses[0].state.terminated.exitCode", -1), 0);
}

TEST(fills_in_variables)
{
    json_auto_t *env = obj_pack("{s:s,s:s}", "A", "1", "B", "$(A)");
    static const struct {
        const char *text, *want;
    } cases[] = {{"$(A)", "1"},     {"x$(A)y", "x1y"}, {"$$(A)", "$(A)"}, {"$(C)", "$(C)"},
                 {"$(B)", "$(A)"}, {"$(", "$("},      {"$", "$"},        {"", ""}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *got = pod_expand(cases[i].text, env);

        CHECK_STR(got, cases[i].want);
    }
}
