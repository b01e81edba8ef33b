/* Discovery: which groups, versions and kinds there are, plain (/api, /apis, /apis/G/V) and
 * aggregated (apidiscovery.k8s.io).
 *
 * May use: base, data, net, kube.  Threads: as the call.
 */
#pragma once

#include <stdbool.h>

struct call;

/* Answers CALL if its path is one of these; false otherwise. */
bool discovery_handle(struct call *call);
