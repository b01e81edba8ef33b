/* The keeper: a small process in whose mount namespace a libvirtd of gantry's own runs.
 *
 * There, DIR's folders lie over /etc/libvirt, /var/lib/libvirt, /var/log/libvirt,
 * /var/cache/libvirt and /run, so that nothing of the user's libvirt is seen or touched.  The keeper
 * starts libvirtd again when it ends, and reaps QEMU processes.  Machines go on without either; a
 * new keeper with the same folders finds them.
 *
 *     DIR/keeper.lock  held (flock) while a keeper lives
 *     DIR/keeper.pid   its process id
 *
 * May use: base.  Threads: runs in main.
 */
#pragma once

#include <sys/types.h>

struct error;

/* Starts a keeper in the background, unless one is there.  Returns once its folders are laid out;
 * libvirtd needs some seconds more. */
int libvirt_keeper_start(const char *dir, struct error **err);

/* The keeper's process, or 0 if there is none. */
pid_t libvirt_keeper_find(const char *dir);
