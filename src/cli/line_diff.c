/* The longest common subsequence over what is left once equal beginnings and ends are cut off; past
 * LINES_MAX lines the middle is shown as replaced. */
#include "cli/line_diff.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vector.h"

#include <stdint.h>
#include <stdlib.h>

enum { LINES_MAX = 2000 };

DEFINE_VECTOR(line_list, struct span)

static struct line_list split_lines(const char *text)
{
    struct line_list lines = {0};
    struct span rest = span_of(text), line;

    while (span_split(&rest, '\n', &line))
        line_list_push(&lines, line);
    return lines;
}

static void add_line(struct buf *out, const char *indent, char sign, struct span line)
{
    buf_printf(out, "%s%c %.*s\n", indent, sign, (int)line.len, line.ptr);
}

/* LENGTHS[i * (nb + 1) + j]: of the longest common part of A from i and B from j. */
static uint16_t *common_lengths(const struct span *a, size_t na, const struct span *b, size_t nb)
{
    uint16_t *lengths = xcalloc((na + 1) * (nb + 1), sizeof(lengths[0]));
    size_t row = nb + 1;

    for (size_t i = na; i-- > 0;)
        for (size_t j = nb; j-- > 0;) {
            uint16_t down = lengths[(i + 1) * row + j], right = lengths[i * row + j + 1];

            lengths[i * row + j] = span_eq(a[i], b[j])
                                       ? (uint16_t)(lengths[(i + 1) * row + j + 1] + 1)
                                       : (down > right ? down : right);
        }
    return lengths;
}

static void diff_middle(const struct span *a, size_t na, const struct span *b, size_t nb,
                        const char *indent, struct buf *out)
{
    uint16_t *lengths = na > LINES_MAX || nb > LINES_MAX ? NULL : common_lengths(a, na, b, nb);
    size_t i = 0, j = 0, row = nb + 1;

    while (i < na || j < nb) {
        if (lengths != NULL && i < na && j < nb && span_eq(a[i], b[j])) {
            i++;
            j++;
        } else if (i < na && (j == nb || lengths == NULL ||
                              lengths[(i + 1) * row + j] >= lengths[i * row + j + 1])) {
            add_line(out, indent, '-', a[i++]);
        } else {
            add_line(out, indent, '+', b[j++]);
        }
    }
    free(lengths);
}

void line_diff(const char *before, const char *after, const char *indent, struct buf *out)
{
    struct line_list a = split_lines(before), b = split_lines(after);
    size_t start = 0, end = 0;

    while (start < a.len && start < b.len && span_eq(a.ptr[start], b.ptr[start]))
        start++;
    while (end < a.len - start && end < b.len - start &&
           span_eq(a.ptr[a.len - 1 - end], b.ptr[b.len - 1 - end]))
        end++;
    diff_middle(a.ptr + start, a.len - start - end, b.ptr + start, b.len - start - end, indent, out);
    line_list_reset(&a);
    line_list_reset(&b);
}
