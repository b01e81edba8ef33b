/* Backup, restore and rotation of the sealing key, for the administrator:
 *
 *     POST /gantry/backup       writes DIR/backup/state.db and DIR/backup/store.key
 *     POST /gantry/restore      puts back what is in DIR/restore, files of the same names
 *     POST /gantry/rotate-key   seals everything with a new key
 *
 * The files stay on this machine: no request names a path, and no key goes over a connection.
 *
 * May use: base, data, net, kube.  Threads: as the call; one of the three at a time.
 */
#pragma once

#include <stdbool.h>

struct apiserver;
struct call;
struct error;

/* Answers the paths above; false: it is none of them. */
bool keeping_handle(struct call *call);

/* Before the store of DIR is opened: a backup that waits in DIR/restore takes its place.  What was
 * there is kept in DIR/replaced-TIME. */
int keeping_take_place(const char *dir, struct error **err);
