/* The certificate that a server shows: its thumbprint, and servers that are known by one.
 *
 * May use: base.  Threads: a pin belongs to one connection attempt at a time.
 */
#pragma once

#include <stddef.h>

struct error;

enum {
    PIN_SHA1_TEXT = 60, /* "AA:BB:..." of 20 bytes, and a NUL */
    PIN_MAX = 32,       /* bytes of a SHA-256 */
};

struct pin {
    unsigned char want[PIN_MAX];
    size_t want_len;          /* 20: SHA-1, 32: SHA-256, 0: the usual rules decide */
    char seen[PIN_SHA1_TEXT]; /* of the last handshake; "" before */
};

/* Reads a SHA-1 or SHA-256 in hexadecimal, with or without colons. */
int pin_parse(const char *text, struct pin *pin, struct error **err);

/* Makes handshakes of SSL_CTX, an OpenSSL context, note what the server shows, and accept only it
 * if the pin wants something.  PIN must outlive the context. */
void pin_install(void *ssl_ctx, struct pin *pin);
