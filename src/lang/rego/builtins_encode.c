#include "lang/rego/builtins_table.h"

#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

enum { RESULT_MAX = 64 * 1024 * 1024 };

static const struct rval *finish(struct builtin_call *call, struct buf *out)
{
    if (out->full)
        return builtin_fail(call, "the result is too long");
    return rval_string(call->arena, out->ptr, out->len);
}

/* --- base64 ----------------------------------------------------------------------------------- */

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static const struct rval *encode(struct builtin_call *call, const struct rval *v,
                                 const char *letters, bool pad)
{
    CLEANUP(buf) struct buf out = BUF_INIT(RESULT_MAX);
    const unsigned char *p = (const unsigned char *)v->string;
    for (uint32_t i = 0; i < v->len; i += 3) {
        uint32_t left = v->len - i;
        uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                        (left > 2 ? p[i + 2] : 0);
        for (uint32_t k = 0; k < 4; k++) {
            if (k <= left)
                buf_add_char(&out, letters[bits >> (18 - 6 * k) & 63]);
            else if (pad)
                buf_add_char(&out, '=');
        }
    }
    return finish(call, &out);
}

/* False if TEXT is not base64 in these letters; padding must be right or, if BARE, may be absent.
 */
static bool decode(const struct rval *v, const char *letters, bool bare, struct buf *out)
{
    uint32_t len = v->len, pads = 0;
    while (pads < 2 && len > 0 && v->string[len - 1] == '=') {
        len--;
        pads++;
    }
    if (len % 4 == 1 || ((pads > 0 || !bare) && (len + pads) % 4 != 0))
        return false;
    uint32_t bits = 0;
    for (uint32_t i = 0; i < len; i++) {
        const char *at = v->string[i] != '\0' ? strchr(letters, v->string[i]) : NULL;
        if (at == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(at - letters);
        if (i % 4 == 3) {
            buf_add_char(out, (char)(bits >> 16));
            buf_add_char(out, (char)(bits >> 8));
            buf_add_char(out, (char)bits);
            bits = 0;
        }
    }
    if (len % 4 == 2)
        buf_add_char(out, (char)(bits >> 4));
    if (len % 4 == 3) {
        buf_add_char(out, (char)(bits >> 10));
        buf_add_char(out, (char)(bits >> 2));
    }
    return true;
}

/* Rego's texts are UTF-8: other bytes become U+FFFD, as OPA prints them. */
static const struct rval *decoded_text(struct builtin_call *call, struct buf *raw)
{
    CLEANUP(buf) struct buf out = BUF_INIT(RESULT_MAX);
    if (utf8_is_valid(raw->ptr, raw->len))
        return finish(call, raw);
    for (size_t i = 0; i < raw->len;) {
        size_t n = 1;
        while (n <= 4 && i + n <= raw->len && !utf8_is_valid(raw->ptr + i, n))
            n++;
        if (n <= 4 && i + n <= raw->len) {
            buf_append(&out, raw->ptr + i, n);
            i += n;
        } else {
            buf_add(&out, "\xef\xbf\xbd");
            i++;
        }
    }
    return finish(call, &out);
}

BUILTIN(base64_encode_text)
{
    return encode(call, args[0], standard, true);
}

BUILTIN(base64url_encode_text)
{
    return encode(call, args[0], url_safe, true);
}

BUILTIN(base64url_encode_bare)
{
    return encode(call, args[0], url_safe, false);
}

BUILTIN(base64_decode_text)
{
    CLEANUP(buf) struct buf raw = BUF_INIT(RESULT_MAX);
    if (!decode(args[0], standard, false, &raw))
        return builtin_fail(call, "illegal base64 data");
    return decoded_text(call, &raw);
}

BUILTIN(base64url_decode_text)
{
    CLEANUP(buf) struct buf raw = BUF_INIT(RESULT_MAX);
    if (!decode(args[0], url_safe, true, &raw))
        return builtin_fail(call, "illegal base64 data");
    return decoded_text(call, &raw);
}

BUILTIN(base64_is_valid_text)
{
    CLEANUP(buf) struct buf raw = BUF_INIT(RESULT_MAX);
    return rval_bool(decode(args[0], standard, false, &raw));
}

/* --- hex -------------------------------------------------------------------------------------- */

static const struct rval *hex_of(struct builtin_call *call, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *text = (char *)arena_alloc(call->arena, 2 * len + 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = ((const unsigned char *)data)[i];
        text[2 * i] = digits[c >> 4];
        text[2 * i + 1] = digits[c & 15];
    }
    text[2 * len] = '\0';
    return rval_string_borrow(call->arena, text, 2 * len);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

BUILTIN(hex_encode_text)
{
    return hex_of(call, args[0]->string, args[0]->len);
}

BUILTIN(hex_decode_text)
{
    CLEANUP(buf) struct buf raw = BUF_INIT(RESULT_MAX);
    const struct rval *v = args[0];
    for (uint32_t i = 0; i < v->len; i += 2) {
        int high = hex_digit(v->string[i]);
        int low = i + 1 < v->len ? hex_digit(v->string[i + 1]) : -1;
        if (high < 0 || low < 0)
            return builtin_fail(call, "encoding/hex: invalid text");
        buf_add_char(&raw, (char)(high << 4 | low));
    }
    return decoded_text(call, &raw);
}

/* --- query strings ---------------------------------------------------------------------------- */

static void escape(struct buf *out, const struct rval *v)
{
    for (uint32_t i = 0; i < v->len; i++) {
        unsigned char c = (unsigned char)v->string[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain)
            buf_add_char(out, (char)c);
        else if (c == ' ')
            buf_add_char(out, '+');
        else
            buf_printf(out, "%%%02X", c);
    }
}

static bool unescape(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%') {
            buf_add_char(out, text.ptr[i] == '+' ? ' ' : text.ptr[i]);
            continue;
        }
        int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        buf_add_char(out, (char)(high << 4 | low));
        i += 2;
    }
    return true;
}

