/* gantry-container: runs one container for the node agent; see node/supervisor.h.  It reads the
 * run's description on standard input and returns once the container runs. */
#include "base/error.h"
#include "base/log.h"
#include "node/supervisor.h"

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;

    if (argc != 1) {
        fprintf(stderr, "usage: %s < DESCRIPTION\n", argv[0]);
        return 2;
    }
    log_init("gantry-container", LOG_LEVEL_WARN, STDERR_FILENO);
    if (supervisor_start(STDIN_FILENO, &err) == 0)
        return 0;

    CLEANUP(str) char *text = error_format(err);
    fprintf(stderr, "%s\n", text);
    return 1;
}
