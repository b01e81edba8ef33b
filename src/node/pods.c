#define LOG_COMPONENT "node"

#include "node/pods.h"

#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/controller.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"
#include "node/container_log.h"
#include "node/exit_watch.h"
#include "node/image.h"
#include "node/pod_spec.h"
#include "node/pod_status.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WORKERS = 4,
    RETRY_MS = 2000,  /* after a container could not be started */
    LOOK_MS = 30000,  /* at running containers, should the news of an end get lost */
    END_MS = 10000,   /* for killed containers to be gone */
    GRACE_SECONDS = 30,
    QUIET_MS = 10000, /* for what a new Pod names to come about */
    MESSAGE_MAX = 4096,
    SMALL_FILE_MAX = 4096,
};

#define STOP_FILE "stop.json" /* when the Pod's containers were asked to end */

struct pods {
    struct agent *agent;
    struct controller *controller;
    struct exit_watch *exits;
};

static char *pod_dir(const struct agent *agent, const char *uid)
{
    return xasprintf("%s/pods/%s", agent->dir, uid);
}

static char *container_dir(const struct agent *agent, const json_t *pod, const char *name)
{
    return xasprintf("%s/pods/%s/containers/%s", agent->dir, meta_uid(pod), name);
}

static bool is_launcher(const json_t *pod)
{
    return str_eq(meta_label(pod, "kubevirt.io"), "virt-launcher");
}

/* A machine's Pod stands for it in lists; the machine's own code keeps its status. */
static bool is_ours(const struct agent *agent, const json_t *pod)
{
    const char *node = obj_str(pod, "spec.nodeName", "");

    return !is_launcher(pod) && (node[0] == '\0' || str_eq(node, agent->name));
}

/* What a container left in its termination message file, or NULL. */
static char *read_message(const char *dir, int run)
{
    CLEANUP(str) char *path = xasprintf("%s/%d.message", dir, run);
    CLEANUP(error) struct error *ignored = NULL;
    char *text = NULL;

    if (file_read(path, MESSAGE_MAX, &text, NULL, &ignored) == -1)
        return NULL;
    if (text[0] != '\0' && utf8_is_valid(text, strlen(text)))
        return text;
    free(text);
    return NULL;
}

static int look_at(const struct agent *agent, const json_t *pod, const json_t *spec, bool is_init,
                   struct pod_container *c, struct error **err)
{
    CLEANUP(str) char *dir = container_dir(agent, pod, obj_str(spec, "name", ""));

    *c = (struct pod_container){.spec = spec, .is_init = is_init, .run = container_last_run(dir)};
    if (c->run >= 0 && container_look(dir, c->run, &c->state, err) == -1)
        return -1;
    if (c->run > 0 && container_look(dir, c->run - 1, &c->before, err) == -1)
        return -1;
    if (c->state.phase == CONTAINER_OVER)
        c->message = read_message(dir, c->run);
    if (c->run > 0)
        c->message_before = read_message(dir, c->run - 1);
    return 0;
}

static int view_make(struct agent *agent, const json_t *pod, struct pod_view *view,
                     struct error **err)
{
    static const char *const lists[] = {"spec.initContainers", "spec.containers"};

    *view = (struct pod_view){.pod = pod, .now_ms = time_now_ms()};
    view->containers = xcalloc(obj_count(pod, lists[0]) + obj_count(pod, lists[1]) + 1,
                               sizeof(*view->containers));
    for (size_t list = 0; list < 2; list++) {
        const json_t *spec;
        size_t i;

        json_array_foreach(obj_arr(pod, lists[list]), i, spec)
        {
            struct pod_container *c = &view->containers[view->count++];

            if (look_at(agent, pod, spec, list == 0, c, err) == -1)
                return -1;
        }
    }
    return 0;
}

static int write_owner(const char *dir, const json_t *pod, struct error **err)
{
    json_auto_t *owner = obj_pack("{s:s,s:s}", "namespace", meta_ns(pod), "name", meta_name(pod));
    CLEANUP(str) char *path = path_join(dir, "pod.json");
    CLEANUP(str) char *text = obj_format(owner);

    return file_exists(path) ? 0 : file_write(path, text, strlen(text), 0600, err);
}

