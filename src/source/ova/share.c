#include "source/ova/share.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NFS_PORT = 2049, MAX_URL = 4096 };

int ova_share_parse(const char *url, struct ova_share *share, struct error **err)
{
    const char *path = url;

    if (str_is_empty(url))
        return error_set(err, ERROR_INVALID, "no url");
    if (strlen(url) > MAX_URL)
        return error_set(err, ERROR_INVALID, "the url has more than %d bytes", MAX_URL);
    if (str_starts_with(url, "file://"))
        path = url + strlen("file://");
    if (*path == '/') {
        share->path = xstrdup(path);
        return 0;
    }

    const char *colon = strchr(url, ':');
    if (colon == NULL || colon == url || colon[1] != '/' || colon[2] == '/' || colon[2] == ':') {
        error_set(err, ERROR_INVALID, "url \"%.200s\" is neither SERVER:/PATH nor a folder", url);
        return error_hint(err, "write nfs.example.org:/export/ova, or /srv/ova for a folder of the "
                               "machine that gantryd runs on");
    }
    share->server = xstrndup(url, (size_t)(colon - url));
    share->path = xstrdup(colon + 1);
    return 0;
}

/* A local folder. */

static int attach_local(struct ova_share *share, struct error **err)
{
    int fd = open(share->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1)
        return error_sys(err, errno, "cannot open the folder \"%s\"", share->path);
    share->root = fd;
    return 0;
}

/* NFS. */

/* The server's addresses; those that accept a connection to the NFS port are worth mounting.  Only
 * a test of reachability: without it an unreachable server costs minutes inside the kernel. */
static int try_connect(const struct addrinfo *address, struct deadline deadline,
                       struct cancel *cancel, struct error **err)
{
    CLEANUP(fd) int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int problem = 0;
    socklen_t len = sizeof(problem);

    if (fd == -1)
        return error_sys(err, errno, "cannot make a socket");
    if (connect(fd, address->ai_addr, address->ai_addrlen) == -1 && errno != EINPROGRESS)
        return error_set(err, ERROR_UNAVAILABLE, "%s", strerror(errno));

    struct pollfd polls[2] = {{.fd = fd, .events = POLLOUT}, {.fd = -1, .events = POLLIN}};
    if (cancel != NULL)
        polls[1].fd = cancel_fd(cancel);
    int ready = poll(polls, 2, deadline_left_ms(deadline));
    if (cancel_is_requested(cancel))
        return error_set(err, ERROR_CANCELED, "canceled");
    if (ready <= 0)
        return error_set(err, ERROR_TIMEOUT, "no answer within %d s", OVA_SHARE_CONNECT_MS / 1000);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) == -1 || problem != 0)
        return error_set(err, ERROR_UNAVAILABLE, "%s", strerror(problem ? problem : errno));
    return 0;
}

static int find_address(const struct ova_share *share, struct cancel *cancel, char text[NI_MAXHOST],
                        struct error **err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    CLEANUP(str) char *port = xasprintf("%d", NFS_PORT);
    struct deadline deadline = deadline_after(OVA_SHARE_CONNECT_MS);
    int code = getaddrinfo(share->server, port, &hints, &list);
    int result = -1;

    if (code != 0)
        return error_set(err, ERROR_UNAVAILABLE, "cannot resolve the NFS server \"%s\": %s",
                         share->server, gai_strerror(code));
    for (const struct addrinfo *at = list; at != NULL && result == -1; at = at->ai_next) {
        error_clear(err);
        result = try_connect(at, deadline, cancel, err);
        if (result == 0)
            getnameinfo(at->ai_addr, at->ai_addrlen, text, NI_MAXHOST, NULL, 0, NI_NUMERICHOST);
    }
    freeaddrinfo(list);
    if (result == -1)
        return error_wrap(err, "cannot reach the NFS server \"%s\" on port %d", share->server,
                          NFS_PORT);
    return 0;
}

/* Mounting may block in the kernel, so a thread of its own does it.  Who waits may give up: then
 * the thread owns the job and closes what it got. */
struct mount_job {
    char *source;
    char *address;
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    bool done; /* guarded by lock, as all below */
    bool abandoned;
    int root;
    struct error *err;
};

static void job_free(struct mount_job *job)
{
    if (job->root != -1)
        close(job->root);
    error_free(job->err);
    free(job->source);
    free(job->address);
    pthread_mutex_destroy(&job->lock);
    pthread_cond_destroy(&job->done_cond);
    free(job);
}

/* The kernel's own words about what went wrong, as the file system's context has them. */
static int set_mount_error(int context, int sys, const char *what, struct error **err)
{
    char text[512];
    ssize_t len = read(context, text, sizeof(text) - 1);

    if (len <= 2)
        return error_sys(err, sys, "%s", what);
    text[len] = '\0';
    struct span words = span_trim((struct span){text + 2, (size_t)len - 2}); /* "e TEXT" */
    return error_set(err, sys == ETIMEDOUT ? ERROR_TIMEOUT : ERROR_UNAVAILABLE, "%s: %.*s", what,
                     (int)words.len, words.ptr);
}

