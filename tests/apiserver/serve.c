/* An API server for tests: serves in DIR until standard input ends.
 *
 *     serve DIR [CRD_DIR]
 *
 * Writes DIR/kubeconfig and then a line "ready" on standard output. */
#include "apiserver/apiserver.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "data/obj.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A pod's log is two lines; with "follow" a third one comes a little later. */
static int pod_log(void *arg, const json_t *pod, const char *container, const json_t *options,
                   struct cancel *cancel, bool (*on_data)(void *to, const char *data, size_t len),
                   void *to, struct error **err)
{
    if (!on_data(to, "first line\n", 11) || !on_data(to, "second line\n", 12))
        return 0;
    if (obj_bool(options, "follow", false) && !cancel_wait(cancel, 300))
        on_data(to, "third line\n", 11);
    return 0;
}

/* Commands run on this machine, as they are. */
static int pod_exec(void *arg, const json_t *pod, const char *container,
                    const char *const *command, int in_fd, int out_fd, int err_fd, bool tty,
                    int resize_fd, struct cancel *cancel, int *exit_code, struct error **err)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        dup2(in_fd, 0);
        dup2(out_fd, 1);
        dup2(err_fd, 2);
        execvp(command[0], (char *const *)(uintptr_t)command);
        _exit(127);
    }
    if (child == -1 || waitpid(child, &status, 0) == -1)
        return error_set(err, ERROR_IO, "cannot run \"%s\"", command[0]);
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

static int serve(const struct apiserver_options *options, struct error **err)
{
    CLEANUP(str) char *path = path_join(options->dir, "kubeconfig");
    struct apiserver *server = NULL;
    char line[64];

    if (apiserver_start(options, &server, err) == -1)
        return -1;
    const struct apiserver_backend backend = {.pod_log = pod_log, .pod_exec = pod_exec};
    apiserver_set_backend(server, &backend);
    CLEANUP(str) char *kubeconfig = apiserver_kubeconfig(server);
    int result = file_write(path, kubeconfig, strlen(kubeconfig), 0600, err);
    if (result == 0 && puts("ready") >= 0 && fflush(stdout) == 0)
        while (read(STDIN_FILENO, line, sizeof(line)) > 0)
            ;
    apiserver_stop(server);
    return result;
}

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;

    if (argc < 2) {
        fprintf(stderr, "usage: %s DIR [CRD_DIR]\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    log_init("serve", LOG_LEVEL_INFO, STDERR_FILENO);
    if (getenv("SERVE_DEBUG") != NULL)
        log_enable_debug("all");
    const struct apiserver_options options = {
        .dir = argv[1],
        .crd_dir = argc > 2 ? argv[2] : NULL,
        .listen = getenv("SERVE_LISTEN") == NULL ? "127.0.0.1:0" : getenv("SERVE_LISTEN"),
    };
    if (serve(&options, &err) == 0)
        return 0;
    CLEANUP(str) char *text = error_format(err);
    fprintf(stderr, "serve: %s\n", text);
    return 1;
}
