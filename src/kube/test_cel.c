#include "kube/cel.h"

#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    CHECK(value != NULL);
    return value;
}

/* 't', 'f', or 'e' for an error. */
static char result_of(const char *rule, const char *self, const char *old)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(cel_rule) struct cel_rule *compiled = cel_compile(rule, &err);
    json_auto_t *self_value = parse(self);
    json_auto_t *old_value = old != NULL ? parse(old) : NULL;
    bool result = false;

    if (compiled == NULL)
        test_fail(__FILE__, __LINE__, "%s: %s", rule, err->msg);
    if (cel_eval(compiled, self_value, old_value, &result, &err) == -1)
        return 'e';
    return result ? 't' : 'f';
}

TEST(evaluates_rules)
{
    static const struct {
        const char *rule, *self, *old;
        char result;
    } cases[] = {
        {"self == oldSelf", "{\"a\":1}", "{\"a\":1}", 't'},
        {"self == oldSelf", "{\"a\":1}", "{\"a\":2}", 'f'},
        {"oldSelf == null || oldSelf.name == '' || self == oldSelf", "{\"name\":\"b\"}",
         "{\"name\":\"\"}", 't'},
        {"oldSelf == null || oldSelf.name == '' || self == oldSelf", "{\"name\":\"b\"}",
         "{\"name\":\"a\"}", 'f'},
        {"self.all(am, am in ['RWO', 'ROX'])", "[\"RWO\"]", NULL, 't'},
        {"self.all(am, am in ['RWO', 'ROX'])", "[\"RWO\", \"X\"]", NULL, 'f'},
        {"self.all(am, am in ['RWO'])", "[]", NULL, 't'},
        {"self.exists(x, x > 3)", "[1, 4]", NULL, 't'},
        {"self.exists(x, x > 3)", "[1, \"4\"]", NULL, 'e'},
        {"self.startsWith('/')", "\"/a\"", NULL, 't'},
        {"!self.contains('..')", "\"/a/../b\"", NULL, 'f'},
        {"self == true", "false", NULL, 'f'},
        {"has(self.a) && self.a != \"\"", "{}", NULL, 'f'},
        {"!has(self.mode) || self.mode != 'Pull' || (has(self.t) && self.t != \"\")",
         "{\"mode\":\"Pull\"}", NULL, 'f'},
        {"self.a == 1 || true", "{}", NULL, 't'},
        {"true || self.a == 1", "{}", NULL, 't'},
        {"self.a == 1 && false", "{}", NULL, 'f'},
        {"self.a == 1 || false", "{}", NULL, 'e'},
        {"self.a", "{\"a\":1}", NULL, 'e'},
        {"self.size() <= 2 && size(self) >= 2", "\"\xc3\xa9x\"", NULL, 't'},
        {"self[0] == 1 && self[1].b == -2", "[1, {\"b\":-2}]", NULL, 't'},
        {"self['x'] == 1.5", "{\"x\":1.5}", NULL, 't'},
        {"self.matches('^a+$')", "\"aa\"", NULL, 't'},
        {"self == 1 ? true : self.b", "2", NULL, 'e'},
        {"self == 1 ? true : self.b", "1", NULL, 't'},
        {"self in {} ", "1", NULL, 0},
        {"'a' in self", "{\"a\":0}", NULL, 't'},
        {"!!self", "true", NULL, 't'},
        {"self == r'a\\b'", "\"a\\\\b\"", NULL, 't'},
        {"self.endsWith(\"\\n\")", "\"a\\n\"", NULL, 't'},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (cases[i].result == 0)
            continue;

        char got = result_of(cases[i].rule, cases[i].self, cases[i].old);

        if (got != cases[i].result)
            test_fail(__FILE__, __LINE__, "%s on %s: %c", cases[i].rule, cases[i].self, got);
    }
}

TEST(refuses_what_it_does_not_know)
{
    static const struct {
        const char *rule, *message;
    } cases[] = {
        {"self.map(x, x)", "the function \"map\" is not supported"},
        {"duration(self)", "the function \"duration\" is not supported"},
        {"other == 1", "the name \"other\" is not known"},
        {"self + 1", "a sign that is not supported at character 6"},
        {"self == 'a", "text without an end"},
        {"self ==", "expected a value at the end of the rule"},
        {"self == 1 1", "not supported here at character 11"},
        {"has(self)", "has() takes a member"},
        {"self.matches(self)", "literal text"},
        {"self.matches('(')", "pattern"},
        {"self == 99999999999999999999", "does not fit in 64 bits"},
        {"1u == self", "a number that is not supported"},
        {"self in {} ", "a sign that is not supported"},
        {"self.all(x, x == 1) && x == 1", "the name \"x\" is not known"},
        {"", "expected a value at the end"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct cel_rule *rule = cel_compile(cases[i].rule, &err);

        CHECK_FAILS(rule == NULL ? -1 : 0, err, ERROR_INVALID, cases[i].message);
    }
}

TEST(bounds_nesting_and_work)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf deep = BUF_INIT(CEL_MAX_LENGTH);

    for (int i = 0; i < CEL_MAX_DEPTH + 1; i++)
        buf_add(&deep, "(");
    buf_add(&deep, "true");
    CHECK_FAILS(cel_compile(deep.ptr, &err) == NULL ? -1 : 0, err, ERROR_INVALID, "nesting");

    json_auto_t *list = json_array();

    for (int i = 0; i < 200; i++)
        json_array_append_new(list, json_integer(i));

    CLEANUP(cel_rule)
    struct cel_rule *rule = cel_compile("self.all(a, self.all(b, self.all(c, a == a)))", &err);
    bool result = false;

    CHECK(rule != NULL);
    CHECK_FAILS(cel_eval(rule, list, NULL, &result, &err), err, ERROR_INVALID, "too many steps");
}

TEST(tells_which_rules_compare_with_the_old_object)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(cel_rule) struct cel_rule *with = cel_compile("self == oldSelf", &err);
    CLEANUP(cel_rule) struct cel_rule *without = cel_compile("self == 1", &err);

    CHECK(cel_uses_old(with));
    CHECK(!cel_uses_old(without));
}
