/* The envelope is the four bytes "k8s" and NUL, then a message: 1 type {1 apiVersion, 2 kind},
 * 2 the object's bytes, 3 encoding, 4 content type.  The object is decoded by the tables; a field
 * that a table does not have is refused, so that nothing a user wrote is lost in silence. */
#include "kube/protobuf.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/base64.h"
#include "data/obj.h"
#include "kube/protobuf_tables.h"

#include <stdlib.h>
#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* A field as it stands in the bytes. */
struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value;    /* WIRE_VARINT */
    struct span bytes; /* WIRE_BYTES */
};

struct decoder {
    size_t values; /* decoded so far */
    struct error **err;
};

static int decode(struct decoder *d, const struct pb_message *message, struct span bytes,
                  json_t *to, unsigned depth);

static int broken(struct decoder *d, const char *what)
{
    return error_set(d->err, ERROR_INVALID, "protobuf body: %s", what);
}

static bool take_varint(struct span *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && in->len > 0; shift += 7) {
        unsigned char byte = (unsigned char)*in->ptr;

        in->ptr++;
        in->len--;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static int take_field(struct decoder *d, struct span *in, struct field *field)
{
    uint64_t tag, len = 0;

    if (!take_varint(in, &tag) || tag >> 3 == 0)
        return broken(d, "a field's tag cannot be read");
    if (++d->values > PROTOBUF_MAX_VALUES)
        return broken(d, "it has too many values");
    *field = (struct field){.number = tag >> 3, .wire = (enum wire)(tag & 7)};
    switch (tag & 7) {
    case WIRE_VARINT:
        return take_varint(in, &field->value) ? 0 : broken(d, "a number is cut off");
    case WIRE_64:
        len = 8;
        break;
    case WIRE_32:
        len = 4;
        break;
    case WIRE_BYTES:
        if (!take_varint(in, &len))
            return broken(d, "a length is cut off");
        break;
    default:
        return broken(d, "a field has an unknown wire type");
    }
    if (len > in->len)
        return broken(d, "a field is longer than what is left");
    field->bytes = (struct span){in->ptr, (size_t)len};
    in->ptr += len;
    in->len -= (size_t)len;
    return 0;
}

static json_t *text_value(struct decoder *d, struct span bytes)
{
    json_t *value = json_stringn(bytes.ptr, bytes.len);

    if (value == NULL || memchr(bytes.ptr, '\0', bytes.len) != NULL) {
        json_decref(value);
        broken(d, "text is not UTF-8 or has a NUL in it");
        return NULL;
    }
    return value;
}

static json_t *bytes_value(struct span bytes)
{
    CLEANUP(str) char *text = base64_encode(bytes.ptr, bytes.len);

    return json_string(text);
}

/* The fields of a small message by number; others are ignored. */
static int scan(struct decoder *d, struct span bytes, struct field *found, size_t count)
{
    while (bytes.len > 0) {
        struct field field;

        if (take_field(d, &bytes, &field) == -1)
            return -1;
        if (field.number < count)
            found[field.number] = field;
    }
    return 0;
}

static json_t *time_value(struct decoder *d, struct span bytes, bool is_micro)
{
    enum { MAX_SECONDS = 253402300799 / 1000 };
    struct field found[3] = {0};
    char text[TIME_TEXT_SIZE];

    if (scan(d, bytes, found, 3) == -1)
        return NULL;

    int64_t seconds = (int64_t)found[1].value;

    if (seconds < 0 || seconds / 1000 > MAX_SECONDS) {
        broken(d, "a time is out of range");
        return NULL;
    }

    int64_t ms = seconds * 1000 + (int64_t)(found[2].value % 1000000000) / 1000000;

    return json_string(is_micro ? time_format_micro(ms, text) : time_format(ms, text));
}

static json_t *int_or_text_value(struct decoder *d, struct span bytes)
{
    struct field found[4] = {0};

    if (scan(d, bytes, found, 4) == -1)
        return NULL;
    return found[1].value == 1 ? text_value(d, found[3].bytes)
                               : json_integer((int32_t)found[2].value);
}

static json_t *quantity_value(struct decoder *d, struct span bytes)
{
    struct field found[2] = {0};

    return scan(d, bytes, found, 2) == -1 ? NULL : text_value(d, found[1].bytes);
}

static int add_map_entry(struct decoder *d, enum pb_type type, struct span bytes, json_t *map)
{
    struct field found[3] = {0};

    if (scan(d, bytes, found, 3) == -1)
        return -1;

    json_auto_t *key = text_value(d, found[1].bytes);

    if (key == NULL)
        return -1;

    json_t *value = type == PB_MAP_BYTES      ? bytes_value(found[2].bytes)
                    : type == PB_MAP_QUANTITY ? quantity_value(d, found[2].bytes)
                                              : text_value(d, found[2].bytes);

    return value != NULL ? json_object_set_new(map, json_string_value(key), value) : -1;
}

static json_t *message_value(struct decoder *d, const struct pb_field *known, struct span bytes,
                             unsigned depth)
{
    json_t *value = json_object();

    if (decode(d, known->message, bytes, value, depth + 1) == 0)
        return value;
    json_decref(value);
    return NULL;
}

/* The value, or NULL with *absent set where nothing is meant, or NULL and an error. */
static json_t *value_of(struct decoder *d, const struct pb_field *known, const struct field *field,
                        unsigned depth, bool *absent)
{
    bool keeps_zero = (known->flags & (PB_OPTIONAL | PB_REPEATED)) != 0;
    bool wants_bytes = known->type != PB_INT && known->type != PB_BOOL;

    *absent = false;
    if ((field->wire == WIRE_BYTES) != wants_bytes ||
        (!wants_bytes && field->wire != WIRE_VARINT)) {
        broken(d, "a field has the wrong wire type");
        return NULL;
    }
    if (!keeps_zero &&
        (wants_bytes ? field->bytes.len == 0 && known->type != PB_MSG : field->value == 0)) {
        *absent = true;
        return NULL;
    }
    switch ((enum pb_type)known->type) {
    case PB_STR:
        return text_value(d, field->bytes);
    case PB_BYTES:
        return bytes_value(field->bytes);
    case PB_INT:
        return json_integer((json_int_t)field->value);
    case PB_BOOL:
        return json_boolean(field->value != 0);
    case PB_MSG:
        return message_value(d, known, field->bytes, depth);
    case PB_QUANTITY:
        return quantity_value(d, field->bytes);
    case PB_INT_OR_STR:
        return int_or_text_value(d, field->bytes);
    case PB_TIME:
    case PB_MICRO_TIME:
        return time_value(d, field->bytes, known->type == PB_MICRO_TIME);
    case PB_INLINE:
    case PB_MAP:
    case PB_MAP_BYTES:
    case PB_MAP_QUANTITY:
    case PB_SKIP:
        break;
    }
    *absent = true;
    return NULL;
}

static json_t *need_member(json_t *to, const char *name, json_t *(*make)(void))
{
    json_t *member = json_object_get(to, name);

    if (member == NULL) {
        member = make();
        json_object_set_new(to, name, member);
    }
    return member;
}

static int add_field(struct decoder *d, const struct pb_field *known, const struct field *field,
                     json_t *to, unsigned depth)
{
    bool absent;

    if (known->type == PB_SKIP)
        return 0;
    if (known->type == PB_INLINE)
        return decode(d, known->message, field->bytes, to, depth + 1);
    if (known->type == PB_MAP || known->type == PB_MAP_BYTES || known->type == PB_MAP_QUANTITY)
        return add_map_entry(d, (enum pb_type)known->type, field->bytes,
                             need_member(to, known->name, json_object));

    json_t *value = value_of(d, known, field, depth, &absent);

    if (value == NULL)
        return absent ? 0 : -1;
    if ((known->flags & PB_REPEATED) != 0)
        return json_array_append_new(need_member(to, known->name, json_array), value);
    return json_object_set_new(to, known->name, value);
}

static int decode(struct decoder *d, const struct pb_message *message, struct span bytes,
                  json_t *to, unsigned depth)
{
    if (depth > PROTOBUF_MAX_DEPTH)
        return broken(d, "it nests too deeply");
    while (bytes.len > 0) {
        struct field field;
        const struct pb_field *known = message->fields;

        if (take_field(d, &bytes, &field) == -1)
            return -1;
        while (known->number != 0 && known->number != field.number)
            known++;
        if (known->number == 0) {
            error_set(d->err, ERROR_UNSUPPORTED,
                      "protobuf body: field %llu of a %s is not supported",
                      (unsigned long long)field.number, message->name);
            return error_hint(d->err, "send it as JSON: add --dry-run=client -o yaml and pipe "
                                      "that into kubectl apply -f -");
        }
        if (add_field(d, known, &field, to, depth) == -1)
            return -1;
    }
    return 0;
}

static const struct pb_kind *find_kind(const json_t *api_version, const json_t *kind)
{
    for (const struct pb_kind *k = pb_kinds; k->kind != NULL; k++)
        if (str_eq(k->api_version, json_string_value(api_version)) &&
            str_eq(k->kind, json_string_value(kind)))
            return k;
    return NULL;
}

int protobuf_decode(const void *data, size_t len, json_t **out, struct error **err)
{
    struct decoder d = {.err = err};
    struct span bytes = {data, len};
    struct field envelope[5] = {0}, type[3] = {0};

    if (len < 4 || memcmp(data, "k8s", 4) != 0)
        return broken(&d, "it does not begin with k8s and a NUL");
    bytes.ptr += 4;
    bytes.len -= 4;
    if (scan(&d, bytes, envelope, 5) == -1 || scan(&d, envelope[1].bytes, type, 3) == -1)
        return -1;
    if (envelope[3].bytes.len > 0)
        return error_set(err, ERROR_UNSUPPORTED, "protobuf body: it has an encoding of its own");

    json_auto_t *api_version = text_value(&d, type[1].bytes);
    json_auto_t *kind = api_version != NULL ? text_value(&d, type[2].bytes) : NULL;

    if (kind == NULL)
        return -1;

    const struct pb_kind *known = find_kind(api_version, kind);

    if (known == NULL) {
        error_set(err, ERROR_UNSUPPORTED, "protobuf body: kind \"%s\" of \"%s\" is not supported",
                  json_string_value(kind), json_string_value(api_version));
        return error_hint(err, "send it as JSON: add --dry-run=client -o yaml and pipe that into "
                               "kubectl apply -f -");
    }

    json_auto_t *object = json_object();

    json_object_set(object, "apiVersion", api_version);
    json_object_set(object, "kind", kind);
    if (decode(&d, known->message, envelope[2].bytes, object, 0) == -1)
        return -1;
    *out = steal(&object);
    return 0;
}
