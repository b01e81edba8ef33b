#include "apiserver/tokens.h"

#include "apiserver/server.h"
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/base64.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "net/crypto.h"

#include <stdlib.h>
#include <string.h>

enum { ADMIN_BYTES = 32, MAX_TOKEN_FILE = 1024, MAX_CACHED = 1024, CLOCK_SKEW_S = 60 };

struct tokens {
    struct apiserver *server;
    struct secret *admin;
    struct crypto_key *key;
    char key_id[17];
    pthread_mutex_t lock;
    struct map *checked; /* digest of a token whose signature was good -> claims; guarded by lock */
};

/* --- Base64 for URLs --------------------------------------------------------------------------------- */

static char *encode_url(const void *data, size_t len)
{
    char *text = base64_encode(data, len);
    size_t n = strlen(text);

    while (n > 0 && text[n - 1] == '=')
        text[--n] = '\0';
    for (char *p = text; *p != '\0'; p++)
        *p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p);
    return text;
}

static int decode_url(struct span text, char **data, size_t *len, struct error **err)
{
    CLEANUP(str) char *plain = span_dup(text);

    for (char *p = plain; *p != '\0'; p++) {
        if (*p == '+' || *p == '/' || *p == '=')
            return error_set(err, ERROR_DENIED, "the token is not base64url");
        *p = (char)(*p == '-' ? '+' : *p == '_' ? '/' : *p);
    }
    return base64_decode(plain, text.len, data, len, err);
}

/* --- Keys ---------------------------------------------------------------------------------------------- */

static int load_admin(struct tokens *tokens, const char *path, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (!file_exists(path)) {
        unsigned char bytes[ADMIN_BYTES];
        random_bytes(bytes, sizeof(bytes));
        CLEANUP(str) char *made = encode_url(bytes, sizeof(bytes));
        secret_wipe(bytes, sizeof(bytes));
        if (file_write(path, made, strlen(made), 0600, err) == -1)
            return -1;
    }
    if (file_read(path, MAX_TOKEN_FILE, &text, &len, err) == -1)
        return -1;
    if (len < ADMIN_BYTES)
        return error_set(err, ERROR_CORRUPT, "\"%s\" holds no token", path);
    tokens->admin = secret_new(text, len);
    secret_wipe(text, len);
    return 0;
}

static int name_key(struct tokens *tokens, struct error **err)
{
    unsigned char point[64], digest[CRYPTO_SHA256_SIZE];

    if (crypto_key_point(tokens->key, point, point + 32, err) == -1)
        return -1;
    crypto_sha256(point, sizeof(point), digest);
    CLEANUP(str) char *text = encode_url(digest, 12);
    memcpy(tokens->key_id, text, sizeof(tokens->key_id) - 1);
    return 0;
}

int tokens_open(struct apiserver *server, const char *dir, struct tokens **out, struct error **err)
{
    CLEANUP(str) char *admin = path_join(dir, "admin.token");
    CLEANUP(str) char *key = path_join(dir, "sa.key");
    struct tokens *tokens = xcalloc(1, sizeof(*tokens));

    tokens->server = server;
    tokens->checked = map_new();
    pthread_mutex_init(&tokens->lock, NULL);
    if (load_admin(tokens, admin, err) == -1 ||
        (tokens->key = crypto_key_load(key, err)) == NULL || name_key(tokens, err) == -1) {
        tokens_free(tokens);
        return error_wrap(err, "cannot load the tokens' keys");
    }
    *out = tokens;
    return 0;
}

static void free_claims(void *claims)
{
    json_decref(claims);
}

void tokens_free(struct tokens *tokens)
{
    if (tokens == NULL)
        return;
    secret_free(tokens->admin);
    crypto_key_free(tokens->key);
    map_free(tokens->checked, free_claims);
    pthread_mutex_destroy(&tokens->lock);
    free(tokens);
}

const char *tokens_admin(const struct tokens *tokens)
{
    return secret_get(tokens->admin);
}

json_t *tokens_key_set(struct tokens *tokens, struct error **err)
{
    unsigned char x[32], y[32];

    if (crypto_key_point(tokens->key, x, y, err) == -1)
        return NULL;
    CLEANUP(str) char *x_text = encode_url(x, sizeof(x));
    CLEANUP(str) char *y_text = encode_url(y, sizeof(y));
    return obj_pack("{s:[{s:s, s:s, s:s, s:s, s:s, s:s, s:s}]}", "keys", "use", "sig", "kty", "EC",
                    "kid", tokens->key_id, "crv", "P-256", "alg", "ES256", "x", x_text, "y",
                    y_text);
}

/* --- Issuing --------------------------------------------------------------------------------------------- */

