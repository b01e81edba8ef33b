/* Clients that remember what they were told, for the test that kills the server.
 *
 *     write    objects of three kinds are created, changed and removed; a line before each write, and one
 *              when it was acknowledged
 *     watch    every event is written down, and a broken watch resumed with the last version seen
 *     end      makes the object by which the watchers know that nothing more comes
 *     check    what is there, and what every watcher saw, is exactly what was acknowledged
 *
 * Lines of the writers' journal:
 *
 *     R VERSION                      a round begins; the server is at VERSION
 *     + ID KIND NAME C|U|D VALUE     the write ID is sent: create, update or patch, delete
 *     = ID VERSION                   it was acknowledged (0: the answer told no version)
 *     - ID                           it was refused with a Status
 *
 * Lines of a watcher's: "W KIND SELECTOR" first, then
 *
 *     L VERSION                      a list, followed by "S NAME VERSION VALUE" for each object in it
 *     E TYPE NAME VERSION VALUE      an event
 *     B VERSION                      a bookmark
 *     C                              the connection broke, the watch is resumed
 *     G                              410: a list follows
 *
 * May use: base, data, kube.  Threads: the functions are for one.
 */
#pragma once

#include <stddef.h>

struct error;
struct kube_client;
struct kube_kind;

enum { JOURNAL_KINDS = 3, JOURNAL_MAX_BYTES = 1 << 30 };

#define JOURNAL_END "the-end"
/* Watchers come in two sorts: of all objects, and of those whose value is even. */
#define JOURNAL_EVEN "even=yes"

extern const struct kube_kind *const journal_kinds[JOURNAL_KINDS];

/* Watches each kind as a whole and with a selector, writes DIR/watch-N, until the end is seen.
 * KUBECONFIG's server may go and come back. */
int journal_watch(const char *kubeconfig, const char *dir, struct error **err);

/* Checks DIR/writes and DIR/watch-*, and prints what there was.  ERROR_CORRUPT says what is wrong. */
int journal_check(struct kube_client *client, const char *dir, struct error **err);
