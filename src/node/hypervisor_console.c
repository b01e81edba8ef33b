/* A machine's serial console: a pseudo-terminal that QEMU holds the other end of. */
#include "node/hypervisor.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/dom.h"
#include "node/hypervisor_internal.h"
#include "node/libvirt_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define TERMINALS "/dev/pts/"

/* The terminal that libvirt noted for the first serial port, or NULL. */
static int find_terminal(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    CLEANUP(dom) struct dom *dom = NULL;
    char **path = arg;
    char *xml = virDomainGetXMLDesc(domain, 0);

    if (xml == NULL)
        return hypervisor_fail(err, "look at", name);
    int result = dom_parse(xml, strlen(xml), &dom, err);
    free(xml);
    if (result == -1)
        return error_wrap(err, "machine \"%s\"", name);
    struct dom_node *source = dom_find(dom_root(dom), "devices/serial/source");
    *path = source == NULL ? NULL : dom_attr(source, "path");
    return 0;
}

static int open_terminal(struct hypervisor *hypervisor, const char *terminal, struct error **err)
{
    /* of libvirtd's own mount namespace, wherever that has its terminals */
    CLEANUP(str)
    char *path = xasprintf("/proc/%d/root%s", (int)libvirt_keeper_find(hypervisor->dir), terminal);
    CLEANUP(fd) int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (fd == -1)
        return error_sys(err, errno, "cannot open the console \"%s\"", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == -1)
        return errno == EWOULDBLOCK
                   ? error_set(err, ERROR_CONFLICT, "somebody has the console already")
                   : error_sys(err, errno, "cannot lock the console \"%s\"", path);
    int result = fd;
    fd = -1;
    return result;
}

int hypervisor_open_console(struct hypervisor *hypervisor, const char *name, struct error **err)
{
    CLEANUP(str) char *terminal = NULL;
    bool found = false;

    if (hypervisor_run_domain(hypervisor, name, find_terminal, &terminal, &found, err) == -1)
        return -1;
    if (!found)
        return error_set(err, ERROR_NOT_FOUND, "machine \"%s\" is not there", name);
    if (terminal == NULL || !str_starts_with(terminal, TERMINALS) || strstr(terminal, "..") != NULL)
        return error_set(err, ERROR_CONFLICT,
                         "machine \"%s\" has no serial console, or is not running", name);
    int fd = open_terminal(hypervisor, terminal, err);
    return fd == -1 ? error_wrap(err, "machine \"%s\"", name) : fd;
}
