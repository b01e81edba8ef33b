#include "net/websocket.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/base64.h"
#include "net/crypto.h"
#include "net/http_server.h"

#include <string.h>
#include <strings.h>

#define HANDSHAKE_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static bool is_known_opcode(unsigned opcode)
{
    return opcode <= WEBSOCKET_BINARY || (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
}

/* The payload's length and where the mask begins; 0: not there yet. */
static size_t read_length(const unsigned char *p, size_t len, uint64_t *payload)
{
    *payload = p[1] & 0x7f;
    if (*payload < 126)
        return 2;
    size_t bytes = *payload == 126 ? 2 : 8;
    if (len < 2 + bytes)
        return 0;
    *payload = 0;
    for (size_t i = 0; i < bytes; i++)
        *payload = *payload << 8 | p[2 + i];
    return 2 + bytes;
}

int websocket_parse(char *text, size_t len, struct websocket_frame *frame, size_t *consumed,
                    struct error **err)
{
    const unsigned char *p = (const unsigned char *)text;
    uint64_t payload = 0;

    *consumed = 0;
    if (len < 2)
        return 0;
    if ((p[0] & 0x70) != 0 || !is_known_opcode(p[0] & 0x0f))
        return error_set(err, ERROR_INVALID, "frame of an unknown kind");
    if ((p[1] & 0x80) == 0)
        return error_set(err, ERROR_INVALID, "frame without a mask");
    size_t mask_at = read_length(p, len, &payload);
    if (payload > WEBSOCKET_MAX_FRAME)
        return error_set(err, ERROR_INVALID, "frame larger than %d bytes", WEBSOCKET_MAX_FRAME);
    if (mask_at == 0 || len < mask_at + 4 + payload)
        return 0;

    char *data = text + mask_at + 4;
    for (size_t i = 0; i < payload; i++)
        data[i] = (char)(data[i] ^ text[mask_at + i % 4]);
    *frame = (struct websocket_frame){
        .is_final = (p[0] & 0x80) != 0,
        .opcode = (enum websocket_opcode)(p[0] & 0x0f),
        .data = data,
        .len = (size_t)payload,
    };
    *consumed = mask_at + 4 + (size_t)payload;
    return 0;
}

static bool offers(const char *list, const char *protocol)
{
    struct span rest = span_of(list), part;

    while (span_split(&rest, ',', &part))
        if (span_eq_str(span_trim(part), protocol))
            return true;
    return false;
}

bool websocket_accept(const struct http_request *request, struct http_response *response,
                      const char *const *protocols, const char **protocol)
{
    const char *upgrade = http_request_header(request, "Upgrade");
    const char *key = http_request_header(request, "Sec-WebSocket-Key");
    const char *offered = http_request_header(request, "Sec-WebSocket-Protocol");
    unsigned char digest[CRYPTO_SHA1_SIZE];

    const char *chosen = NULL;

    for (size_t i = 0; protocols != NULL && protocols[i] != NULL && chosen == NULL; i++)
        if (offers(offered, protocols[i]))
            chosen = protocols[i];
    if (protocol != NULL)
        *protocol = chosen;
    if (upgrade == NULL || strcasecmp(upgrade, "websocket") != 0 || key == NULL ||
        (protocols != NULL && chosen == NULL))
        return false;

    CLEANUP(str) char *text = xasprintf("%s" HANDSHAKE_GUID, key);
    crypto_sha1(text, strlen(text), digest);
    CLEANUP(str) char *accept = base64_encode(digest, sizeof(digest));
    http_response_add_header(response, "Upgrade", "websocket");
    http_response_add_header(response, "Connection", "Upgrade");
    http_response_add_header(response, "Sec-WebSocket-Accept", accept);
    if (chosen != NULL)
        http_response_add_header(response, "Sec-WebSocket-Protocol", chosen);
    return http_response_upgrade(response);
}

bool websocket_send(struct http_response *response, enum websocket_opcode opcode, const void *data,
                    size_t len)
{
    CLEANUP(buf) struct buf frame = BUF_INIT(WEBSOCKET_MAX_FRAME + 16);

    buf_add_char(&frame, (char)(0x80 | opcode));
    if (len < 126) {
        buf_add_char(&frame, (char)len);
    } else if (len < 65536) {
        const char head[3] = {126, (char)(len >> 8), (char)len};
        buf_append(&frame, head, sizeof(head));
    } else {
        char head[9] = {127};
        for (int i = 0; i < 8; i++)
            head[1 + i] = (char)((uint64_t)len >> (56 - 8 * i));
        buf_append(&frame, head, sizeof(head));
    }
    buf_append(&frame, data, len);
    return !frame.full && http_response_write_raw(response, frame.ptr, frame.len);
}