static int add_termination_message(const struct pod_container *c, const char *dir, int run,
                                   json_t *spec, struct error **err)
{
    CLEANUP(str) char *path = xasprintf("%s/%d.message", dir, run);

    if (dir_make(dir, 0700, err) == -1 || file_write(path, "", 0, 0666, err) == -1)
        return -1;
    obj_take(spec, "mounts[]",
             obj_pack("{s:s,s:s}", "from", path, "to",
                      obj_str(c->spec, "terminationMessagePath", "/dev/termination-log")));
    return 0;
}

/* Starts the next run of C.  A failure is also noted in C as the reason it waits. */
static int start_container(struct pods *pods, const json_t *pod, struct pod_container *c,
                           struct error **err)
{
    struct agent *agent = pods->agent;
    const char *name = obj_str(c->spec, "name", "");
    CLEANUP(str) char *own = pod_dir(agent, meta_uid(pod));
    CLEANUP(str) char *dir = container_dir(agent, pod, name);
    CLEANUP(str) char *cgroup = xasprintf("%s-%s", meta_uid(pod), name);
    const struct image *image = NULL;
    struct container_limits limits = {0};
    json_auto_t *volumes = NULL;
    int run = c->run + 1;

    c->waiting_reason = "ErrImagePull";
    if (image_resolve(obj_str(c->spec, "image", ""), &image, err) == -1)
        return -1;
    c->waiting_reason = c->is_init ? "PodInitializing" : "ContainerCreating";
    if (dir_make(own, 0700, err) == -1 || write_owner(own, pod, err) == -1 ||
        pod_volumes_make(agent, pod, own, &volumes, err) == -1)
        return -1;
    c->waiting_reason = "CreateContainerConfigError";
    json_auto_t *spec = pod_container_spec(agent, pod, c->spec, image, volumes, err);
    if (spec == NULL || pod_limits(c->spec, &limits, err) == -1 ||
        add_termination_message(c, dir, run, spec, err) == -1)
        return -1;
    c->waiting_reason = "RunContainerError";
    if (fault("node.start-container"))
        return error_set(err, ERROR_UNAVAILABLE, "cannot start the container");
    if (container_start(&agent->runtime, dir, run, cgroup, &limits, spec, err) == -1)
        return -1;
    c->waiting_reason = NULL;
    c->before = c->state;
    c->run = run;
    log_info("container started: pod=%s/%s container=%s run=%d", meta_ns(pod), meta_name(pod), name,
             run);
    return container_look(dir, run, &c->state, err);
}

static const char *waiting_message(const json_t *pod, const struct pod_container *c)
{
    const char *list = c->is_init ? "status.initContainerStatuses" : "status.containerStatuses";
    const json_t *status;
    size_t i;

    json_array_foreach(obj_arr(pod, list), i, status)
        if (str_eq(obj_str(status, "name", ""), obj_str(c->spec, "name", "")))
            return obj_str(status, "state.waiting.message", NULL);
    return NULL;
}

/* Tells why C waits, once for each reason. */
static void report_waiting(struct agent *agent, const json_t *pod, struct pod_container *c,
                           const struct error *err)
{
    const char *reason = str_eq(c->waiting_reason, "ErrImagePull") ? "Failed"
                         : str_eq(c->waiting_reason, "RunContainerError") ? "Failed"
                                                                          : "FailedMount";

    c->waiting_message = error_format(err);
    if (err->code == ERROR_UNAVAILABLE && time_now_ms() - meta_created_ms(pod) < QUIET_MS)
        return;
    if (!str_eq(c->waiting_message, waiting_message(pod, c)))
        agent_event(agent, &KIND_POD, pod, true, reason, "%s", c->waiting_message);
}

