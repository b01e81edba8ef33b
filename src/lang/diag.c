#include "lang/diag.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_SHOWN = 200 };

static char *cut_line(struct span text, uint32_t line)
{
    const char *p = text.ptr;
    const char *end = text.ptr + text.len;
    for (uint32_t n = 1; n < line && p < end; n++) {
        const char *nl = (const char *)memchr(p, '\n', (size_t)(end - p));
        if (nl == NULL)
            return NULL;
        p = nl + 1;
    }
    const char *nl = p < end ? (const char *)memchr(p, '\n', (size_t)(end - p)) : NULL;
    size_t len = (size_t)((nl != NULL ? nl : end) - p);
    if (len > 0 && p[len - 1] == '\r')
        len--;
    return len <= LINE_MAX_SHOWN ? xstrndup(p, len) : NULL;
}

void lang_diag_add(struct lang_diags *diags, const char *code, struct lang_pos pos,
                   struct span text, const char *format, ...)
{
    if (diags->count == LANG_DIAG_MAX) {
        diags->dropped++;
        return;
    }
    struct lang_diag *diag = &diags->list[diags->count++];
    va_list args;

    va_start(args, format);
    diag->msg = xvasprintf(format, args);
    va_end(args);
    diag->code = code;
    diag->file = pos.file != NULL ? xstrdup(pos.file) : NULL;
    diag->pos = (struct lang_pos){diag->file, pos.line, pos.col};
    diag->line = text.len > 0 && pos.line > 0 ? cut_line(text, pos.line) : NULL;
}

void lang_diags_reset(struct lang_diags *diags)
{
    for (size_t i = 0; i < diags->count; i++) {
        free(diags->list[i].file);
        free(diags->list[i].msg);
        free(diags->list[i].line);
    }
    diags->count = diags->dropped = 0;
}

static void print_where(const struct lang_diag *diag, struct buf *out)
{
    if (diag->pos.line > 0)
        buf_printf(out, "%s:%u:%u: ", diag->pos.file != NULL ? diag->pos.file : "text",
                   diag->pos.line, diag->pos.col);
    buf_printf(out, "%s: %s", diag->code, diag->msg);
}

void lang_diag_print(const struct lang_diag *diag, struct buf *out)
{
    print_where(diag, out);
    buf_add_char(out, '\n');
    if (diag->line == NULL)
        return;
    buf_printf(out, "    %s\n    ", diag->line);
    for (uint32_t i = 1; i < diag->pos.col && diag->line[i - 1] != '\0'; i++)
        buf_add_char(out, diag->line[i - 1] == '\t' ? '\t' : ' ');
    buf_add(out, "^\n");
}

int lang_diags_raise(const struct lang_diags *diags, struct error **err)
{
    CLEANUP(buf) struct buf text = BUF_INIT(64 * 1024);

    if (diags->count == 0)
        return error_set(err, ERROR_BUG, "no diagnostics to report");
    print_where(&diags->list[0], &text);
    error_set(err, ERROR_INVALID, "%s", text.ptr != NULL ? text.ptr : diags->list[0].msg);
    if (diags->count + diags->dropped > 1)
        error_hint(err, "%zu more like it", diags->count + diags->dropped - 1);
    return -1;
}
