/* Real containers on this machine: needs root and bubblewrap. */
#include "node/container.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "node/container_log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };

static struct runtime runtime;

/* The runtime, probed once, or a skip. */
static const struct runtime *the_runtime(void)
{
    CLEANUP(error) struct error *err = NULL;
    const char *dir = getenv("GANTRY_PROGRAM_DIR");

    if (geteuid() != 0)
        test_skip("containers need root");
    if (dir == NULL)
        test_skip("GANTRY_PROGRAM_DIR does not name the folder of gantry-container");
    if (access("/usr/bin/bwrap", X_OK) == -1)
        test_skip("bubblewrap is not installed");
    if (runtime.program_dir == NULL)
        CHECK_OK(runtime_init(&runtime, dir, &err), err);
    return &runtime;
}

static json_t *shell(const char *script)
{
    return obj_pack("{s:[s,s,s],s:{s:s},s:s}", "argv", "sh", "-c", script, "env", "PATH",
                    "/usr/bin:/bin", "network", "none");
}

static char *start(const char *name, const json_t *container, const struct container_limits *limits)
{
    CLEANUP(error) struct error *err = NULL;
    char *dir = path_join(test_dir(), name);
    CLEANUP(str) char *cgroup = xasprintf("test-%d-%s", (int)getpid(), name);

    CHECK_OK(container_start(the_runtime(), dir, 0, cgroup, limits, container, &err), err);
    return dir;
}

/* Tells of every change of a file in DIR from now on. */
static int watch(const char *dir)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    CHECK(fd != -1);
    CHECK(inotify_add_watch(fd, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO) != -1);
    return fd;
}

/* -1 if the process has gone already. */
static int watch_end(pid_t pid)
{
    return pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

/* Waits for what WATCH tells of, or for the end that PID_FD (-1: none) tells of. */
static void wait_change(int watch_fd, int pid_fd, struct deadline deadline)
{
    struct pollfd fds[] = {{.fd = watch_fd, .events = POLLIN}, {.fd = pid_fd, .events = POLLIN}};
    char events[4096];

    CHECK(poll(fds, 2, deadline_left_ms(deadline)) != -1);
    while (read(watch_fd, events, sizeof(events)) > 0)
        continue;
}

static struct container_state wait_over(const char *dir)
{
    struct deadline deadline = deadline_after(WAIT_MS);
    struct container_state state = {0};
    CLEANUP(fd) int changes = watch(dir);

    for (;;) {
        CLEANUP(error) struct error *err = NULL;

        CHECK_OK(container_look(dir, 0, &state, &err), err);
        if (state.phase == CONTAINER_OVER || deadline_is_over(deadline))
            break;
        CLEANUP(fd) int supervisor = watch_end(state.supervisor);
        if (supervisor != -1 || state.supervisor <= 1) /* else it has ended since */
            wait_change(changes, supervisor, deadline);
    }
    CHECK_INT(state.phase, CONTAINER_OVER);
    return state;
}

static bool gather(void *to, const char *data, size_t len)
{
    buf_append(to, data, len);
    return true;
}

static bool always(void *arg)
{
    return true;
}

static char *log_of(const char *dir)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = container_log_path(dir, 0);
    CLEANUP(buf) struct buf text = BUF_INIT(1 << 20);

    CHECK_OK(container_log_read(path, NULL, always, NULL, NULL, gather, &text, &err), err);
    return buf_take(&text);
}

static char *run(const char *name, json_t *container, const struct container_limits *limits,
                 int exit_code)
{
    json_auto_t *owned = container;
    CLEANUP(str) char *dir = start(name, owned, limits);

    CHECK_INT(wait_over(dir).exit_code, exit_code);
    return log_of(dir);
}

static const struct container_limits no_limits;

TEST(keeps_output_and_exit_code)
{
    CLEANUP(str) char *log = run("exit", shell("echo out; echo err >&2; exit 3"), &no_limits, 3);

    CHECK_STR(log, "out\nerr\n");
}

TEST(shows_the_machine_read_only_and_hides_the_rest)
{
    CLEANUP(str) char *log =
        run("root",
            shell("for f in /x /usr/x /etc/x /opt/x; do touch $f 2>/dev/null && echo wrote $f; done;"
                  "ls -A /root; ls /home /srv 2>/dev/null; test -e /etc/shadow && echo shadow;"
                  "touch /tmp/x && echo tmp; grep -c CapEff:.*0000000000000000 /proc/self/status"),
            &no_limits, 0);

    CHECK_STR(log, "tmp\n1\n");
}

