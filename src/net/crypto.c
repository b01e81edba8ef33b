#include "net/crypto.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE_SIZE = 12, TAG_SIZE = 16, MAX_KEY_FILE = 16 * 1024, MAX_DER_SIGNATURE = 80 };

struct crypto_key {
    EVP_PKEY *pkey;
};

static void cleanup_cipher(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}

static void cleanup_digest(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

static int crypto_error(struct error **err, const char *what)
{
    char text[256];

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return error_set(err, ERROR_BUG, "%s: %s", what, text);
}

int crypto_seal(const unsigned char key[CRYPTO_KEY_SIZE], const char *context, const void *data,
                size_t len, struct buf *out, struct error **err)
{
    CLEANUP(cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    if (len > INT_MAX - CRYPTO_SEAL_OVERHEAD)
        return error_set(err, ERROR_INVALID, "%zu bytes are too many to seal", len);
    unsigned char *to = (unsigned char *)buf_reserve(out, len + CRYPTO_SEAL_OVERHEAD);
    if (to == NULL)
        return error_set(err, ERROR_INVALID, "%zu bytes are too many to seal", len);

    random_bytes(to, NONCE_SIZE);
    if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, to) != 1 ||
        EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)context, (int)strlen(context)) !=
            1 ||
        EVP_EncryptUpdate(ctx, to + NONCE_SIZE, &n, data, (int)len) != 1 ||
        EVP_EncryptFinal_ex(ctx, to + NONCE_SIZE + n, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, to + NONCE_SIZE + len) != 1)
        return crypto_error(err, "cannot seal data");
    buf_extend(out, len + CRYPTO_SEAL_OVERHEAD);
    return 0;
}

int crypto_open(const unsigned char key[CRYPTO_KEY_SIZE], const char *context, const void *sealed,
                size_t len, struct buf *out, struct error **err)
{
    CLEANUP(cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const unsigned char *from = sealed;
    unsigned char tag[TAG_SIZE];
    int n = 0;

    if (len < CRYPTO_SEAL_OVERHEAD || len > INT_MAX)
        return error_set(err, ERROR_CORRUPT, "sealed data of %zu bytes", len);
    size_t plain_len = len - CRYPTO_SEAL_OVERHEAD;
    unsigned char *to = (unsigned char *)buf_reserve(out, plain_len + 1);
    if (to == NULL)
        return error_set(err, ERROR_INVALID, "sealed data of %zu bytes is too large", len);

    memcpy(tag, from + NONCE_SIZE + plain_len, TAG_SIZE);
    if (ctx == NULL || EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, from) != 1 ||
        EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)context, (int)strlen(context)) !=
            1 ||
        EVP_DecryptUpdate(ctx, to, &n, from + NONCE_SIZE, (int)plain_len) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) != 1)
        return crypto_error(err, "cannot open sealed data");
    if (EVP_DecryptFinal_ex(ctx, to + n, &n) != 1) {
        ERR_clear_error();
        return error_set(err, ERROR_CORRUPT, "sealed data was changed or the key is another one");
    }
    buf_extend(out, plain_len);
    return 0;
}

void crypto_sha256(const void *data, size_t len, unsigned char digest[CRYPTO_SHA256_SIZE])
{
    SHA256(data, len, digest);
}

void crypto_sha1(const void *data, size_t len, unsigned char digest[CRYPTO_SHA1_SIZE])
{
    SHA1(data, len, digest);
}

static int make_key(const char *path, struct error **err)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data = NULL;
    int result = -1;

    if (pkey == NULL || bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1) {
        crypto_error(err, "cannot make a key");
    } else {
        long len = BIO_get_mem_data(bio, &data);
        result = file_write(path, data, (size_t)len, 0600, err);
    }
    BIO_free_all(bio);
    EVP_PKEY_free(pkey);
    return result;
}

struct crypto_key *crypto_key_load(const char *path, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (!file_exists(path) && make_key(path, err) == -1)
        return NULL;
    if (file_read(path, MAX_KEY_FILE, &text, &len, err) == -1)
        return NULL;
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free_all(bio);
    if (pkey == NULL || EVP_PKEY_get_bits(pkey) != 256) {
        ERR_clear_error();
        EVP_PKEY_free(pkey);
        error_set(err, ERROR_CORRUPT, "\"%s\" is not a P-256 key", path);
        return NULL;
    }
    struct crypto_key *key = xmalloc(sizeof(*key));
    key->pkey = pkey;
    return key;
}

void crypto_key_free(struct crypto_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

int crypto_sign(const struct crypto_key *key, const void *data, size_t len,
                unsigned char signature[CRYPTO_SIGNATURE_SIZE], struct error **err)
{
    CLEANUP(digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char der[MAX_DER_SIGNATURE];
    const unsigned char *p = der;
    size_t der_len = sizeof(der);

    if (ctx == NULL || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) != 1 ||
        EVP_DigestSign(ctx, der, &der_len, data, len) != 1)
        return crypto_error(err, "cannot sign");
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &p, (long)der_len);
    if (pair == NULL)
        return crypto_error(err, "cannot sign");
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, CRYPTO_SIGNATURE_SIZE / 2);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + CRYPTO_SIGNATURE_SIZE / 2,
                 CRYPTO_SIGNATURE_SIZE / 2);
    ECDSA_SIG_free(pair);
    return 0;
}

bool crypto_verify(const struct crypto_key *key, const void *data, size_t len,
                   const unsigned char signature[CRYPTO_SIGNATURE_SIZE])
{
    CLEANUP(digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    enum { HALF = CRYPTO_SIGNATURE_SIZE / 2 };
    unsigned char *der = NULL;

    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, HALF, NULL), *s = BN_bin2bn(signature + HALF, HALF, NULL);
    if (pair == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return false;
    }
    int der_len = i2d_ECDSA_SIG(pair, &der);
    bool ok = ctx != NULL && der_len > 0 &&
              EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
              EVP_DigestVerify(ctx, der, (size_t)der_len, data, len) == 1;
    ERR_clear_error();
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    return ok;
}

int crypto_key_point(const struct crypto_key *key, unsigned char x[32], unsigned char y[32],
                     struct error **err)
{
    BIGNUM *bx = NULL, *by = NULL;
    bool ok = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, &bx) == 1 &&
              EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &by) == 1 &&
              BN_bn2binpad(bx, x, 32) == 32 && BN_bn2binpad(by, y, 32) == 32;

    BN_free(bx);
    BN_free(by);
    return ok ? 0 : crypto_error(err, "cannot read a public key");
}
