#include "base/test.h"

#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct test *first_test;
static struct test **last_test = &first_test;
static jmp_buf test_end;
static const char *skip_reason;
static char *dir;

void test_register(struct test *test)
{
    *last_test = test;
    last_test = &test->next;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    printf("# %s:%d: ", file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    longjmp(test_end, 1);
}

void test_skip(const char *reason)
{
    skip_reason = reason;
    longjmp(test_end, 2);
}

void test_check_ok(const char *file, int line, const char *what, int result, struct error *err)
{
    if (result != -1)
        return;
    test_fail(file, line, "%s failed: %s", what, err == NULL ? "(no error)" : error_format(err));
}

void test_check_fails(const char *file, int line, const char *what, bool failed, struct error **err,
                      enum error_code code, const char *part)
{
    if (!failed)
        test_fail(file, line, "%s did not fail", what);
    if (*err == NULL)
        test_fail(file, line, "%s failed without an error", what);

    char *text = error_format(*err);
    if ((*err)->code != code)
        test_fail(file, line, "%s: code is %s, not %s: %s", what, error_code_name((*err)->code),
                  error_code_name(code), text);
    if (strstr(text, part) == NULL)
        test_fail(file, line, "%s: error is \"%s\", without \"%s\"", what, text, part);
    free(text);
    error_clear(err);
}

void test_check_str(const char *file, int line, const char *what, const char *got, const char *want)
{
    if (got == NULL || want == NULL ? got != want : strcmp(got, want) != 0)
        test_fail(file, line, "%s is \"%s\", not \"%s\"", what, got == NULL ? "(null)" : got,
                  want == NULL ? "(null)" : want);
}

static void remove_dir(void)
{
    struct error *err = NULL;

    /* a folder left in /tmp is no reason to fail a test that passed */
    if (dir != NULL && dir_remove(dir, &err) == -1)
        error_clear(&err);
    free(dir);
}

const char *test_dir(void)
{
    struct error *err = NULL;
    const char *root = getenv("TMPDIR");

    if (dir != NULL)
        return dir;

    char *prefix = xasprintf("%s/gantry-test-", root == NULL ? "/tmp" : root);
    dir = dir_make_temp(prefix, &err);
    free(prefix);
    if (dir == NULL)
        test_fail(__FILE__, __LINE__, "%s", error_format(err));
    atexit(remove_dir);
    return dir;
}

const char *test_shared_dir(void)
{
    static char *found;
    const char *given = getenv("GANTRY_SHARED");

    if (found == NULL && given != NULL)
        found = xstrdup(given);
    if (found == NULL) {
        const char *root = getenv("GANTRY_SOURCE_ROOT");

        found = xasprintf("%s/../shared", root == NULL ? SOURCE_ROOT : root);
    }
    if (!file_exists(found))
        test_skip("no shared reference data beside the project");
    return found;
}

static bool is_selected(const struct test *test, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], test->name) == 0)
            return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    volatile int number = 0;
    volatile bool failed = false, left_early = false;
    int count = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    for (struct test *test = first_test; test != NULL; test = test->next)
        count += is_selected(test, argc, argv);
    printf("1..%d\n", count);

    for (struct test *volatile test = first_test; test != NULL; test = test->next) {
        if (!is_selected(test, argc, argv))
            continue;
        number = number + 1;
        switch (setjmp(test_end)) {
        case 0:
            test->run();
            printf("ok %d - %s\n", number, test->name);
            break;
        case 2:
            printf("ok %d - %s # SKIP %s\n", number, test->name, skip_reason);
            left_early = true;
            break;
        default:
            printf("not ok %d - %s\n", number, test->name);
            failed = true;
            break;
        }
    }
    if (failed || left_early) { /* what such a test held is no leak worth a report */
        fflush(stdout);
        remove_dir();
        _exit(failed ? 1 : 0);
    }
    return 0;
}
