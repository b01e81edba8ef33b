/* gantry-libvirtd: starts a libvirtd of gantry's own, see node/libvirt_keeper.h. */
#include "base/error.h"
#include "base/log.h"
#include "node/libvirt_keeper.h"

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIR\n", argv[0]);
        return 2;
    }
    log_init("gantry-libvirtd", LOG_LEVEL_WARN, STDERR_FILENO);
    if (libvirt_keeper_start(argv[1], &err) == 0)
        return 0;

    CLEANUP(str) char *text = error_format(err);
    fprintf(stderr, "%s\n", text);
    return 1;
}
