#include "kube/field_path.h"

size_t field_push_name(struct buf *path, const char *name)
{
    size_t mark = path->len;

    if (mark > 0)
        buf_add_char(path, '.');
    buf_add(path, name);
    return mark;
}

size_t field_push_index(struct buf *path, size_t index)
{
    size_t mark = path->len;

    buf_printf(path, "[%zu]", index);
    return mark;
}

void field_pop(struct buf *path, size_t mark)
{
    path->len = mark;
    if (path->ptr != NULL)
        path->ptr[mark] = '\0';
}

const char *field_text(const struct buf *path)
{
    return path->ptr != NULL ? path->ptr : "";
}