/* Starts what is to be started now; *AGAIN_MS is when to look again. */
static void run_containers(struct pods *pods, const json_t *pod, struct pod_view *view,
                           int64_t *again_ms)
{
    for (size_t steps = 0; steps <= view->count; steps++) {
        struct pod_plan plan = pod_plan_next(view);
        CLEANUP(error) struct error *err = NULL;

        *again_ms = plan.next_ms > 0 ? plan.next_ms - view->now_ms : LOOK_MS;
        if (plan.next != POD_START)
            return;
        struct pod_container *c = &view->containers[plan.index];
        if (start_container(pods, pod, c, &err) == 0)
            continue;
        if (c->waiting_reason == NULL)
            c->waiting_reason = "RunContainerError";
        report_waiting(pods->agent, pod, c, err);
        *again_ms = RETRY_MS;
        return;
    }
}

static void watch_ends(struct pods *pods, const json_t *pod, const struct pod_view *view)
{
    for (size_t i = 0; i < view->count; i++)
        if (view->containers[i].state.phase == CONTAINER_RUNNING)
            exit_watch_add(pods->exits, view->containers[i].state.supervisor, meta_ns(pod),
                           meta_name(pod));
}

/* Asks running containers to end, and after the Pod's grace kills them.  *RUNNING tells whether
 * any is left. */
static int end_containers(struct pods *pods, const json_t *pod, const struct pod_view *view,
                          int64_t grace_ms, bool *running, struct error **err)
{
    CLEANUP(str) char *dir = pod_dir(pods->agent, meta_uid(pod));
    CLEANUP(str) char *path = path_join(dir, STOP_FILE);
    CLEANUP(str) char *text = NULL;
    json_auto_t *stop = NULL;
    bool first = !file_exists(path);

    *running = false;
    for (size_t i = 0; i < view->count; i++)
        *running |= view->containers[i].state.phase == CONTAINER_RUNNING;
    if (!*running)
        return 0;
    if (first) {
        stop = obj_pack("{s:I}", "at", (json_int_t)view->now_ms);
        text = obj_format(stop);
        if (file_write(path, text, strlen(text), 0600, err) == -1)
            return -1;
    } else {
        size_t len = 0;

        if (file_read(path, SMALL_FILE_MAX, &text, &len, err) == -1)
            return -1;
        stop = obj_parse(text, len, err);
        if (stop == NULL)
            return -1;
    }
    bool force = view->now_ms >= obj_int(stop, "at", 0) + grace_ms;
    for (size_t i = 0; i < view->count; i++)
        if (first || force)
            container_stop(&view->containers[i].state, force);
    watch_ends(pods, pod, view);
    return 0;
}

/* Kills what still runs below a Pod's folder and removes it. */
static int destroy(const char *dir, struct error **err)
{
    CLEANUP(str) char *containers = path_join(dir, "containers");
    struct deadline deadline = deadline_after(END_MS);
    DIR *stream = opendir(containers);
    const struct dirent *entry;
    int result = 0;

    while (stream != NULL && result == 0 && (entry = readdir(stream)) != NULL) {
        CLEANUP(str) char *container = path_join(containers, entry->d_name);
        struct container_state state = {0};
        int run = entry->d_name[0] == '.' ? -1 : container_last_run(container);

        if (run < 0)
            continue;
        result = container_look(container, run, &state, err);
        container_stop(&state, true);
        while (result == 0 && state.phase == CONTAINER_RUNNING) {
            if (deadline_is_over(deadline)) {
                result = error_set(err, ERROR_TIMEOUT, "container \"%s\" does not end", container);
                break;
            }
            usleep(5000);
            result = container_look(container, run, &state, err);
        }
    }
    if (stream != NULL)
        closedir(stream);
    if (result == -1 || pod_volumes_release(dir, err) == -1)
        return -1;
    return dir_remove(dir, err);
}

