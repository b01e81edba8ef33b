/* gantry-libvirt-hook: the program that libvirt runs at /etc/libvirt/hooks/qemu on the target of a
 * live migration (KubeVirt VEP 141).
 *
 * libvirt starts it for every event of every machine, so it is one static file with nothing but
 * libc, and does nothing for most of them:
 *
 *     NAME migrate begin X      the domain XML on standard input goes to the hook server and what
 *                               comes back to standard output
 *     NAME release end migrated a marker says that the migration had finished
 *     anything else             nothing
 *
 * Wire protocol: the XML as it is; we half-close, which servers that stop at the end of the root
 * element do not notice.  The answer is the edited XML up to the end of the stream.  No answer is a
 * failure.  Our server may answer <error>REASON</error> instead, which becomes our message; a client
 * that does not know this passes it on, and libvirt refuses it as no domain.
 *
 * libvirt never times a hook out and takes empty output with status 0 as "unchanged", so every wait
 * here ends by itself and success always has output. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_PATH   "/var/run/kubevirt/migration-hook-socket"
#define SOCKET_NAME   "migration-hook-socket"
#define MARKER_PATH   "/run/kubevirt-private/backend-storage-meta/migrated"
#define END_OF_DOMAIN "</domain>"

enum {
    XML_BYTES_MAX = 8 * 1024 * 1024,
    REASON_BYTES_MAX = 1024,
    WHOLE_MS = 30000, /* as KubeVirt's client */
    WHOLE_MS_MAX = 600000,
    FIRST_BYTES = 64 * 1024,
};

struct text {
    char *ptr;
    size_t len, cap;
};

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Ends the program with one line that libvirt shows to whoever asked for the migration. */
__attribute__((format(printf, 1, 2))) static _Noreturn void fail(const char *format, ...)
{
    va_list args;

    fputs("gantry-libvirt-hook: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* Waits for EVENTS on FD until the time UNTIL. */
static void wait_for(int fd, short events, int64_t until, const char *what)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    for (;;) {
        int64_t left = until - now_ms();

        if (left <= 0)
            fail("%s: no answer in time", what);
        int got = poll(&poll_fd, 1, (int)left);
        if (got > 0)
            return;
        if (got == -1 && errno != EINTR)
            fail("%s: %s", what, strerror(errno));
    }
}

/* Reads FD to its end. */
static struct text read_all(int fd, int64_t until, const char *what)
{
    struct text text = {0};

    for (;;) {
        if (text.cap - text.len < 2) {
            text.cap = text.cap == 0 ? FIRST_BYTES : text.cap * 2;
            if (text.cap > XML_BYTES_MAX + 2)
                text.cap = XML_BYTES_MAX + 2;
            text.ptr = realloc(text.ptr, text.cap);
            if (text.ptr == NULL)
                fail("out of memory");
        }
        wait_for(fd, POLLIN, until, what);
        ssize_t got = read(fd, text.ptr + text.len, text.cap - text.len - 1);
        if (got == -1 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got == -1)
            fail("%s: %s", what, strerror(errno));
        text.len += (size_t)got;
        text.ptr[text.len] = '\0';
        if (got == 0)
            return text;
        if (text.len > XML_BYTES_MAX)
            fail("%s is larger than %d bytes", what, XML_BYTES_MAX);
    }
}

static void write_all(int fd, const char *ptr, size_t len, int64_t until, const char *what)
{
    while (len > 0) {
        wait_for(fd, POLLOUT, until, what);
        ssize_t done = write(fd, ptr, len);
        if (done == -1 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (done == -1)
            fail("%s: %s", what, strerror(errno));
        ptr += done;
        len -= (size_t)done;
    }
}

/* The socket named by the environment, or lying beside this hook, or where KubeVirt has it. */
static void find_socket(const char *self, struct sockaddr_un *addr)
{
    const char *env = getenv("GANTRY_HOOK_SOCKET");
    const char *slash = strrchr(self, '/');
    int len;

    addr->sun_family = AF_UNIX;
    if (env != NULL && env[0] != '\0') {
        len = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", env);
    } else {
        len = snprintf(addr->sun_path, sizeof(addr->sun_path), "%.*s/" SOCKET_NAME,
                       slash == NULL ? 1 : (int)(slash - self), slash == NULL ? "." : self);
        if (len < 0 || (size_t)len >= sizeof(addr->sun_path) || access(addr->sun_path, F_OK) != 0)
            len = snprintf(addr->sun_path, sizeof(addr->sun_path), SOCKET_PATH);
    }
    if (len < 0 || (size_t)len >= sizeof(addr->sun_path))
        fail("the socket's path is longer than %zu bytes", sizeof(addr->sun_path) - 1);
}

static int connect_server(const char *self, int64_t until)
{
    struct sockaddr_un addr = {0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    find_socket(self, &addr);
    if (fd == -1)
        fail("cannot make a socket: %s", strerror(errno));
    /* a Unix socket whose queue is full says EAGAIN, and can only be tried again */
    while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            fail("cannot reach the hook server at \"%s\": %s", addr.sun_path, strerror(errno));
        if (now_ms() >= until)
            fail("the hook server at \"%s\" is too busy", addr.sun_path);
        poll(NULL, 0, 10);
    }
    return fd;
}

static int64_t whole_ms(void)
{
    const char *env = getenv("GANTRY_HOOK_TIMEOUT_MS");
    long ms = env == NULL ? WHOLE_MS : strtol(env, NULL, 10);

    return ms > 0 && ms <= WHOLE_MS_MAX ? ms : WHOLE_MS;
}

/* The text of <error>TEXT</error>, with the five entities of XML put back, on one line. */
static void fail_with_reason(char *text)
{
    static const struct {
        const char *entity;
        char c;
    } entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}};
    char *end = strstr(text, "</error>");
    char reason[REASON_BYTES_MAX];
    size_t len = 0;

    if (end != NULL)
        *end = '\0';
    for (const char *p = text; *p != '\0' && len < sizeof(reason) - 1;) {
        size_t step = 1;
        char c = *p;

        for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]) && c == '&'; i++)
            if (strncmp(p, entities[i].entity, strlen(entities[i].entity)) == 0) {
                c = entities[i].c;
                step = strlen(entities[i].entity);
                break;
            }
        reason[len++] = (unsigned char)c < 0x20 ? ' ' : c;
        p += step;
    }
    reason[len] = '\0';
    fail("%s", reason);
}

