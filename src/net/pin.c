#include "net/pin.h"

#include "base/error.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SHA1_SIZE = 20, SHA256_SIZE = 32 };

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int pin_parse(const char *text, struct pin *pin, struct error **err)
{
    unsigned char bytes[PIN_MAX];
    size_t len = 0;

    for (const char *p = text; *p != '\0'; p += 2) {
        if (*p == ':' && len > 0)
            p++;
        int high = digit_of(p[0]);
        int low = high == -1 ? -1 : digit_of(p[1]);
        if (low == -1 || len == PIN_MAX)
            return error_set(err, ERROR_INVALID,
                             "\"%s\" is not a thumbprint: SHA-1 or SHA-256 in hexadecimal", text);
        bytes[len++] = (unsigned char)(high * 16 + low);
    }
    if (len != SHA1_SIZE && len != SHA256_SIZE)
        return error_set(err, ERROR_INVALID,
                         "a thumbprint of %zu bytes; SHA-1 has 20, SHA-256 has 32", len);
    memcpy(pin->want, bytes, len);
    pin->want_len = len;
    return 0;
}

static void note_seen(struct pin *pin, const X509 *cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    X509_digest(cert, EVP_sha1(), digest, &len);
    for (unsigned i = 0; i < len && i < SHA1_SIZE; i++)
        snprintf(pin->seen + (size_t)i * 3, 4, i + 1 < len ? "%02X:" : "%02X", digest[i]);
}

static bool is_wanted(const struct pin *pin, const X509 *cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const EVP_MD *kind = pin->want_len == SHA1_SIZE ? EVP_sha1() : EVP_sha256();

    return X509_digest(cert, kind, digest, &len) == 1 && len == pin->want_len &&
           memcmp(digest, pin->want, len) == 0;
}

/* Called instead of OpenSSL's check of the chain. */
static int verify(X509_STORE_CTX *store, void *arg)
{
    struct pin *pin = arg;
    const X509 *cert = X509_STORE_CTX_get0_cert(store);

    if (cert == NULL)
        return 0;
    note_seen(pin, cert);
    if (pin->want_len == 0)
        return X509_verify_cert(store);
    if (is_wanted(pin, cert))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

void pin_install(void *ssl_ctx, struct pin *pin)
{
    SSL_CTX_set_cert_verify_callback(ssl_ctx, verify, pin);
}
