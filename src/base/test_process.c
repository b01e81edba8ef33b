#include "base/process.h"

#include "base/cancel.h"
#include "base/mem.h"
#include "base/test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(const char *const *argv, const char *input, size_t max, int64_t ms,
               struct process_result *result, struct error **err)
{
    struct process_options options = {.argv = argv, .new_session = true};

    return process_run(&options, input, input == NULL ? 0 : strlen(input), max, deadline_after(ms),
                       NULL, result, err);
}

TEST(keeps_both_outputs_and_the_status)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(process_result) struct process_result result = {0};
    const char *const argv[] = {"sh", "-c", "cat; echo oops >&2; exit 3", NULL};

    CHECK_OK(run(argv, "in", 100, 10000, &result, &err), err);
    CHECK_STR(result.out, "in");
    CHECK_STR(result.errors, "oops\n");
    CLEANUP(str) char *status = process_status_format(result.status);

    CHECK_STR(status, "exit status 3");
}

TEST(drops_output_past_the_limit_without_blocking_the_program)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(process_result) struct process_result result = {0};
    const char *const argv[] = {"sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x", NULL};

    CHECK_OK(run(argv, NULL, 10, 20000, &result, &err), err);
    CHECK_STR(result.out, "xxxxxxxxxx");
    CHECK_INT(result.status, 0);
}

TEST(a_missing_program_is_an_error_at_the_start)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(process_result) struct process_result result = {0};
    const char *const none[] = {"/nonexistent/program", NULL};
    const char *const nowhere[] = {"no-such-program-anywhere", NULL};

    CHECK_FAILS(run(none, NULL, 10, 1000, &result, &err), err, ERROR_NOT_FOUND,
                "cannot run \"/nonexistent/program\"");
    CHECK_FAILS(run(nowhere, NULL, 10, 1000, &result, &err), err, ERROR_NOT_FOUND, "in PATH");
}

TEST(a_deadline_ends_the_program_and_its_children)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(process_result) struct process_result result = {0};
    const char *const argv[] = {"sh", "-c", "sleep 1000 & echo $!; sleep 1000", NULL};
    int64_t before = time_mono_ms();

    CHECK_FAILS(run(argv, NULL, 100, 200, &result, &err), err, ERROR_TIMEOUT, "program \"sh\"");
    CHECK(time_mono_ms() - before < 20000);
}

TEST(only_the_descriptors_given_are_passed_on)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(process_result) struct process_result result = {0};
    const char *const argv[] = {"sh", "-c", "ls /proc/$$/fd", NULL};
    int leak[2];

    CHECK(pipe(leak) == 0);
    CHECK_OK(run(argv, NULL, 100, 10000, &result, &err), err);
    CHECK_STR(result.out, "0\n1\n2\n");
    close(leak[0]);
    close(leak[1]);
}

/* The child runs in our memory for a moment: what it sets for itself must not become ours. */
TEST(signals_are_as_by_default_in_the_child_and_stay_as_they_are_here)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(process_result) struct process_result result = {0};
    const char *const argv[] = {"sh", "-c", "kill -PIPE $$; echo alive", NULL};
    struct sigaction now;
    sigset_t usr1, mask;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    CHECK_OK(run(argv, NULL, 100, 10000, &result, &err), err);
    CHECK(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGPIPE);
    CHECK_STR(result.out, "");
    CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &usr1, &mask) == 0);
    CHECK(sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGUSR2) == 0);
}
