#include "cli/metrics_text.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BOUNDS = 64 };

/* A line "NAME{LABELS} VALUE" of the metric NAME; false: another line.  LABELS is "" if there are
 * none; owned by the caller. */
static bool read_line(struct span line, const char *name, char **labels, double *value)
{
    if (!span_starts_with(line, name))
        return false;
    CLEANUP(str) char *copy = span_dup(line);
    const char *rest = copy + strlen(name), *end = strrchr(copy, '}'), *blank = strrchr(copy, ' ');
    if (blank == NULL || (*rest != ' ' && (*rest != '{' || end == NULL)))
        return false;
    *labels = *rest == ' ' ? xstrdup("") : xstrndup(rest + 1, (size_t)(end - rest - 1));
    *value = strtod(blank + 1, NULL);
    return true;
}

double metrics_sum(const char *text, const char *name, const char *part)
{
    struct span rest = span_of(text), line;
    double sum = 0, value = 0;

    while (span_split(&rest, '\n', &line)) {
        CLEANUP(str) char *labels = NULL;
        if (read_line(line, name, &labels, &value) && strstr(labels, part) != NULL)
            sum += value;
    }
    return sum;
}

struct bucket {
    double bound, count; /* everything up to the bound */
};

/* Adds COUNT to the bucket with BOUND; they come in growing order in each series. */
static void add_to(struct bucket *buckets, size_t *used, double bound, double count)
{
    size_t i = 0;

    while (i < *used && buckets[i].bound != bound)
        i++;
    if (i == *used && i < MAX_BOUNDS)
        buckets[(*used)++] = (struct bucket){.bound = bound};
    if (i < *used)
        buckets[i].count += count;
}

static double find_quantile(const struct bucket *buckets, size_t used, double total, double share)
{
    double below = 0, low = 0;

    for (size_t i = 0; i < used; i++) {
        double in = buckets[i].count - below;
        if (buckets[i].count >= total * share && in > 0)
            return low + (buckets[i].bound - low) * (total * share - below) / in;
        below = buckets[i].count;
        low = buckets[i].bound;
    }
    return low;
}

double metrics_quantile(const char *text, const char *name, const char *part, const char *lacks,
                        double share)
{
    CLEANUP(str) char *series = xasprintf("%s_bucket", name);
    struct bucket buckets[MAX_BOUNDS];
    struct span rest = span_of(text), line;
    double total = 0, value = 0;
    size_t used = 0;

    while (span_split(&rest, '\n', &line)) {
        CLEANUP(str) char *labels = NULL;
        if (!read_line(line, series, &labels, &value) || strstr(labels, part) == NULL ||
            (lacks != NULL && strstr(labels, lacks) != NULL))
            continue;
        const char *bound = strstr(labels, "le=\"");
        if (bound != NULL && str_starts_with(bound, "le=\"+Inf"))
            total += value;
        else if (bound != NULL)
            add_to(buckets, &used, strtod(bound + 4, NULL), value);
    }
    return total > 0 ? find_quantile(buckets, used, total, share) : 0;
}