TEST(cuts_a_host_name_that_is_too_long)
{
    json_t *container = shell("uname -n");
    char name[101];

    memset(name, 'a', sizeof(name));
    name[62] = '-'; /* the last one that would stay */
    name[100] = '\0';
    obj_put_str(container, "hostname", name);
    CLEANUP(str) char *log = run("hostname", container, &no_limits, 0);
    CHECK_U64(strlen(log), 62 + 1);
}

TEST(gives_files_that_cannot_be_changed)
{
    json_t *container = shell("cat /tmp/hook/plan.yml; echo x > /tmp/hook/plan.yml; ls -l /tmp/hook |"
                              " cut -c1-10");

    obj_take(container, "files",
             obj_pack("[{s:s,s:s,s:i}]", "path", "/tmp/hook/plan.yml", "data", "YTogMQo=", "mode",
                      0640));
    CLEANUP(str) char *log = run("files", container, &no_limits, 0);
    CHECK(strstr(log, "a: 1\n") != NULL);
    CHECK(strstr(log, "Read-only") != NULL);
    CHECK(strstr(log, "-rw-r-----") != NULL);
}

TEST(leaves_no_daemon_behind)
{
    CLEANUP(str) char *mark = xasprintf("sleep 98%d", (int)getpid());
    CLEANUP(str) char *script = xasprintf("setsid %s >/dev/null 2>&1 & exit 0", mark);
    CLEANUP(str) char *log = run("daemon", shell(script), &no_limits, 0);

    if (!the_runtime()->abilities.pid && the_runtime()->cgroups == CGROUP_NONE)
        test_skip("neither process namespaces nor control groups here");
    const char *const argv[] = {"pgrep", "-f", mark, NULL};
    CLEANUP(process_result) struct process_result result = {0};
    CLEANUP(error) struct error *err = NULL;
    struct process_options options = {.argv = argv};
    CHECK_OK(process_run(&options, NULL, 0, 4096, deadline_after(WAIT_MS), NULL, &result, &err), err);
    CHECK(result.out_len == 0);
}

TEST(ends_what_takes_too_much_memory)
{
    struct container_limits limits = {.memory_bytes = 64 << 20};
    json_auto_t *container =
        shell("exec python3 -c 'x=bytearray(200<<20); print(len(x))'");
    CLEANUP(str) char *dir = NULL;

    if (the_runtime()->cgroups == CGROUP_NONE)
        test_skip("no control group is writable here");
    dir = start("memory", container, &limits);
    struct container_state state = wait_over(dir);
    CHECK_INT(state.exit_code, 137);
    CHECK_STR(state.reason, "OOMKilled");
}

TEST(limits_the_number_of_processes)
{
    struct container_limits limits = {.pids = 8};

    if (the_runtime()->cgroups == CGROUP_NONE)
        test_skip("no control group is writable here");
    CLEANUP(str) char *log =
        run("pids", shell("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done; exit 0"), &limits, 2);
    CHECK(strstr(log, "fork") != NULL);
}

TEST(says_why_a_sandbox_cannot_be_made)
{
    json_auto_t *container = shell("true");
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = path_join(test_dir(), "bad");

    obj_take(container, "mounts", obj_pack("[{s:s,s:s}]", "from", "/no/such/folder", "to", "/data"));
    CHECK_FAILS(container_start(the_runtime(), dir, 0, "test-bad", &no_limits, container, &err), err,
                ERROR_UNAVAILABLE, "/no/such/folder");
    obj_take(container, "mounts", obj_pack("[{s:s,s:s}]", "from", "/", "to", "/data/../usr"));
    CHECK_FAILS(container_start(the_runtime(), dir, 1, "test-bad", &no_limits, container, &err), err,
                ERROR_UNAVAILABLE, "plain absolute path");
}

/* Until the program has written "ready". */
static void wait_ready(const char *dir)
{
    struct deadline deadline = deadline_after(WAIT_MS);
    CLEANUP(fd) int changes = watch(dir);

    for (;;) {
        CLEANUP(str) char *log = log_of(dir);

        if (strstr(log, "ready") != NULL)
            return;
        CHECK(!deadline_is_over(deadline));
        wait_change(changes, -1, deadline);
    }
}

TEST(asks_a_program_to_end_and_then_kills_it)
{
    json_auto_t *polite = shell("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done");
    json_auto_t *deaf = shell("trap '' TERM; while :; do sleep 0.1; done");
    CLEANUP(str) char *polite_dir = start("polite", polite, &no_limits);
    CLEANUP(str) char *deaf_dir = start("deaf", deaf, &no_limits);
    struct container_state state;
    CLEANUP(error) struct error *err = NULL;

    wait_ready(polite_dir);
    CHECK_OK(container_look(polite_dir, 0, &state, &err), err);
    container_stop(&state, false);
    CHECK_INT(wait_over(polite_dir).exit_code, 5);

    CHECK_OK(container_look(deaf_dir, 0, &state, &err), err);
    container_stop(&state, true);
    CHECK_INT(wait_over(deaf_dir).exit_code, 137);
}

