#include "value.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct value *value_new(const char *name, const char *type)
{
    struct value *value = xcalloc(1, sizeof(*value));

    value->name = xstrdup(name);
    value->type = type;
    return value;
}

void value_free(struct value *value)
{
    if (value == NULL)
        return;
    for (struct value *at = value->first, *next; at != NULL; at = next) {
        next = at->next;
        value_free(at);
    }
    free(value->name);
    free(value->text);
    free(value);
}

struct value *value_add(struct value *parent, const char *name, const char *type)
{
    struct value *value = value_new(name, type);

    if (parent->last != NULL)
        parent->last->next = value;
    else
        parent->first = value;
    parent->last = value;
    return value;
}

struct value *value_add_array(struct value *parent, const char *name, const char *element_type)
{
    struct value *value = value_add(parent, name, NULL);

    value->array = element_type;
    return value;
}

void value_add_text(struct value *parent, const char *name, const char *type, const char *text)
{
    value_add(parent, name, type)->text = xstrdup(text);
}

void value_add_string(struct value *parent, const char *name, const char *text)
{
    value_add_text(parent, name, "xsd:string", text);
}

void value_add_int(struct value *parent, const char *name, int64_t number)
{
    value_add(parent, name, "xsd:int")->text = xasprintf("%" PRId64, number);
}

void value_add_long(struct value *parent, const char *name, int64_t number)
{
    value_add(parent, name, "xsd:long")->text = xasprintf("%" PRId64, number);
}

void value_add_bool(struct value *parent, const char *name, bool yes)
{
    value_add_text(parent, name, "xsd:boolean", yes ? "true" : "false");
}

void value_add_ref(struct value *parent, const char *name, const char *type, const char *id)
{
    struct value *value = value_add(parent, name, "ManagedObjectReference");

    value->ref = type;
    value->text = xstrdup(id);
}

static struct value *find_child(struct value *parent, struct span name)
{
    for (struct value *at = parent->first; at != NULL; at = at->next)
        if (span_eq_str(name, at->name))
            return at;
    return NULL;
}

struct value *value_find(struct value *root, const char *path)
{
    struct span rest = span_of(path), part = {0};

    while (root != NULL && span_split(&rest, '.', &part))
        root = root->array != NULL ? NULL : find_child(root, part);
    return root;
}

void value_add_escaped(struct buf *buf, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        switch (*p) {
        case '&': buf_add(buf, "&amp;"); break;
        case '<': buf_add(buf, "&lt;"); break;
        case '>': buf_add(buf, "&gt;"); break;
        default: buf_add_char(buf, *p);
        }
}

/* VALUE as element NAME.  A property's own type is always told, a field's only where it is known. */
static void format_as(const struct value *value, const char *name, struct buf *buf)
{
    buf_printf(buf, "<%s", name);
    if (value->ref != NULL)
        buf_printf(buf, " type=\"%s\"", value->ref);
    if (value->type != NULL)
        buf_printf(buf, " xsi:type=\"%s\"", value->type);
    buf_add(buf, ">");
    if (value->text != NULL)
        value_add_escaped(buf, value->text);
    for (const struct value *at = value->first; at != NULL; at = at->next)
        value_format(at, buf);
    buf_printf(buf, "</%s>", name);
}

void value_format(const struct value *value, struct buf *buf)
{
    if (value->array == NULL) {
        format_as(value, value->name, buf);
        return;
    }
    for (const struct value *at = value->first; at != NULL; at = at->next)
        format_as(at, value->name, buf);
}

void value_format_property(const struct value *value, const char *name, struct buf *buf)
{
    if (value->array == NULL) {
        format_as(value, name, buf);
        return;
    }
    buf_printf(buf, "<%s xsi:type=\"ArrayOf%s\">", name, value->array);
    for (const struct value *at = value->first; at != NULL; at = at->next)
        format_as(at, value->array, buf);
    buf_printf(buf, "</%s>", name);
}