static int mount_version(const struct mount_job *job, const char *version, struct error **err)
{
    bool is_v3 = str_eq(version, "3");
    CLEANUP(fd) int context = fsopen(is_v3 ? "nfs" : "nfs4", FSOPEN_CLOEXEC);

    if (context == -1)
        return errno == ENODEV ? error_set(err, ERROR_UNSUPPORTED, "this kernel has no NFS client")
                               : error_sys(err, errno, "cannot prepare an NFS mount");

    const char *const options[][2] = {
        {"source", job->source}, {"addr", job->address}, {"vers", version},
        {"timeo", "100"}, /* tenths of a second for an answer */
        {"retrans", "2"},        {"proto", "tcp"},       {is_v3 ? "mountproto" : NULL, "tcp"},
    };
    const char *const flags[] = {"ro", "soft", is_v3 ? "nolock" : NULL};
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (options[i][0] != NULL &&
            fsconfig(context, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) == -1)
            return set_mount_error(context, errno, options[i][0], err);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (flags[i] != NULL && fsconfig(context, FSCONFIG_SET_FLAG, flags[i], NULL, 0) == -1)
            return set_mount_error(context, errno, flags[i], err);
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == -1)
        return set_mount_error(context, errno, "the server refused", err);
    return fsmount(context, FSMOUNT_CLOEXEC,
                   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

static void *mount_thread(void *arg)
{
    static const char *const versions[] = {"4.2", "4.1", "4.0", "3"};
    struct mount_job *job = arg;
    struct error *first = NULL;
    int root = -1;

    for (size_t i = 0; i < ARRAY_SIZE(versions) && root == -1; i++) {
        struct error *err = NULL;

        root = mount_version(job, versions[i], &err);
        if (root == -1 && err == NULL)
            error_sys(&err, errno, "cannot mount");
        if (first == NULL)
            first = steal(&err);
        error_free(err);
    }

    pthread_mutex_lock(&job->lock);
    job->root = root;
    job->err = first;
    job->done = true;
    bool abandoned = job->abandoned;
    pthread_cond_signal(&job->done_cond);
    pthread_mutex_unlock(&job->lock);
    if (abandoned)
        job_free(job);
    return NULL;
}

/* Waits for the mount; false if it is given up, which makes JOB the thread's. */
static bool wait_for_mount(struct mount_job *job, struct cancel *cancel)
{
    struct deadline deadline = deadline_after(OVA_SHARE_MOUNT_MS);
    LOCK_SCOPE(&job->lock);

    while (!job->done && !deadline_is_over(deadline) && !cancel_is_requested(cancel))
        cond_wait(&job->done_cond, &job->lock, deadline_after(200));
    job->abandoned = !job->done;
    return job->done;
}

static int attach_nfs(struct ova_share *share, struct cancel *cancel, struct error **err)
{
    char address[NI_MAXHOST];
    pthread_t thread;

    if (geteuid() != 0) {
        error_set(err, ERROR_DENIED, "an NFS share can only be mounted by root");
        return error_hint(err,
                          "run gantryd as root, or mount %s:%s yourself and give the folder "
                          "as the url",
                          share->server, share->path);
    }
    if (find_address(share, cancel, address, err) == -1)
        return -1;

    struct mount_job *job = xcalloc(1, sizeof(*job));
    job->source = xasprintf("%s:%s", share->server, share->path);
    job->address = xstrdup(address);
    job->root = -1;
    pthread_mutex_init(&job->lock, NULL);
    cond_init(&job->done_cond);
    if (pthread_create(&thread, NULL, mount_thread, job) != 0) {
        job_free(job);
        return error_set(err, ERROR_UNAVAILABLE, "cannot start a thread");
    }
    pthread_detach(thread);
    if (!wait_for_mount(job, cancel))
        return cancel_is_requested(cancel)
                   ? error_set(err, ERROR_CANCELED, "canceled")
                   : error_set(err, ERROR_TIMEOUT, "mounting %s:%s takes more than %d s",
                               share->server, share->path, OVA_SHARE_MOUNT_MS / 1000);

    share->root = steal_fd(&job->root);
    int result = 0;
    if (share->root == -1) {
        *err = steal(&job->err);
        result =
            error_wrap(err, "cannot mount the NFS share \"%s:%s\"", share->server, share->path);
    }
    job_free(job);
    return result;
}

int ova_share_attach(struct ova_share *share, struct cancel *cancel, struct error **err)
{
    if (share->root != -1)
        return 0;
    return share->server ? attach_nfs(share, cancel, err) : attach_local(share, err);
}

void ova_share_detach(struct ova_share *share)
{
    cleanup_fd(&share->root);
    share->root = -1;
}

json_t *ova_share_volume(const struct ova_share *share)
{
    if (share->server != NULL)
        return obj_pack("{s:{s:s, s:s, s:b}}", "nfs", "server", share->server, "path", share->path,
                        "readOnly", 1);
    return obj_pack("{s:{s:s, s:s}}", "hostPath", "path", share->path, "type", "Directory");
}

char *ova_share_display_path(const struct ova_share *share, const char *rel)
{
    const char *base = share->server ? "/ova" : share->path;
    size_t len = strlen(base);

    while (len > 0 && base[len - 1] == '/')
        len--;
    return xasprintf("%.*s/%s", (int)len, base, rel);
}

int ova_share_open_at(int root, const char *rel, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)flags | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, root, rel, &how, sizeof(how));
}

void ova_share_reset(struct ova_share *share)
{
    if (share->root > 0)
        close(share->root);
    free(share->server);
    free(share->path);
    *share = OVA_SHARE_INIT;
}
