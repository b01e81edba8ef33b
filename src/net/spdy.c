/* Frames, all numbers big-endian:
 *
 *     control   1 | version 15 | type 16 | flags 8 | length 24 | ...
 *     data      0 | stream 31            | flags 8 | length 24 | ...
 *
 * Headers of a stream are a count and pairs of (length, text), deflated with a dictionary that both
 * sides know and one window for the whole connection. */
#include "net/spdy.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "net/http_server.h"

#define ZLIB_CONST
#include <zlib.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HEAD_BYTES = 8,
    VERSION = 3,
    FLAG_LAST = 1,
    ID_MASK = 0x7fffffff,
    REFUSED_STREAM = 3,
    DICTIONARY_BYTES = 1423,
    SMALL_WINDOW_BITS = 9, /* our own headers are empty */
};

enum type {
    TYPE_SYN_STREAM = 1,
    TYPE_SYN_REPLY = 2,
    TYPE_RST_STREAM = 3,
    TYPE_SETTINGS = 4,
    TYPE_PING = 6,
    TYPE_GOAWAY = 7,
    TYPE_HEADERS = 8,
    TYPE_WINDOW_UPDATE = 9,
};

/* The dictionary of SPDY/3: these words, each behind its length, and a tail of plain text. */
static const char words[] =
    "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|"
    "accept-ranges|age|allow|authorization|cache-control|connection|content-base|"
    "content-encoding|content-language|content-length|content-location|content-md5|"
    "content-range|content-type|date|etag|expect|expires|from|host|if-match|if-modified-since|"
    "if-none-match|if-range|if-unmodified-since|last-modified|location|max-forwards|pragma|"
    "proxy-authenticate|proxy-authorization|range|referer|retry-after|server|te|trailer|"
    "transfer-encoding|upgrade|user-agent|vary|via|warning|www-authenticate|method|get|status|"
    "200 OK|version|HTTP/1.1|url|public|set-cookie|keep-alive|origin";
static const char tail[] =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
    "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

struct spdy {
    struct buf dictionary;
    z_stream inflater, deflater;
    uint32_t last_opened;
    char block[SPDY_MAX_HEADERS]; /* the headers parsed last */
    struct {
        struct span name, value;
    } pairs[SPDY_MAX_PAIRS];
    size_t pair_count;
};

/* --- Numbers -------------------------------------------------------------------------------------
 */

static uint32_t read_number(const char *data, size_t bytes)
{
    uint32_t number = 0;

    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | (unsigned char)data[i];
    return number;
}

static void add_number(struct buf *out, uint32_t number, size_t bytes)
{
    for (size_t i = bytes; i > 0; i--)
        buf_add_char(out, (char)(unsigned char)(number >> (8 * (i - 1))));
}

/* --- Compression
 * ----------------------------------------------------------------------------------- */

static void fill_dictionary(struct buf *dictionary)
{
    struct span rest = span_of(words), word;

    while (span_split(&rest, '|', &word)) {
        add_number(dictionary, (uint32_t)word.len, 4);
        buf_add_span(dictionary, word);
    }
    buf_add(dictionary, tail);
}

static const Bytef *dictionary_of(const struct spdy *spdy)
{
    return (const Bytef *)spdy->dictionary.ptr;
}

struct spdy *spdy_new(void)
{
    struct spdy *spdy = xcalloc(1, sizeof(*spdy));

    spdy->dictionary = BUF_INIT(DICTIONARY_BYTES);
    fill_dictionary(&spdy->dictionary);
    /* Both fail for want of memory only. */
    if (inflateInit(&spdy->inflater) != Z_OK ||
        deflateInit2(&spdy->deflater, Z_BEST_SPEED, Z_DEFLATED, SMALL_WINDOW_BITS, 1,
                     Z_DEFAULT_STRATEGY) != Z_OK ||
        deflateSetDictionary(&spdy->deflater, dictionary_of(spdy), DICTIONARY_BYTES) != Z_OK)
        abort();
    return spdy;
}

void spdy_free(struct spdy *spdy)
{
    if (spdy == NULL)
        return;
    inflateEnd(&spdy->inflater);
    deflateEnd(&spdy->deflater);
    buf_reset(&spdy->dictionary);
    free(spdy);
}

/* Decompresses the headers at DATA into spdy->block. */
static int inflate_headers(struct spdy *spdy, const char *data, size_t len, size_t *block_len,
                           struct error **err)
{
    z_stream *z = &spdy->inflater;

