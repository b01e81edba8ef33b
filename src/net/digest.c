#include "net/digest.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct digest {
    EVP_MD_CTX *context;
};

int digest_new(const char *name, struct digest **out, struct error **err)
{
    static const char *const names[] = {"sha1", "sha256", "sha512"};
    EVP_MD_CTX *context = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq(name, names[i]))
            context = EVP_MD_CTX_new();
    if (context == NULL) {
        error_set(err, ERROR_INVALID, "unknown digest \"%s\"", name);
        return error_hint(err, "sha1, sha256 or sha512");
    }
    if (EVP_DigestInit_ex(context, EVP_get_digestbyname(name), NULL) != 1) {
        EVP_MD_CTX_free(context);
        return error_set(err, ERROR_UNSUPPORTED, "OpenSSL does not provide \"%s\"", name);
    }
    *out = xcalloc(1, sizeof(**out));
    (*out)->context = context;
    return 0;
}

void digest_free(struct digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

void digest_add(struct digest *digest, const void *data, size_t len)
{
    EVP_DigestUpdate(digest->context, data, len); /* fails only without a started context */
}

char *digest_finish(struct digest *digest, char text[DIGEST_TEXT_SIZE])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    EVP_DigestFinal_ex(digest->context, bytes, &len);
    text[0] = '\0';
    for (unsigned i = 0; i < len; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", bytes[i]);
    return text;
}
