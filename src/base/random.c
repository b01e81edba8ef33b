#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *data, size_t len)
{
    unsigned char *to = data;

    while (len > 0) {
        ssize_t got = getrandom(to, len, 0);

        if (got == -1) {
            if (errno == EINTR)
                continue;
            perror("gantry: no random numbers");
            abort();
        }
        to += got;
        len -= (size_t)got;
    }
}

void random_name(char *text, size_t len)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";

    for (size_t i = 0; i < len; i++) {
        unsigned char byte;

        /* 243 is the largest multiple of 27 in a byte: no letter is likelier than another */
        do
            random_bytes(&byte, 1);
        while (byte >= 243);
        text[i] = alphabet[byte % 27];
    }
    text[len] = '\0';
}

char *random_uuid(char text[UUID_TEXT_SIZE])
{
    unsigned char b[16];

    random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(text, UUID_TEXT_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return text;
}