    z->next_in = (const Bytef *)data;
    z->avail_in = (uInt)len;
    z->next_out = (Bytef *)spdy->block;
    z->avail_out = sizeof(spdy->block);
    while (z->avail_in > 0) {
        int result = inflate(z, Z_SYNC_FLUSH);
        if (result == Z_NEED_DICT)
            result = inflateSetDictionary(z, dictionary_of(spdy), DICTIONARY_BYTES);
        if (z->avail_out == 0)
            return error_set(err, ERROR_INVALID, "headers of a stream of more than %d bytes",
                             SPDY_MAX_HEADERS);
        if (result != Z_OK)
            return error_set(err, ERROR_INVALID, "headers of a stream do not decompress");
    }
    *block_len = sizeof(spdy->block) - z->avail_out;
    return 0;
}

/* A length and that many bytes off *REST. */
static bool take_text(struct span *rest, struct span *text)
{
    if (rest->len < 4)
        return false;
    uint32_t len = read_number(rest->ptr, 4);
    if (len > rest->len - 4)
        return false;
    *text = (struct span){rest->ptr + 4, len};
    *rest = (struct span){rest->ptr + 4 + len, rest->len - 4 - len};
    return true;
}

static int parse_headers(struct spdy *spdy, const char *data, size_t len, struct error **err)
{
    size_t block_len = 0;

    spdy->pair_count = 0;
    if (len > SPDY_MAX_HEADERS)
        return error_set(err, ERROR_INVALID, "headers of a stream of more than %d bytes",
                         SPDY_MAX_HEADERS);
    if (inflate_headers(spdy, data, len, &block_len, err) == -1)
        return -1;
    struct span rest = {spdy->block, block_len};
    uint32_t count = rest.len < 4 ? UINT32_MAX : read_number(rest.ptr, 4);
    if (count > SPDY_MAX_PAIRS)
        return error_set(err, ERROR_INVALID, "a stream without a sound number of headers");
    rest = (struct span){rest.ptr + 4, rest.len - 4};
    for (uint32_t i = 0; i < count; i++)
        if (!take_text(&rest, &spdy->pairs[i].name) || !take_text(&rest, &spdy->pairs[i].value))
            return error_set(err, ERROR_INVALID, "header %" PRIu32 " of a stream is cut", i + 1);
    spdy->pair_count = count;
    return 0;
}

struct span spdy_header(const struct spdy *spdy, const char *name)
{
    for (size_t i = 0; i < spdy->pair_count; i++)
        if (span_eq_str(spdy->pairs[i].name, name))
            return spdy->pairs[i].value;
    return span_of(NULL);
}

/* --- Parsing
 * ----------------------------------------------------------------------------------------- */

static int fail_short(struct error **err, uint32_t type)
{
    return error_set(err, ERROR_INVALID, "frame of type %" PRIu32 " is too short", type);
}

static int parse_opened(struct spdy *spdy, const char *body, size_t len, struct spdy_frame *frame,
                        struct error **err)
{
    if (len < 10)
        return fail_short(err, TYPE_SYN_STREAM);
    frame->kind = SPDY_OPENED;
    frame->id = read_number(body, 4) & ID_MASK;
    if (frame->id % 2 == 0 || frame->id <= spdy->last_opened)
        return error_set(err, ERROR_INVALID, "a client may not open stream %" PRIu32, frame->id);
    spdy->last_opened = frame->id;
    return parse_headers(spdy, body + 10, len - 10, err);
}

static int parse_control(struct spdy *spdy, uint32_t type, const char *body, size_t len,
                         struct spdy_frame *frame, struct error **err)
{
    if (type == TYPE_SETTINGS || type == TYPE_WINDOW_UPDATE)
        return 0;
    if (type == TYPE_SYN_STREAM)
        return parse_opened(spdy, body, len, frame, err);
    if (len < 4)
        return fail_short(err, type);
    frame->id = read_number(body, 4) & ID_MASK;
    switch (type) {
    case TYPE_RST_STREAM:
        frame->kind = SPDY_RESET;
        return 0;
    case TYPE_PING:
        frame->kind = SPDY_PINGED;
        frame->id = read_number(body, 4);
        return 0;
    case TYPE_GOAWAY:
        frame->kind = SPDY_GOODBYE;
        return 0;
    case TYPE_SYN_REPLY:
    case TYPE_HEADERS: /* of no use to us, but of the window that all headers share */
        return parse_headers(spdy, body + 4, len - 4, err);
    default:
        return error_set(err, ERROR_INVALID, "frame of unknown type %" PRIu32, type);
    }
}

