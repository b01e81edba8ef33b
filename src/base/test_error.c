#include "base/error.h"

#include "base/test.h"

#include <errno.h>
#include <stdlib.h>

TEST(shows_the_chain_outermost_first)
{
    CLEANUP(error) struct error *err = NULL;

    CHECK(error_sys(&err, ECONNREFUSED, "disk \"%s\"", "vm1/0") == -1);
    error_wrap(&err, "cannot start plan \"%s\"", "web");
    CLEANUP(str) char *text = error_format(err);

    CHECK_STR(text, "cannot start plan \"web\": disk \"vm1/0\": Connection refused");
    CHECK_INT(err->code, ERROR_UNAVAILABLE);
    CHECK_INT(err->sys, ECONNREFUSED);
}

TEST(finds_the_hint_of_an_inner_link)
{
    CLEANUP(error) struct error *err = NULL;

    error_set(&err, ERROR_INVALID, "inner");
    error_hint(&err, "do %s", "this");
    error_wrap(&err, "outer");
    CHECK_STR(error_get_hint(err), "do this");
}

TEST(knows_what_may_pass_on_a_retry)
{
    CLEANUP(error) struct error *err = NULL;

    error_set(&err, ERROR_TIMEOUT, "slow");
    CHECK(error_is_transient(err));
    error_clear(&err);
    error_set(&err, ERROR_INVALID, "wrong");
    CHECK(!error_is_transient(err));
}
