/* Sealing of data at rest, digests and signatures.
 *
 * May use: base, data.  Threads: no shared state; keys are frozen.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct crypto_key;
struct error;

enum {
    CRYPTO_KEY_SIZE = 32,      /* AES-256 */
    CRYPTO_SEAL_OVERHEAD = 28, /* nonce and tag */
    CRYPTO_SHA256_SIZE = 32,
    CRYPTO_SHA1_SIZE = 20,
    CRYPTO_SIGNATURE_SIZE = 64, /* ES256 as JSON Web Signatures have it: r, s */
};

/* Appends nonce, ciphertext and tag (AES-256-GCM) of LEN bytes to OUT; bound to CONTEXT, which
 * must be the same when opening. */
int crypto_seal(const unsigned char key[CRYPTO_KEY_SIZE], const char *context, const void *data,
                size_t len, struct buf *out, struct error **err);

/* The reverse.  Wrong key, context or changed bytes: ERROR_CORRUPT. */
int crypto_open(const unsigned char key[CRYPTO_KEY_SIZE], const char *context, const void *sealed,
                size_t len, struct buf *out, struct error **err);

void crypto_sha256(const void *data, size_t len, unsigned char digest[CRYPTO_SHA256_SIZE]);
/* For the WebSocket handshake, which wants it; protects nothing. */
void crypto_sha1(const void *data, size_t len, unsigned char digest[CRYPTO_SHA1_SIZE]);

/* A P-256 key pair from PATH, made with mode 0600 unless it is there. */
struct crypto_key *crypto_key_load(const char *path, struct error **err);
void crypto_key_free(struct crypto_key *key);

int crypto_sign(const struct crypto_key *key, const void *data, size_t len,
                unsigned char signature[CRYPTO_SIGNATURE_SIZE], struct error **err);
bool crypto_verify(const struct crypto_key *key, const void *data, size_t len,
                   const unsigned char signature[CRYPTO_SIGNATURE_SIZE]);

/* The public point's coordinates, for a JSON Web Key. */
int crypto_key_point(const struct crypto_key *key, unsigned char x[32], unsigned char y[32],
                     struct error **err);

DEFINE_CLEANUP(crypto_key, struct crypto_key *, crypto_key_free)