static json_t *make_claims(const struct token_request *request, int64_t expires_s)
{
    CLEANUP(str) char *subject =
        xasprintf(SERVICE_ACCOUNT_PREFIX "%s:%s", request->ns, request->account);
    char id[UUID_TEXT_SIZE];
    int64_t now_s = request->now_ms / 1000;
    json_t *claims = obj_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:s, s:{s:s, s:{s:s, s:s}}}", "iss", TOKEN_ISSUER, "sub",
        subject, "exp", (json_int_t)expires_s, "iat", (json_int_t)now_s, "nbf", (json_int_t)now_s,
        "jti", random_uuid(id), "kubernetes.io", "namespace", request->ns, "serviceaccount",
        "name", request->account, "uid", request->account_uid);

    if (json_array_size(request->audiences) > 0)
        json_object_set_new(claims, "aud", obj_copy(request->audiences));
    else
        json_object_set_new(claims, "aud", obj_pack("[s]", TOKEN_ISSUER));
    if (request->pod != NULL)
        json_object_set_new(json_object_get(claims, "kubernetes.io"), "pod",
                            obj_pack("{s:s, s:s}", "name", request->pod, "uid",
                                     request->pod_uid));
    return claims;
}

char *tokens_issue(struct tokens *tokens, const struct token_request *request, int64_t *expires_ms,
                   struct error **err)
{
    json_auto_t *header =
        obj_pack("{s:s, s:s, s:s}", "alg", "ES256", "typ", "JWT", "kid", tokens->key_id);
    int64_t expires_s = request->now_ms / 1000 + request->lifetime_s;
    json_auto_t *claims = make_claims(request, expires_s);
    CLEANUP(str) char *header_text = obj_format(header);
    CLEANUP(str) char *claims_text = obj_format(claims);
    CLEANUP(str) char *part1 = encode_url(header_text, strlen(header_text));
    CLEANUP(str) char *part2 = encode_url(claims_text, strlen(claims_text));
    CLEANUP(str) char *signed_text = xasprintf("%s.%s", part1, part2);
    unsigned char signature[CRYPTO_SIGNATURE_SIZE];

    if (crypto_sign(tokens->key, signed_text, strlen(signed_text), signature, err) == -1)
        return NULL;
    CLEANUP(str) char *part3 = encode_url(signature, sizeof(signature));
    *expires_ms = expires_s * 1000;
    return xasprintf("%s.%s", signed_text, part3);
}

/* --- Checking ---------------------------------------------------------------------------------------------- */

static int denied(struct error **err, const char *why)
{
    return error_set(err, ERROR_DENIED, "%s", why);
}

/* The claims of a token whose signature is good, a new reference, or NULL. */
static json_t *read_claims(struct tokens *tokens, const char *token, struct error **err)
{
    struct span rest = span_of(token), header, claims;
    CLEANUP(str) char *header_text = NULL;
    CLEANUP(str) char *claims_text = NULL;
    CLEANUP(str) char *signature = NULL;
    size_t header_len = 0, claims_len = 0, signature_len = 0;

    if (!span_split(&rest, '.', &header) || !span_split(&rest, '.', &claims) || rest.len == 0 ||
        memchr(rest.ptr, '.', rest.len) != NULL) {
        denied(err, "the token has not three parts");
        return NULL;
    }
    if (decode_url(header, &header_text, &header_len, err) == -1 ||
        decode_url(claims, &claims_text, &claims_len, err) == -1 ||
        decode_url(rest, &signature, &signature_len, err) == -1)
        return NULL;
    json_auto_t *head = obj_parse(header_text, header_len, err);
    if (head == NULL)
        return NULL;
    /* Only our own algorithm: a token does not choose how it is checked. */
    if (!str_eq(obj_str(head, "alg", ""), "ES256") || signature_len != CRYPTO_SIGNATURE_SIZE ||
        !crypto_verify(tokens->key, token, header.len + 1 + claims.len,
                       (const unsigned char *)signature)) {
        denied(err, "the token's signature is not ours");
        return NULL;
    }
    return obj_parse(claims_text, claims_len, err);
}

/* Remembers good signatures: checking one costs more than the rest of a request. */
static json_t *cached_claims(struct tokens *tokens, const char *token, struct error **err)
{
    unsigned char digest[CRYPTO_SHA256_SIZE];

    crypto_sha256(token, strlen(token), digest);
    CLEANUP(str) char *key = base64_encode(digest, sizeof(digest));
    {
        LOCK_SCOPE(&tokens->lock);
        json_t *found = map_find(tokens->checked, key);
        if (found != NULL)
            return json_incref(found);
    }
    json_t *claims = read_claims(tokens, token, err);
    if (claims == NULL)
        return NULL;
    LOCK_SCOPE(&tokens->lock);
    if (map_count(tokens->checked) >= MAX_CACHED) {
        map_free(tokens->checked, free_claims);
        tokens->checked = map_new();
    }
    json_decref(map_put(tokens->checked, key, json_incref(claims)));
    return claims;
}

