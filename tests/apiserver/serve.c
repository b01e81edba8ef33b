/* An API server for tests: serves in DIR until standard input ends.
 *
 *     serve DIR [CRD_DIR]
 *
 * Writes DIR/kubeconfig and then a line "ready" on standard output. */
#include "apiserver/apiserver.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int serve(const struct apiserver_options *options, struct error **err)
{
    CLEANUP(str) char *path = path_join(options->dir, "kubeconfig");
    struct apiserver *server = NULL;
    char line[64];

    if (apiserver_start(options, &server, err) == -1)
        return -1;
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
