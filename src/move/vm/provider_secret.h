/* A provider's Secret: is it there, has it the keys its type needs, and its decoded values.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "move/vm/room.h"

/* Reads PROVIDER's Secret into *SECRET: the object with decoded text under "data".  Stages
 * SecretNotValid (*SECRET is NULL then) and ConnectionInsecure.  The host provider needs none. */
int provider_secret_load(struct room *room, const json_t *provider, json_t *status,
                         json_t **secret, struct error **err);

/* A copy of a Secret whose "data" has decoded values; what is no text is left out. */
json_t *provider_secret_decode(const json_t *secret);