/* An answer is one whole domain; anything else must not reach libvirt with status 0. */
static void check_answer(const struct text *answer)
{
    size_t len = answer->len;
    const char *start = answer->ptr + strspn(answer->ptr, " \t\r\n");

    while (len > 0 && strchr(" \t\r\n", answer->ptr[len - 1]) != NULL)
        len--;
    if (len == 0)
        fail("the hook server refused the machine without a reason (see its log)");
    if (strncmp(start, "<error>", strlen("<error>")) == 0)
        fail_with_reason(answer->ptr + (start - answer->ptr) + strlen("<error>"));
    if (strlen(answer->ptr) != answer->len || start[0] != '<')
        fail("the hook server's answer is no XML");
    if (len < strlen(END_OF_DOMAIN) ||
        memcmp(answer->ptr + len - strlen(END_OF_DOMAIN), END_OF_DOMAIN, strlen(END_OF_DOMAIN)) !=
            0)
        fail("the hook server's answer is cut off, or no domain");
}

static void filter_domain(const char *self)
{
    int64_t until = now_ms() + whole_ms();
    struct text domain = read_all(STDIN_FILENO, until, "standard input");

    if (domain.len == 0)
        fail("no domain XML on standard input");

    int fd = connect_server(self, until);
    write_all(fd, domain.ptr, domain.len, until, "sending to the hook server");
    shutdown(fd, SHUT_WR); /* if it fails, the server ends at the root element */
    struct text answer = read_all(fd, until, "the hook server's answer");
    close(fd);
    check_answer(&answer);
    write_all(STDOUT_FILENO, answer.ptr, answer.len, until, "standard output");
    free(domain.ptr);
    free(answer.ptr);
}

static void mark_migrated(void)
{
    const char *env = getenv("GANTRY_HOOK_MARKER");
    const char *path = env == NULL ? MARKER_PATH : env;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd == -1 || fsync(fd) == -1 || close(fd) == -1)
        fail("cannot make the marker \"%s\": %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("gantry-libvirt-hook %s\n", GANTRY_VERSION);
        return 0;
    }
    if (argc < 4)
        return 0;
    if (strcmp(argv[2], "migrate") == 0 && strcmp(argv[3], "begin") == 0)
        filter_domain(argv[0]);
    else if (argc > 4 && strcmp(argv[2], "release") == 0 && strcmp(argv[3], "end") == 0 &&
             strcmp(argv[4], "migrated") == 0)
        mark_migrated();
    return 0;
}
