/* Bearer tokens: the administrator's own, and those of service accounts (JSON Web Tokens, ES256).
 *
 * A service account's token is good as long as the account is there, with the same uid, and, if it
 * is bound to a pod, as long as that pod is there.
 *
 * May use: base, data, net, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "apiserver/user.h"
#include "base/cleanup.h"

#include <stdint.h>

struct apiserver;
struct error;
struct tokens;

#define TOKEN_ISSUER "https://kubernetes.default.svc.cluster.local"

enum {
    TOKEN_MIN_S = 600,
    TOKEN_DEFAULT_S = 3600,
    TOKEN_MAX_S = 365 * 24 * 3600,
    TOKEN_MAX_BYTES = 16 * 1024,
};

/* Reads or makes the keys in DIR (mode 0600). */
int tokens_open(struct apiserver *server, const char *dir, struct tokens **out, struct error **err);
void tokens_free(struct tokens *tokens);

/* The administrator's token, borrowed. */
const char *tokens_admin(const struct tokens *tokens);

/* What a token is asked for. */
struct token_request {
    const char *ns, *account, *account_uid;
    const char *pod, *pod_uid; /* NULL: not bound to a pod */
    const json_t *audiences;   /* an array, or NULL: the API server */
    int64_t lifetime_s;
    int64_t now_ms;
};
/* Owned by the caller; *EXPIRES_MS is when it ends. */
char *tokens_issue(struct tokens *tokens, const struct token_request *request, int64_t *expires_ms,
                   struct error **err);

/* Who a token belongs to, for one of AUDIENCES (NULL: the API server); ERROR_DENIED says why not.
 * *MATCHED, unless NULL, gets those of the token that were asked for: an array. */
struct user *tokens_check(struct tokens *tokens, const char *token, const json_t *audiences,
                          json_t **matched, struct error **err);

/* The public key as a JSON Web Key set, for who checks tokens without us. */
json_t *tokens_key_set(struct tokens *tokens, struct error **err);
