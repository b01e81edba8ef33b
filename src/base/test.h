/* The test harness: tests are functions, checks print both values, output is TAP.
 *
 *     TEST(refuses_an_unknown_unit)
 *     {
 *         CLEANUP(error) struct error *err = NULL;
 *         CHECK_FAILS(size_parse("10MB", 4, &n, &err), err, ERROR_INVALID, "unknown unit");
 *     }
 *
 * A failed check ends its test (by longjmp: what it held leaks, and that is fine in a test that
 * failed).  Arguments of the program select tests by name.
 * May use: base.  Threads: checks belong to the test's own thread.
 */
#pragma once

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

void test_register(struct test *test);

#define TEST(id)                                                                                   \
    static void test_##id(void);                                                                   \
    __attribute__((constructor)) static void test_register_##id(void)                              \
    {                                                                                              \
        static struct test self = {.name = #id, .run = test_##id};                                 \
        test_register(&self);                                                                      \
    }                                                                                              \
    static void test_##id(void)

void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

/* Ends the test as skipped, with the reason. */
void test_skip(const char *reason) __attribute__((noreturn));

void test_check_ok(const char *file, int line, const char *what, int result, struct error *err);
void test_check_fails(const char *file, int line, const char *what, bool failed, struct error **err,
                      enum error_code code, const char *part);
void test_check_str(const char *file, int line, const char *what, const char *got,
                    const char *want);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail(__FILE__, __LINE__, "not true: %s", #condition);                             \
    } while (0)

/* A call that returns 0 or -1 succeeds. */
#define CHECK_OK(call, err)                                                                        \
    do {                                                                                           \
        int check_result = (call); /* before ERR is looked at */                                   \
        test_check_ok(__FILE__, __LINE__, #call, check_result, (err));                             \
    } while (0)

/* A call that returns 0 or -1 fails with CODE, and the whole chain contains PART.  Clears err. */
#define CHECK_FAILS(call, err, code, part)                                                         \
    test_check_fails(__FILE__, __LINE__, #call, (call) == -1, &(err), (code), (part))

#define CHECK_STR(got, want) test_check_str(__FILE__, __LINE__, #got, (got), (want))

#define CHECK_U64(got, want)                                                                       \
    do {                                                                                           \
        unsigned long long check_got = (unsigned long long)(got);                                  \
        unsigned long long check_want = (unsigned long long)(want);                                \
        if (check_got != check_want)                                                               \
            test_fail(__FILE__, __LINE__, "%s is %llu, not %llu", #got, check_got, check_want);    \
    } while (0)

#define CHECK_INT(got, want)                                                                       \
    do {                                                                                           \
        long long check_got = (long long)(got);                                                    \
        long long check_want = (long long)(want);                                                  \
        if (check_got != check_want)                                                               \
            test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, check_got, check_want);    \
    } while (0)

/* A private folder, removed when the program ends.  Borrowed. */
const char *test_dir(void);

/* The folder of shared reference data beside the project, or a skip of the test where a clone
 * does not have it. */
const char *test_shared_dir(void);
