/* Following a Migration until it ends, with a progress display.
 *
 * On a terminal each machine has a line that is drawn anew: the step it is in, a bar, the amount,
 * the rate and the time left.  Elsewhere a line is printed whenever a step begins or ends.
 *
 * May use: base, data, kube.  Threads: main only.
 */
#pragma once

#include <stdio.h>

struct cancel;
struct error;
struct kube_client;

enum follow_result { FOLLOW_SUCCEEDED, FOLLOW_FAILED, FOLLOW_CANCELED };

/* Follows the Migration NAME of NS on OUT until it has ended (*RESULT, with the machines' errors
 * printed), or until CANCEL is requested (ERROR_CANCELED; the migration goes on). */
int follow_migration(struct kube_client *client, const char *ns, const char *name, FILE *out,
                     struct cancel *cancel, enum follow_result *result, struct error **err);