static bool is_there(struct tokens *tokens, const char *plural, const char *ns, const char *name,
                     const char *uid)
{
    struct served *served = registry_find(tokens->server->registry, "", NULL, plural, NULL);
    CLEANUP(object) struct object *object =
        served == NULL ? NULL : store_get(served->table, ns, name);

    served_unref(served);
    return object != NULL && str_eq(object->uid, uid);
}

static int check_claims(struct tokens *tokens, const json_t *claims, struct error **err)
{
    const json_t *bound = json_object_get(claims, "kubernetes.io");
    const char *ns = obj_str(bound, "namespace", "");
    const char *pod = obj_str(bound, "pod.name", NULL);
    int64_t now_s = time_now_ms() / 1000;

    if (!str_eq(obj_str(claims, "iss", ""), TOKEN_ISSUER))
        return denied(err, "the token was issued by somebody else");
    if (obj_int(claims, "exp", 0) <= now_s)
        return denied(err, "the token has expired");
    if (obj_int(claims, "nbf", 0) > now_s + CLOCK_SKEW_S)
        return denied(err, "the token is not valid yet");
    if (!is_there(tokens, "serviceaccounts", ns, obj_str(bound, "serviceaccount.name", ""),
                  obj_str(bound, "serviceaccount.uid", "")))
        return denied(err, "the token's service account is gone");
    if (pod != NULL && !is_there(tokens, "pods", ns, pod, obj_str(bound, "pod.uid", "")))
        return denied(err, "the token's pod is gone");
    return 0;
}

/* Which of WANTED the token is for; ours if none is wanted. */
static json_t *match_audiences(const json_t *claims, const json_t *wanted)
{
    json_auto_t *own = obj_pack("[s]", TOKEN_ISSUER);
    const json_t *has = json_object_get(claims, "aud");
    json_t *matched = json_array();
    size_t i, j;
    json_t *a, *b;

    if (json_array_size(wanted) == 0)
        wanted = own;
    json_array_foreach(wanted, i, a) {
        json_array_foreach(has, j, b) {
            if (json_equal(a, b))
                json_array_append(matched, a);
        }
    }
    return matched;
}

static struct user *user_of(const json_t *claims)
{
    const json_t *bound = json_object_get(claims, "kubernetes.io");
    const char *ns = obj_str(bound, "namespace", "");
    const char *pod = obj_str(bound, "pod.name", NULL);
    struct user *user = user_new(obj_str(claims, "sub", ""));
    CLEANUP(str) char *ns_group = xasprintf("system:serviceaccounts:%s", ns);
    CLEANUP(str) char *id = xasprintf("JTI=%s", obj_str(claims, "jti", ""));

    user->uid = xstrdup(obj_str(bound, "serviceaccount.uid", ""));
    user_add_group(user, "system:serviceaccounts");
    user_add_group(user, ns_group);
    user_add_group(user, GROUP_AUTHENTICATED);
    user->extra = json_object();
    json_object_set_new(user->extra, "authentication.kubernetes.io/credential-id",
                        obj_pack("[s]", id));
    if (pod != NULL) {
        json_object_set_new(user->extra, "authentication.kubernetes.io/pod-name",
                            obj_pack("[s]", pod));
        json_object_set_new(user->extra, "authentication.kubernetes.io/pod-uid",
                            obj_pack("[s]", obj_str(bound, "pod.uid", "")));
    }
    return user;
}

static struct user *admin_user(void)
{
    struct user *user = user_new("gantry-admin");

    user_add_group(user, GROUP_MASTERS);
    user_add_group(user, GROUP_AUTHENTICATED);
    return user;
}

struct user *tokens_check(struct tokens *tokens, const char *token, const json_t *audiences,
                          json_t **matched, struct error **err)
{
    size_t len = strlen(token);

    if (len > TOKEN_MAX_BYTES) {
        error_set(err, ERROR_DENIED, "the token is longer than %d bytes", TOKEN_MAX_BYTES);
        return NULL;
    }
    bool is_admin = secret_eq(tokens->admin, token, len);
    json_auto_t *claims = is_admin ? obj_pack("{s:[s]}", "aud", TOKEN_ISSUER)
                                   : cached_claims(tokens, token, err);
    if (claims == NULL || (!is_admin && check_claims(tokens, claims, err) == -1))
        return NULL;
    json_auto_t *good_for = match_audiences(claims, audiences);
    if (json_array_size(good_for) == 0) {
        denied(err, "the token is for another audience");
        return NULL;
    }
    if (matched != NULL)
        *matched = json_incref(good_for);
    return is_admin ? admin_user() : user_of(claims);
}