BUILTIN(urlquery_encode)
{
    CLEANUP(buf) struct buf out = BUF_INIT(RESULT_MAX);
    escape(&out, args[0]);
    return finish(call, &out);
}

BUILTIN(urlquery_decode)
{
    CLEANUP(buf) struct buf out = BUF_INIT(RESULT_MAX);
    if (!unescape(&out, (struct span){args[0]->string, args[0]->len}))
        return builtin_fail(call, "invalid URL escape");
    return decoded_text(call, &out);
}

static bool add_query(struct buf *out, const struct rval *key, const struct rval *value)
{
    if (value->type != RVAL_STRING)
        return false;
    if (out->len > 0)
        buf_add_char(out, '&');
    escape(out, key);
    buf_add_char(out, '=');
    escape(out, value);
    return true;
}

BUILTIN(urlquery_encode_object)
{
    CLEANUP(buf) struct buf out = BUF_INIT(RESULT_MAX);
    for (uint32_t i = 0; i < args[0]->len; i++) {
        const struct rval *key = args[0]->pairs[i].key, *value = args[0]->pairs[i].value;
        bool ok = key->type == RVAL_STRING;
        if (ok && (value->type == RVAL_ARRAY || value->type == RVAL_SET))
            for (uint32_t k = 0; k < value->len && ok; k++)
                ok = add_query(&out, key, value->items[k]);
        else
            ok = ok && add_query(&out, key, value);
        if (!ok)
            return builtin_type_fail(call, "operand 1 values must be string, array of strings or "
                                           "set of strings");
    }
    return finish(call, &out);
}

BUILTIN(urlquery_decode_object)
{
    struct rval_pair_list pairs = {0};
    struct span rest = {args[0]->string, args[0]->len}, part;
    while (rest.len > 0 && span_split(&rest, '&', &part)) {
        CLEANUP(buf) struct buf key = BUF_INIT(RESULT_MAX);
        CLEANUP(buf) struct buf value = BUF_INIT(RESULT_MAX);
        struct span name;
        if (part.len == 0)
            continue;
        struct span text = part;
        span_split(&text, '=', &name);
        if (memchr(part.ptr, '=', part.len) == NULL)
            text = SPAN("");
        if (!unescape(&key, name) || !unescape(&value, text))
            return builtin_fail(call, "invalid URL escape");
        const struct rval *key_value = rval_string(call->arena, key.ptr, key.len);
        size_t i = 0;
        while (i < pairs.len && !rval_eq(pairs.ptr[i].key, key_value))
            i++;
        struct rval_list list = {0};
        for (uint32_t k = 0; i < pairs.len && k < pairs.ptr[i].value->len; k++)
            rval_list_push(call->arena, &list, pairs.ptr[i].value->items[k]);
        rval_list_push(call->arena, &list, rval_string(call->arena, value.ptr, value.len));
        if (i == pairs.len)
            rval_pair_list_push(call->arena, &pairs, key_value, NULL);
        pairs.ptr[i].value = rval_array(call->arena, list.ptr, list.len);
    }
    return rval_object(call->arena, pairs.ptr, pairs.len);
}

/* --- digests ---------------------------------------------------------------------------------- */

#define BYTES(v) (v)->len, (const uint8_t *)(v)->string

#define DIGEST(name, kind, size)                                                                   \
    BUILTIN(crypto_##name)                                                                         \
    {                                                                                              \
        struct kind##_ctx ctx;                                                                     \
        uint8_t digest[size];                                                                      \
        kind##_init(&ctx);                                                                         \
        kind##_update(&ctx, BYTES(args[0]));                                                       \
        kind##_digest(&ctx, size, digest);                                                         \
        return hex_of(call, digest, size);                                                         \
    }
DIGEST(md5, md5, MD5_DIGEST_SIZE)
DIGEST(sha1, sha1, SHA1_DIGEST_SIZE)
DIGEST(sha256, sha256, SHA256_DIGEST_SIZE)

#define HMAC(kind, size)                                                                           \
    BUILTIN(crypto_hmac_##kind)                                                                    \
    {                                                                                              \
        struct hmac_##kind##_ctx ctx;                                                              \
        uint8_t digest[size];                                                                      \
        hmac_##kind##_set_key(&ctx, BYTES(args[1]));                                               \
        hmac_##kind##_update(&ctx, BYTES(args[0]));                                                \
        hmac_##kind##_digest(&ctx, size, digest);                                                  \
        return hex_of(call, digest, size);                                                         \
    }
HMAC(md5, MD5_DIGEST_SIZE)
HMAC(sha1, SHA1_DIGEST_SIZE)
HMAC(sha256, SHA256_DIGEST_SIZE)
HMAC(sha512, SHA512_DIGEST_SIZE)

BUILTIN(crypto_hmac_equal)
{
    unsigned char different = args[0]->len != args[1]->len;
    for (uint32_t i = 0; i < args[0]->len && i < args[1]->len; i++)
        different |= (unsigned char)(args[0]->string[i] ^ args[1]->string[i]);
    return rval_bool(different == 0);
}
