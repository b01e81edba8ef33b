/* Who a request comes from: a client certificate, a bearer token, or nobody; and whom it wants to
 * be taken for (impersonation).
 *
 * May use: base, data, net.  Threads: as the call.
 */
#pragma once

struct call;

/* Sets call->user.  Credentials that are given but wrong: -1 with the 401. */
int authenticate(struct call *call);
