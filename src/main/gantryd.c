/* gantryd: the API server at home, the inventory, the controllers and the node agent in one process.
 *
 * Each part can be switched off; with --kubeconfig (or in a pod) there is no API server of our own and
 * the same controllers work on a cluster.  The parts only meet through objects: what is here wires
 * them together, waits for a signal, and stops them in the opposite order.
 *
 * SIGTERM and SIGINT stop gantryd; machines and pods go on and a later start finds them.  SIGUSR1 stops
 * machines and pods as well. */
#define LOG_COMPONENT "main"

#include "apiserver/apiserver.h"
#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/home.h"
#include "inventory/inventory.h"
#include "kube/client.h"
#include "move/vm/vm_move.h"
#include "node/node.h"
#include "validation/validation.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTEN_DEFAULT "127.0.0.1:0"

struct options {
    const char *dir;
    const char *listen; /* or NULL: where it was the last time */
    const char *kubeconfig; /* of a cluster, or NULL */
    const char *main_namespace;
    const char *policy_dir; /* users' rules, or NULL */
    const char *migration_listen; /* for live migrations, or NULL */
    int64_t ready_fd; /* 0: none */
    bool no_node, no_controllers, no_validation, in_cluster;
    bool verbose;
    struct word_list debug;
};

/* Everything that runs.  What is NULL is switched off or not yet started. */
struct parts {
    const struct options *options;
    char *dir;
    int lock_fd;
    struct apiserver *server;
    struct kube_client *client;      /* the controllers' */
    struct kube_client *node_client; /* the agent's */
    struct inventory *inventory;
    struct validation *validation;
    struct vm_move *move;
    struct node *node;
    /* The inventory's threads tell those who listen, under this lock, so that nobody is told who is
     * stopping; what they do is put keys on queues. */
    pthread_mutex_t listeners_lock;
    bool listening;  /* guarded by listeners_lock, as the next: move is there */
    bool validating; /* validation is there */
};

/* The folder of our own programs: where we lie. */
static char *own_dir(struct error **err)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (len == -1) {
        error_sys(err, errno, "cannot find out where gantryd lies");
        return NULL;
    }
    self[len] = '\0';
    return xstrndup(self, (size_t)(path_base(self) - 1 - self));
}

static bool is_address_taken(const struct error *failure)
{
    for (const struct error *e = failure; e != NULL; e = e->cause)
        if (e->sys == EADDRINUSE || e->sys == EADDRNOTAVAIL)
            return true;
    return false;
}

/* Serves where --listen says, else where it did the last time, else at any free port. */
static int listen_somewhere(struct parts *p, struct apiserver_options *options, struct error **err)
{
    CLEANUP(str) char *last = home_last_listen(p->dir);
    CLEANUP(error) struct error *failure = NULL;

    options->listen = p->options->listen != NULL ? p->options->listen
                      : last != NULL             ? last
                                                 : LISTEN_DEFAULT;
    if (apiserver_start(options, &p->server, &failure) == -1) {
        bool chosen = p->options->listen != NULL || last == NULL;
        if (chosen || !is_address_taken(failure)) {
            *err = steal(&failure);
            return -1;
        }
        log_warn("the last address is taken: address=%s; clients need the new kubeconfig", last);
        options->listen = LISTEN_DEFAULT;
        if (apiserver_start(options, &p->server, err) == -1)
            return -1;
    }
    return home_keep_listen(p->dir, options->listen, apiserver_port(p->server), err);
}

static int start_server(struct parts *p, struct error **err)
{
    CLEANUP(str) char *dir = path_join(p->dir, HOME_API);
    CLEANUP(str) char *kubeconfig_path = path_join(p->dir, HOME_KUBECONFIG);
    struct apiserver_options options = {
        .dir = dir,
        .main_namespace = p->options->main_namespace,
    };

    if (dir_make(dir, 0700, err) == -1 || listen_somewhere(p, &options, err) == -1)
        return error_wrap(err, "cannot start the API server");

    CLEANUP(str) char *kubeconfig = apiserver_kubeconfig(p->server);
    if (file_write(kubeconfig_path, kubeconfig, strlen(kubeconfig), 0600, err) == -1)
        return -1;
    p->client = apiserver_client(p->server, "system:gantry");
    p->node_client = apiserver_client(p->server, "system:gantry");
    return 0;
}

static int start_clients(struct parts *p, struct error **err)
{
    p->client = kube_client_open(p->options->kubeconfig, err);
    return p->client == NULL ? -1 : 0;
}

static void set_listening(struct parts *p, bool listening, bool validating)
{
    LOCK_SCOPE(&p->listeners_lock);
    p->listening = listening;
    p->validating = validating;
}

