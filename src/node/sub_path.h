/* A part of a volume that a container mounts (subPath), held still.
 *
 * Whoever can write to a volume may put a symbolic link into it at any moment, also between our look
 * at a path and the sandbox's mount of it.  So the part is opened once, beneath the volume and over
 * no link, and that very file or folder is bound to a place of ours, which the sandbox mounts.
 *
 * May use: base.  Threads: no shared state.
 */
#pragma once

struct error;

/* Binds SUB of the folder VOLUME to AT (made as SUB needs it), in place of what was bound there
 * before.  A SUB that is absent becomes a folder.  ERROR_DENIED: it goes over a symbolic link;
 * ERROR_INVALID: it leaves the volume. */
int sub_path_bind(const char *volume, const char *sub, const char *at, struct error **err);

/* Undoes what is bound to AT; nothing being bound is no failure.  Only afterwards may AT be
 * removed: through a mount its volume would be. */
int sub_path_release(const char *at, struct error **err);