static int remove_object(struct agent *agent, const json_t *pod, struct error **err)
{
    CLEANUP(str) char *path =
        xasprintf("/api/v1/namespaces/%s/pods/%s", meta_ns(pod), meta_name(pod));
    json_auto_t *options = obj_pack("{s:s,s:s,s:i,s:{s:s}}", "apiVersion", "v1", "kind",
                                    "DeleteOptions", "gracePeriodSeconds", 0, "preconditions",
                                    "uid", meta_uid(pod));
    CLEANUP(str) char *body = obj_format(options);
    struct kube_request request = {
        .method = "DELETE",
        .path = path,
        .content_type = "application/json",
        .body = body,
        .body_len = strlen(body),
    };
    json_t *answer = NULL;
    int result = kube_raw(agent->client, &request, &answer, err);

    json_decref(answer);
    if (result == -1 && ((*err)->code == ERROR_NOT_FOUND || (*err)->code == ERROR_CONFLICT)) {
        error_clear(err); /* gone, or another of the same name */
        return 0;
    }
    return result;
}

static int64_t grace_of(const json_t *pod)
{
    int64_t seconds = obj_int(pod, "metadata.deletionGracePeriodSeconds",
                              obj_int(pod, "spec.terminationGracePeriodSeconds", GRACE_SECONDS));

    return seconds * 1000;
}

static int terminate(struct pods *pods, const json_t *pod, struct pod_view *view,
                     struct reconcile_result *result, struct error **err)
{
    CLEANUP(str) char *dir = pod_dir(pods->agent, meta_uid(pod));
    bool running = false;

    if (end_containers(pods, pod, view, grace_of(pod), &running, err) == -1)
        return -1;
    if (running) {
        result->again_after_ms = 1000;
        return 0;
    }
    if (destroy(dir, err) == -1)
        return -1;
    return remove_object(pods->agent, pod, err);
}

/* Milliseconds until the Pod's own deadline, at most 0 when it is over; INT64_MAX without one. */
static int64_t left_ms(const json_t *pod, int64_t now_ms)
{
    int64_t seconds = obj_int(pod, "spec.activeDeadlineSeconds", 0);
    int64_t started = agent_time_ms(pod, "status.startTime");

    return seconds <= 0 || started == 0 ? INT64_MAX : started + seconds * 1000 - now_ms;
}

static int bind(struct agent *agent, const json_t *pod, struct error **err)
{
    json_auto_t *patch = obj_pack("{s:{s:s}}", "spec", "nodeName", agent->name);

    if (obj_str(pod, "spec.nodeName", "")[0] != '\0')
        return 0;
    return kube_patch(agent->client, &KIND_POD, meta_ns(pod), meta_name(pod), NULL, patch, NULL, err);
}

/* Containers of a Pod that is not deleted are only asked to end at its deadline.  From then on that
 * is the reason, whatever the clock says: the start written in the status may still be corrected. */
static bool is_past_deadline(const struct pods *pods, const json_t *pod, int64_t left)
{
    CLEANUP(str) char *dir = pod_dir(pods->agent, meta_uid(pod));
    CLEANUP(str) char *path = path_join(dir, STOP_FILE);

    return left <= 0 || file_exists(path);
}

static int run_pod(struct pods *pods, const json_t *pod, struct pod_view *view,
                   struct reconcile_result *result, struct error **err)
{
    struct agent *agent = pods->agent;
    int64_t left = left_ms(pod, view->now_ms), again_ms = 0;
    const char *reason = NULL, *message = NULL;

    if (bind(agent, pod, err) == -1)
        return -1;
    if (is_past_deadline(pods, pod, left)) {
        bool running = false;

        reason = "DeadlineExceeded";
        message = "Pod was active on the node longer than the specified deadline";
        if (end_containers(pods, pod, view, grace_of(pod), &running, err) == -1)
            return -1;
        if (running) {
            result->again_after_ms = 1000;
            return 0;
        }
        agent_event(agent, &KIND_POD, pod, true, reason, "%s", message);
    } else {
        run_containers(pods, pod, view, &again_ms);
    }

    json_auto_t *status = pod_status_make(view, reason, message);
    if (agent_patch_status(agent, &KIND_POD, pod, status, err) == -1)
        return -1;
    watch_ends(pods, pod, view);
    result->again_after_ms = left > 0 && left < again_ms ? left : again_ms;
    if (left == INT64_MAX && obj_int(pod, "spec.activeDeadlineSeconds", 0) > 0)
        result->again_after_ms = 1; /* the deadline counts from the start we have just written */
    return 0;
}

