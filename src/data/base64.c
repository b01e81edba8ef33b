#include "data/base64.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
    const uint8_t *in = data;
    char *out = xmalloc(len / 3 * 4 + 5);
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t three = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (left > 2 ? in[i + 2] : 0);

        out[n++] = alphabet[three >> 18];
        out[n++] = alphabet[three >> 12 & 63];
        out[n++] = left > 1 ? alphabet[three >> 6 & 63] : '=';
        out[n++] = left > 2 ? alphabet[three & 63] : '=';
    }
    out[n] = '\0';
    return out;
}

static int value_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);

    return at == NULL ? -1 : (int)(at - alphabet);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int base64_decode(const char *text, size_t len, char **data, size_t *data_len, struct error **err)
{
    char *out = xmalloc(len / 4 * 3 + 4);
    size_t n = 0;
    uint32_t bits = 0;
    unsigned count = 0, padding = 0;

    for (size_t i = 0; i < len; i++) {
        if (is_space(text[i]))
            continue;
        int value = value_of(text[i]);
        if (text[i] == '=' && count >= 2 && padding < 4 - count) {
            padding++;
            continue;
        }
        if (value == -1 || padding > 0) {
            free(out);
            return error_set(err, ERROR_INVALID, "not base64 at character %zu", i + 1);
        }
        bits = bits << 6 | (uint32_t)value;
        if (++count == 4) {
            out[n++] = (char)(bits >> 16);
            out[n++] = (char)(bits >> 8 & 255);
            out[n++] = (char)(bits & 255);
            bits = count = 0;
        }
    }
    if (count == 1 || (padding > 0 && padding + count != 4)) {
        free(out);
        return error_set(err, ERROR_INVALID, "base64 text ends too early");
    }
    if (count >= 2)
        out[n++] = (char)(bits >> (count == 2 ? 4 : 10) & 255);
    if (count == 3)
        out[n++] = (char)(bits >> 2 & 255);
    out[n] = '\0';
    *data = out;
    *data_len = n;
    return 0;
}