int spdy_parse(struct spdy *spdy, const char *data, size_t len, struct spdy_frame *frame,
               size_t *consumed, struct error **err)
{
    *consumed = 0;
    if (len < HEAD_BYTES)
        return 0;
    bool is_control = ((unsigned char)data[0] & 0x80) != 0;
    size_t body_len = read_number(data + 5, 3);
    if (body_len > SPDY_MAX_DATA)
        return error_set(err, ERROR_INVALID, "frame of %zu bytes; at most %d are taken", body_len,
                         SPDY_MAX_DATA);
    if (is_control && (read_number(data, 2) & 0x7fff) != VERSION)
        return error_set(err, ERROR_INVALID, "frame of an unknown version");
    if (len - HEAD_BYTES < body_len)
        return 0;

    *frame = (struct spdy_frame){
        .kind = is_control ? SPDY_NOTHING : SPDY_DATA,
        .id = read_number(data, 4) & ID_MASK,
        .is_last = ((unsigned char)data[4] & FLAG_LAST) != 0,
        .data = data + HEAD_BYTES,
        .len = body_len,
    };
    if (is_control && parse_control(spdy, read_number(data + 2, 2), data + HEAD_BYTES, body_len,
                                    frame, err) == -1)
        return -1;
    *consumed = HEAD_BYTES + body_len;
    return 0;
}

/* --- Formatting
 * -------------------------------------------------------------------------------------- */

static void add_control(struct buf *out, enum type type, size_t len)
{
    add_number(out, 0x8000 | VERSION, 2);
    add_number(out, type, 2);
    add_number(out, (uint32_t)len, 4); /* no flags: they are the upper byte */
}

void spdy_format_accept(struct spdy *spdy, uint32_t stream, struct buf *out)
{
    static const char no_headers[4] = {0};
    z_stream *z = &spdy->deflater;
    char block[64];

    z->next_in = (const Bytef *)no_headers;
    z->avail_in = sizeof(no_headers);
    z->next_out = (Bytef *)block;
    z->avail_out = sizeof(block);
    if (deflate(z, Z_SYNC_FLUSH) != Z_OK)
        abort(); /* four bytes that fit */
    size_t len = sizeof(block) - z->avail_out;
    add_control(out, TYPE_SYN_REPLY, 4 + len);
    add_number(out, stream, 4);
    buf_append(out, block, len);
}

void spdy_format_data(uint32_t stream, const void *data, size_t len, bool is_last, struct buf *out)
{
    add_number(out, stream, 4);
    buf_add_char(out, is_last ? FLAG_LAST : 0);
    add_number(out, (uint32_t)len, 3);
    buf_append(out, data, len);
}

void spdy_format_reset(uint32_t stream, struct buf *out)
{
    add_control(out, TYPE_RST_STREAM, 8);
    add_number(out, stream, 4);
    add_number(out, REFUSED_STREAM, 4);
}

void spdy_format_ping(uint32_t id, struct buf *out)
{
    add_control(out, TYPE_PING, 4);
    add_number(out, id, 4);
}

void spdy_format_goodbye(uint32_t last_stream, struct buf *out)
{
    add_control(out, TYPE_GOAWAY, 8);
    add_number(out, last_stream, 4);
    add_number(out, 0, 4);
}

/* --- The upgrade
 * --------------------------------------------------------------------------------------- */

/* Protocols are offered in one header, or in one each. */
static bool offers(const struct http_request *request, const char *protocol)
{
    struct span part;

    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, "X-Stream-Protocol-Version") != 0)
            continue;
        struct span rest = span_of(request->headers[i].value);
        while (span_split(&rest, ',', &part))
            if (span_eq_str(span_trim(part), protocol))
                return true;
    }
    return false;
}

bool spdy_accept(const struct http_request *request, struct http_response *response,
                 const char *const *protocols, const char **protocol)
{
    const char *upgrade = http_request_header(request, "Upgrade");

    if (upgrade == NULL || strcasecmp(upgrade, "SPDY/3.1") != 0)
        return false;
    for (; *protocols != NULL; protocols++)
        if (offers(request, *protocols))
            break;
    if (*protocols == NULL)
        return false;
    *protocol = *protocols;
    http_response_add_header(response, "Upgrade", "SPDY/3.1");
    http_response_add_header(response, "Connection", "Upgrade");
    http_response_add_header(response, "X-Stream-Protocol-Version", *protocol);
    return http_response_upgrade(response);
}