/* Removes the folders of Pods called NS/NAME (NULL: any) that are no longer there. */
static int sweep(struct pods *pods, const char *ns, const char *name, struct error **err)
{
    CLEANUP(str) char *root = path_join(pods->agent->dir, "pods");
    DIR *stream = opendir(root);
    const struct dirent *entry;
    int result = 0;

    if (stream == NULL)
        return 0;
    while (result == 0 && (entry = readdir(stream)) != NULL) {
        CLEANUP(str) char *dir = path_join(root, entry->d_name);
        CLEANUP(str) char *path = path_join(dir, "pod.json");
        CLEANUP(str) char *text = NULL;
        CLEANUP(error) struct error *ignored = NULL; /* a crash before it was written */
        size_t len = 0;

        if (entry->d_name[0] == '.')
            continue;
        json_auto_t *owner = file_read(path, SMALL_FILE_MAX, &text, &len, &ignored) == 0
                                 ? obj_parse(text, len, &ignored)
                                 : NULL;
        const char *its_ns = obj_str(owner, "namespace", ""), *its_name = obj_str(owner, "name", "");
        if (owner != NULL && name != NULL && (!str_eq(its_ns, ns) || !str_eq(its_name, name)))
            continue;
        json_auto_t *pod = kube_cache_get(pods->agent->pods, its_ns, its_name);
        if (pod != NULL && str_eq(meta_uid(pod), entry->d_name))
            continue;
        log_info("pod removed: name=%s/%s uid=%s", its_ns, its_name, entry->d_name);
        result = destroy(dir, err);
    }
    closedir(stream);
    return result;
}

static int reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                     struct reconcile_result *result, struct error **err)
{
    struct pods *pods = arg;
    json_auto_t *pod = kube_cache_get(pods->agent->pods, ns, name);
    const char *phase = obj_str(pod, "status.phase", "");

    if (pod == NULL)
        return sweep(pods, ns, name, err);
    /* Nothing runs in a launcher: its machine ends on its own. */
    if (is_launcher(pod) && meta_is_deleting(pod))
        return remove_object(pods->agent, pod, err);
    if (!is_ours(pods->agent, pod))
        return 0;
    bool over = str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
    if (over && !meta_is_deleting(pod))
        return 0;

    struct pod_view view;
    int done = view_make(pods->agent, pod, &view, err);
    if (done == 0)
        done = meta_is_deleting(pod) ? terminate(pods, pod, &view, result, err)
                                     : run_pod(pods, pod, &view, result, err);
    pod_view_reset(&view);
    return done;
}

static bool mounts_claim(const json_t *pod, const char *claim)
{
    const json_t *volume;
    size_t i;

    json_array_foreach(obj_arr(pod, "spec.volumes"), i, volume)
        if (str_eq(obj_str(volume, "persistentVolumeClaim.claimName", ""), claim))
            return true;
    return false;
}

/* A claim that is bound lets Pods start that wait for it. */
static void add_pods_of(struct controller *controller, const json_t *claim, void *arg)
{
    struct agent *agent = arg;

    if (!str_eq(obj_str(claim, "status.phase", ""), "Bound"))
        return;
    json_auto_t *pods = kube_cache_list(agent->pods, meta_ns(claim), NULL);
    const json_t *pod;
    size_t i;
    json_array_foreach(pods, i, pod)
        if (str_eq(obj_str(pod, "status.phase", "Pending"), "Pending") &&
            mounts_claim(pod, meta_name(claim)))
            controller_add(controller, meta_ns(pod), meta_name(pod));
}

static void on_exit_of(void *arg, const char *ns, const char *name)
{
    struct pods *pods = arg;

    controller_add(pods->controller, ns, name);
}

