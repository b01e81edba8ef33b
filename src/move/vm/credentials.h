/* A VM's own Secret in the target namespace: with what its importer Pods log in to the source.
 *
 * May use: base, data, kube, source.  Threads: no shared state.
 */
#pragma once

#include "move/vm/vm_run.h"

/* Makes the Secret, or brings it up to date; CREDENTIALS as struct source_disk_access has them.
 * *NAME is owned by the caller. */
int credentials_ensure(struct vm_run *run, const json_t *credentials, char **name,
                       struct error **err);

/* Gives the Pod's container its environment, and where there is an authority, a file with it;
 * appends the options that go with that to ARGS. */
void credentials_add_to_pod(json_t *pod_spec, const json_t *credentials, const char *name,
                            json_t *args);
