/* gantry-copy's helper for VMware's disk library: "gantry-vddk SOCKET-FD MEMORY-FD", started by
 * gantry-copy and by nobody else.  It links with libc alone, because the library brings its own
 * versions of much that gantry-copy uses.  See disk/vddk_link.h. */
#define LOG_COMPONENT "vddk"

#include "base/error.h"
#include "base/log.h"
#include "base/secret.h"
#include "disk/vddk_serve.h"

#include <signal.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;

    log_init("gantry-vddk", LOG_LEVEL_WARN, 2);
    secret_protect_process();
    signal(SIGINT, SIG_IGN); /* gantry-copy ends in order, and then we do */
    if (argc != 3) {
        log_error("started without gantry-copy");
        return 2;
    }
    if (vddk_serve((int)strtol(argv[1], NULL, 10), (int)strtol(argv[2], NULL, 10), &err) == 0)
        return 0;
    return 1; /* the other side has the reason */
}