int pods_start(struct agent *agent, struct pods **out, struct error **err)
{
    CLEANUP(pods) struct pods *pods = xcalloc(1, sizeof(*pods));
    struct controller_spec spec = {
        .name = "pods", .workers = WORKERS, .reconcile = reconcile, .arg = pods};

    pods->agent = agent;
    pods->controller = controller_new(&spec);
    controller_watch(pods->controller, agent->pods);
    controller_watch_map(pods->controller, agent->claims, add_pods_of, agent);
    if (exit_watch_start(on_exit_of, pods, &pods->exits, err) == -1 ||
        controller_start(pods->controller, err) == -1)
        return -1;
    *out = steal(&pods);
    return 0;
}

void pods_sweep(struct pods *pods)
{
    CLEANUP(error) struct error *err = NULL;

    if (sweep(pods, NULL, NULL, &err) == -1)
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "cannot remove what a pod left");
}

void pods_stop(struct pods *pods)
{
    if (pods == NULL)
        return;
    exit_watch_free(pods->exits);
    controller_free(pods->controller);
    free(pods);
}

void pods_kill_all(struct agent *agent)
{
    CLEANUP(str) char *root = path_join(agent->dir, "pods");
    DIR *stream = opendir(root);
    const struct dirent *entry;

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        CLEANUP(str) char *dir = path_join(root, entry->d_name);
        CLEANUP(error) struct error *err = NULL;

        if (entry->d_name[0] != '.' && destroy(dir, &err) == -1)
            log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "cannot end a pod");
    }
    if (stream != NULL)
        closedir(stream);
}

/* The container's description in POD; NULL: its first. */
static const json_t *find_container(const json_t *pod, const char *name, struct error **err)
{
    static const char *const lists[] = {"spec.containers", "spec.initContainers"};

    for (size_t list = 0; list < 2; list++) {
        const json_t *spec;
        size_t i;

        json_array_foreach(obj_arr(pod, lists[list]), i, spec)
            if (str_is_empty(name) || str_eq(obj_str(spec, "name", ""), name))
                return spec;
    }
    error_set(err, ERROR_INVALID, "container %s is not valid for pod %s",
              name == NULL ? "" : name, meta_name(pod));
    return NULL;
}

struct follow {
    const char *dir;
    int run;
};

static bool is_over(void *arg)
{
    const struct follow *follow = arg;
    struct container_state state = {0};
    CLEANUP(error) struct error *ignored = NULL; /* the folder has gone with its pod */

    return container_look(follow->dir, follow->run, &state, &ignored) == -1 ||
           state.phase != CONTAINER_RUNNING;
}

int pods_log(struct agent *agent, const json_t *pod, const char *container, const json_t *options,
             struct cancel *cancel, bool (*on_data)(void *to, const char *data, size_t len),
             void *to, struct error **err)
{
    const json_t *spec = find_container(pod, container, err);

    if (spec == NULL)
        return -1;
    CLEANUP(str) char *dir = container_dir(agent, pod, obj_str(spec, "name", ""));
    struct follow follow = {dir, container_last_run(dir)};
    bool previous = obj_bool(options, "previous", false);
    if (previous)
        follow.run--;
    if (follow.run < 0)
        return error_set(err, ERROR_INVALID, "%scontainer \"%s\" in pod \"%s\" %s",
                         previous ? "previous terminated " : "", obj_str(spec, "name", ""),
                         meta_name(pod), previous ? "not found" : "is waiting to start");
    CLEANUP(str) char *path = container_log_path(dir, follow.run);
    return container_log_read(path, options, is_over, &follow, cancel, on_data, to, err);
}

int pods_exec(struct agent *agent, const json_t *pod, const char *container,
              const char *const *command, int in_fd, int out_fd, int err_fd, bool tty,
              int resize_fd, struct cancel *cancel, int *exit_code, struct error **err)
{
    const json_t *spec = find_container(pod, container, err);
    struct container_state state = {0};

    if (spec == NULL)
        return -1;
    CLEANUP(str) char *dir = container_dir(agent, pod, obj_str(spec, "name", ""));
    int run = container_last_run(dir);
    if (run >= 0 && container_look(dir, run, &state, err) == -1)
        return -1;
    return container_exec(&state, command, in_fd, out_fd, err_fd, tty, resize_fd, cancel, exit_code,
                          err);
}