TEST(ends_with_its_supervisor_and_is_known_to_be_lost)
{
    json_auto_t *container = shell("sleep 600");
    CLEANUP(str) char *dir = start("lost", container, &no_limits);
    struct container_state state;
    CLEANUP(error) struct error *err = NULL;

    CHECK_OK(container_look(dir, 0, &state, &err), err);
    CHECK_INT(state.phase, CONTAINER_RUNNING);
    CLEANUP(fd) int inner = watch_end(state.pid);
    CHECK(inner != -1);
    kill(state.supervisor, SIGKILL);
    state = wait_over(dir);
    CHECK_INT(state.exit_code, 137);
    CHECK_STR(state.reason, "ContainerStatusUnknown");
    struct pollfd end = {.fd = inner, .events = POLLIN};
    CHECK_INT(poll(&end, 1, WAIT_MS), 1);
}

TEST(runs_a_run_once)
{
    json_auto_t *container = shell("echo once");
    CLEANUP(str) char *dir = start("once", container, &no_limits);
    CLEANUP(error) struct error *err = NULL;

    int64_t finished_ms = wait_over(dir).finished_ms;
    CHECK_OK(container_start(the_runtime(), dir, 0, "test-once", &no_limits, container, &err), err);
    CHECK_INT(wait_over(dir).finished_ms, finished_ms);
    CLEANUP(str) char *log = log_of(dir);
    CHECK_STR(log, "once\n");
    CHECK_INT(container_last_run(dir), 0);
}

TEST(runs_commands_inside)
{
    json_t *container = shell("echo secret > /tmp/inside; echo ready; sleep 600");
    json_auto_t *owned = container;
    struct container_state state;
    CLEANUP(error) struct error *err = NULL;
    int fds[2], code = -1;
    char text[256] = "";

    obj_put_str(container, "env.COLOR", "green");
    CLEANUP(str) char *dir = start("exec", owned, &no_limits);
    wait_ready(dir);
    CHECK_OK(container_look(dir, 0, &state, &err), err);
    CHECK(pipe(fds) == 0);
    CHECK_OK(container_exec(&state,
                            (const char *const[]){"sh", "-c",
                                                  "cat /tmp/inside; echo $COLOR; touch /usr/x || exit 7",
                                                  NULL},
                            0, fds[1], 0, false, -1, NULL, &code, &err),
             err);
    CHECK_INT(code, 7);
    CHECK(read(fds[0], text, sizeof(text) - 1) > 0);
    CHECK_STR(text, "secret\ngreen\n");
    close(fds[0]);
    close(fds[1]);
    container_stop(&state, true);
    wait_over(dir);
}

TEST(reaches_the_api_port_and_nothing_else)
{
    struct runtime with_port = *the_runtime();
    CLEANUP(fd) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    CLEANUP(error) struct error *err = NULL;
    char text[16] = "";

    if (!with_port.abilities.network)
        test_skip("no network namespaces here");
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(listen(listener, 4) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    with_port.api_port = ntohs(address.sin_port);

    CLEANUP(str) char *script =
        xasprintf("exec 3<>/dev/tcp/127.0.0.1/%d && echo hello >&3 && cat <&3; (exec "
                  "4<>/dev/tcp/127.0.0.1/1) 2>/dev/null || echo alone; ls /sys/class/net 2>&1 | wc -l",
                  with_port.api_port);
    json_auto_t *container = obj_pack("{s:[s,s,s],s:{s:s},s:s}", "argv", "bash", "-c", script, "env",
                                      "PATH", "/usr/bin:/bin", "network", "api");
    CLEANUP(str) char *dir = path_join(test_dir(), "api");
    CHECK_OK(container_start(&with_port, dir, 0, "test-api", &no_limits, container, &err), err);

    CLEANUP(fd) int client = accept(listener, NULL, NULL);
    CHECK(read(client, text, 6) == 6);
    CHECK_STR(text, "hello\n");
    CHECK(write(client, "back\n", 5) == 5);
    close(steal_fd(&client));
    CHECK_INT(wait_over(dir).exit_code, 0);
    CLEANUP(str) char *log = log_of(dir);
    CHECK(str_starts_with(log, "back\nalone\n"));
}
