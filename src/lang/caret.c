#include "lang/caret.h"

#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

enum { SHOWN_MAX = 120 }; /* bytes of the line around the caret */

void caret_find(struct span text, size_t offset, size_t *line, size_t *column)
{
    size_t start = 0;

    if (offset > text.len)
        offset = text.len;
    *line = 1;
    for (size_t i = 0; i < offset; i++)
        if (text.ptr[i] == '\n') {
            ++*line;
            start = i + 1;
        }
    *column = offset - start + 1;
}

/* The line around OFFSET, cut to what fits, and a caret below. */
static char *draw(struct span text, size_t offset, size_t column)
{
    struct buf out = BUF_INIT(4 * SHOWN_MAX);
    size_t start = offset - (column - 1), end = offset;

    while (end < text.len && text.ptr[end] != '\n' && end - offset < SHOWN_MAX / 2)
        end++;
    if (offset - start > SHOWN_MAX / 2)
        start = offset - SHOWN_MAX / 2;
    buf_append(&out, text.ptr + start, end - start);
    buf_add_char(&out, '\n');
    for (size_t i = start; i < offset; i++)
        if (((unsigned char)text.ptr[i] & 0xc0) != 0x80) /* once for a character of UTF-8 */
            buf_add_char(&out, text.ptr[i] == '\t' ? '\t' : ' ');
    buf_add_char(&out, '^');
    return buf_take(&out);
}

int caret_set(struct error **err, enum error_code code, const char *what, struct span text,
              size_t offset, const char *format, ...)
{
    size_t line, column;
    va_list args;

    if (offset > text.len)
        offset = text.len;
    caret_find(text, offset, &line, &column);
    va_start(args, format);
    CLEANUP(str) char *msg = xvasprintf(format, args);
    va_end(args);
    error_set(err, code, "%s, line %zu, column %zu: %s", what, line, column, msg);

    CLEANUP(str) char *drawing = draw(text, offset, column);
    return error_hint(err, "%s", drawing);
}