static void inventory_changed(void *arg, const char *ns, const char *name,
                              const struct inventory_change *change)
{
    struct parts *p = arg;
    LOCK_SCOPE(&p->listeners_lock);

    /* neither before they are there nor once they stop */
    if (p->validating)
        validation_wake(p->validation, ns, name);
    if (p->listening)
        vm_move_inventory_changed(p->move, ns, name, change);
}

static void machines_validated(void *arg, const char *ns, const char *name)
{
    struct parts *p = arg;
    LOCK_SCOPE(&p->listeners_lock);

    if (p->listening)
        vm_move_machines_validated(p->move, ns, name);
}

static void rules_troubled(void *arg)
{
    struct parts *p = arg;
    LOCK_SCOPE(&p->listeners_lock);

    if (p->listening)
        vm_move_rules_changed(p->move);
}

static int start_validation(struct parts *p, struct error **err)
{
    CLEANUP(str) char *dir = path_join(p->dir, HOME_VALIDATION);
    const struct validation_options options = {
        .client = p->client,
        .inventory = p->inventory,
        .ns = p->options->main_namespace,
        .folder = p->options->policy_dir,
        .dir = dir,
        .keep_in_cluster = p->server == NULL,
        .stand_in = p->server != NULL,
        .on_validated = machines_validated,
        .on_trouble = rules_troubled,
        .arg = p,
    };

    if (dir_make(dir, 0700, err) == -1 || validation_start(&options, &p->validation, err) == -1)
        return -1;
    if (p->server != NULL)
        apiserver_mount(p->server, "/v1/data", validation_handle, p->validation);
    set_listening(p, false, true);
    return 0;
}

static int start_controllers(struct parts *p, struct error **err)
{
    CLEANUP(str) char *dir = path_join(p->dir, "inventory");
    const struct inventory_options inventory_options = {
        .client = p->client,
        .dir = dir,
        .on_change = inventory_changed,
        .arg = p,
    };

    if (dir_make(dir, 0700, err) == -1)
        return -1;
    p->inventory = inventory_new(&inventory_options);
    if (p->server != NULL) {
        apiserver_mount(p->server, "/providers", inventory_handle, p->inventory);
        apiserver_mount(p->server, "/schema", inventory_handle, p->inventory);
    }

    if (!p->options->no_validation && start_validation(p, err) == -1)
        return -1;

    const struct vm_move_options move_options = {
        .client = p->client,
        .inventory = p->inventory,
        .validation = p->validation,
        .main_namespace = p->options->main_namespace,
    };
    if (vm_move_start(&move_options, &p->move, err) == -1)
        return -1;
    if (p->server != NULL)
        apiserver_set_metrics(p->server, vm_move_format_metrics, p->move);
    set_listening(p, true, p->validation != NULL);
    return 0;
}

/* Lets the agent find out what this machine offers while the API server starts. */
static int prepare_node(struct parts *p, struct error **err)
{
    CLEANUP(str) char *dir = path_join(p->dir, "node");
    CLEANUP(str) char *programs = own_dir(err);

    if (programs == NULL || dir_make(dir, 0700, err) == -1)
        return -1;
    return node_new(dir, programs, &p->node, err);
}

static int start_node(struct parts *p, struct error **err)
{
    CLEANUP(str) char *url = xasprintf("https://127.0.0.1:%d", apiserver_port(p->server));
    const struct node_options options = {
        .client = p->node_client,
        .api_url = url,
        .migration_listen = p->options->migration_listen,
    };

    if (node_start(p->node, &options, err) == -1)
        return error_wrap(err, "cannot start the node agent");

    struct apiserver_backend backend = {0};
    node_fill_backend(p->node, &backend);
    apiserver_set_backend(p->server, &backend);
    return 0;
}

static void stop(struct parts *p, bool machines_too)
{
    struct error *err = NULL;

    set_listening(p, false, false);
    if (p->server != NULL)
        apiserver_set_metrics(p->server, NULL, NULL);
    if (p->move != NULL)
        vm_move_stop(p->move);
    if (p->node != NULL && machines_too && node_stop_all(p->node, &err) == -1) {
        log_warn_error(err, "cannot stop everything");
        error_clear(&err);
    }
    if (p->node != NULL)
        node_stop(p->node);
    /* its handlers ask inventory and validation */
    if (p->server != NULL)
        apiserver_close(p->server);
    if (p->validation != NULL)
        validation_stop(p->validation);
    inventory_free(p->inventory);
    kube_client_free(p->node_client);
    kube_client_free(p->client);
    if (p->server != NULL)
        apiserver_stop(p->server);
    free(p->dir);
    if (p->lock_fd > 0)
        close(p->lock_fd);
}

