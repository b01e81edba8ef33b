#include "base/fault.h"

#include "base/mem.h"
#include "base/text.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAULTS_MAX = 16 };

struct rule {
    char *point;
    bool kills;
    bool goes_on; /* from the pass on, not only at it */
    uint64_t pass;
    _Atomic uint64_t seen;
};

/* written once, by load */
static struct rule rules[FAULTS_MAX];
static size_t rule_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Reads "point=fail@3+"; a rule that is not understood would make a test pass for nothing, so it
 * ends the program. */
static void add_rule(struct span text)
{
    struct span point, action;

    if (rule_count == FAULTS_MAX || !span_split(&text, '=', &point) ||
        !span_split(&text, '@', &action) || text.len == 0)
        abort();

    struct rule *rule = &rules[rule_count++];
    if (text.ptr[text.len - 1] == '+') {
        rule->goes_on = true;
        text.len--;
    }
    rule->point = span_dup(point);
    rule->kills = span_eq_str(action, "kill");
    if ((!rule->kills && !span_eq_str(action, "fail")) || !span_u64(text, &rule->pass))
        abort();
}

static void load(void)
{
    const char *text = getenv("GANTRY_FAULTS");

    if (text == NULL)
        return;

    struct span rest = span_of(text), part;
    while (span_split(&rest, ',', &part))
        if (part.len > 0)
            add_rule(part);
}

bool fault(const char *point)
{
    pthread_once(&once, load);
    for (size_t i = 0; i < rule_count; i++) {
        struct rule *rule = &rules[i];

        if (strcmp(rule->point, point) != 0)
            continue;

        uint64_t pass = ++rule->seen;

        if (pass != rule->pass && !(rule->goes_on && pass > rule->pass))
            continue;
        if (rule->kills)
            kill(getpid(), SIGKILL);
        return true;
    }
    return false;
}
