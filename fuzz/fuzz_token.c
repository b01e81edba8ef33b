/* Bearer tokens.  The first byte tells what follows: 't' a token, which must never be good, or else its
 * claims, which are signed with the server's own key, as if that had leaked to somebody careless. */
#include "home.h"

#include "apiserver/tokens.h"
#include "base/text.h"
#include "data/base64.h"
#include "data/obj.h"
#include "net/crypto.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char *encode_url(const void *data, size_t len)
{
    char *text = base64_encode(data, len);

    for (char *p = text; *p != '\0'; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    text[strcspn(text, "=")] = '\0';
    return text;
}

/* A token that says CLAIMS, whatever that is. */
static char *sign(const char *claims, size_t len)
{
    static struct crypto_key *key;
    static char *key_of;
    static const char head[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
    CLEANUP(error) struct error *err = NULL;
    unsigned char signature[CRYPTO_SIGNATURE_SIZE];

    if (key == NULL || !str_eq(key_of, home_dir)) {
        CLEANUP(str) char *path = path_join(home_dir, "pki/sa.key");
        crypto_key_free(key);
        free(key_of);
        key_of = xstrdup(home_dir);
        if ((key = crypto_key_load(path, &err)) == NULL)
            abort();
    }
    CLEANUP(str) char *part1 = encode_url(head, sizeof(head) - 1);
    CLEANUP(str) char *part2 = encode_url(claims, len);
    CLEANUP(str) char *text = xasprintf("%s.%s", part1, part2);
    if (crypto_sign(key, text, strlen(text), signature, &err) == -1)
        abort();
    CLEANUP(str) char *part3 = encode_url(signature, sizeof(signature));
    return xasprintf("%s.%s", text, part3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    struct apiserver *server = home_get();

    if (len < 1)
        return 0;
    const char *rest = (const char *)data + 1;
    bool is_forged = data[0] == 't';
    CLEANUP(str) char *token = is_forged ? xstrndup(rest, len - 1) : sign(rest, len - 1);
    json_auto_t *matched = NULL;
    CLEANUP(user) struct user *user = tokens_check(server->tokens, token, NULL, &matched, &err);

    if (user == NULL ? err == NULL : is_forged || json_array_size(matched) == 0)
        __builtin_trap();
    return 0;
}