static int start(struct parts *p, struct error **err)
{
    bool at_home = p->options->kubeconfig == NULL && !p->options->in_cluster;

    p->dir = home_find_dir(p->options->dir, err);
    if (p->dir == NULL || dir_make(p->dir, 0700, err) == -1)
        return -1;
    p->lock_fd = home_take_lock(p->dir, err);
    if (p->lock_fd == -1)
        return -1;
    if (at_home && !p->options->no_node && prepare_node(p, err) == -1)
        return -1;
    if ((at_home ? start_server(p, err) : start_clients(p, err)) == -1)
        return -1;
    if (!p->options->no_controllers && start_controllers(p, err) == -1)
        return -1;
    if (at_home && !p->options->no_node && start_node(p, err) == -1)
        return -1;
    return 0;
}

/* One line to who started us: "ready URL", or what is wrong. */
static void tell(const struct parts *p, const char *line)
{
    CLEANUP(str) char *text = xasprintf("%s\n", line);
    int fd = (int)p->options->ready_fd;

    if (fd == 0)
        return;
    ssize_t ignored = write(fd, text, strlen(text)); /* gantry up may be gone */
    (void)ignored;
    close(fd);
}

static int run(struct parts *p)
{
    struct error *err = NULL;
    sigset_t set;
    int sig;

    /* blocked before any thread starts, so that only sigwait sees them */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);

    if (start(p, &err) == -1) {
        CLEANUP(str) char *chain = error_format(err);
        const char *hint = error_get_hint(err);
        CLEANUP(str) char *text =
            hint == NULL ? xstrdup(chain) : xasprintf("%s (%s)", chain, hint);

        log_error("%s", text);
        stop(p, false);
        tell(p, text); /* now that the home is free again */
        error_free(err);
        return EXIT_FAILED;
    }

    CLEANUP(str) char *line =
        xasprintf("ready https://127.0.0.1:%d", p->server == NULL ? 0 : apiserver_port(p->server));
    log_info("%s", line);
    tell(p, line);
    sigwait(&set, &sig);
    log_info("stopping: signal=%s", strsignal(sig));
    stop(p, sig == SIGUSR1);
    return EXIT_OK;
}

static int daemon_main(const struct command *self, int argc, char **argv)
{
    struct options options = {.main_namespace = HOME_NAMESPACE};
    const char *namespace_env = getenv("POD_NAMESPACE");
    const struct option_spec specs[] = {
        {"dir", 0, OPTION_TEXT, &options.dir, "DIR", "keep everything in DIR"},
        {"listen", 0, OPTION_TEXT, &options.listen, "ADDR:PORT",
         "serve the API there (default: the last time's address, at first a free port)"},
        {"kubeconfig", 0, OPTION_TEXT, &options.kubeconfig, "FILE",
         "work on that cluster, with no API server of our own"},
        {"in-cluster", 0, OPTION_FLAG, &options.in_cluster, NULL,
         "work on the cluster whose pod this is"},
        {"namespace", 0, OPTION_TEXT, &options.main_namespace, "NAME",
         "the controllers' own namespace"},
        {"policy-dir", 0, OPTION_TEXT, &options.policy_dir, "DIR",
         "users' validation rules, besides those of the ConfigMap"},
        {"migration-listen", 0, OPTION_TEXT, &options.migration_listen, "ADDR:PORT",
         "let machines of other homes that are trusted migrate to here through it"},
        {"no-node", 0, OPTION_FLAG, &options.no_node, NULL, "run no pods and no machines"},
        {"no-controllers", 0, OPTION_FLAG, &options.no_controllers, NULL,
         "run no inventory and no controllers"},
        {"no-validation", 0, OPTION_FLAG, &options.no_validation, NULL,
         "judge no machines by policies"},
        {"ready-fd", 0, OPTION_INT, &options.ready_fd, "FD", "write one line there when ready"},
        {"verbose", 'v', OPTION_FLAG, &options.verbose, NULL, "log each step"},
        {"debug", 'D', OPTION_LIST, &options.debug, "COMPONENT", "log a component's details"},
    };
    CLEANUP(word_list) struct word_list words = {0};

    if (namespace_env != NULL)
        options.main_namespace = namespace_env;

    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status != -1)
        return status;
    if (words.len > 0)
        return command_usage(self, "\"%s\" is not expected", words.ptr[0]);

    log_init("gantryd", LOG_LEVEL_INFO, 2);
    for (size_t i = 0; i < options.debug.len; i++)
        log_enable_debug(options.debug.ptr[i]);

    struct parts parts = {.options = &options, .listeners_lock = PTHREAD_MUTEX_INITIALIZER};
    status = run(&parts);
    word_list_reset(&options.debug);
    return status;
}

int main(int argc, char **argv)
{
    static const struct command self = {"", "[OPTION...]",
                                        "serve the API at home and run the controllers",
                                        daemon_main};

    signal(SIGPIPE, SIG_IGN);
    umask(077);
    secret_protect_process();
    mallopt(M_ARENA_MAX, 4); /* else each thread that once had a large object keeps room for it */
    mallopt(M_MXFAST, 0); /* else each large text that is freed has all small free pieces merged */
    return command_single("gantryd", &self, argc, argv);
}
