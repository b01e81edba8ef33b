#define LOG_COMPONENT "libvirt"

#include "node/libvirt_keeper.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "node/libvirt_hook.h"
#include "node/libvirt_status.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_DIR "/run/libvirt/qemu" /* in the keeper's mount namespace */

enum {
    PID_MAX = 32,
    ACCOUNTS_MAX = 16 << 20,
    START_MS = 20000,
    LOCK_MS = 500,
    RESTART_MIN_MS = 500,
    RESTART_MAX_MS = 30000,
    SETTLED_MS = 60000, /* a libvirtd that ran so long starts with the short delay again */
};

/* DIR's folder and what it covers.  /run comes last: the others may lie behind links into it. */
static const struct cover {
    const char *own, *path;
} covers[] = {
    {"etc", "/etc/libvirt"},
    {"lib", "/var/lib/libvirt"},
    {"log", "/var/log/libvirt"},
    {"cache", "/var/cache/libvirt"},
    {"log-swtpm", "/var/log/swtpm"},
    {"lib-swtpm", "/var/lib/swtpm-localca"},
    {"run", "/run"},
};

/* QEMU as root without confinement by libvirt: its own seccomp sandbox is on, its files are in
 * gantry's folder.  No virtlogd: QEMU writes its files itself. */
static const char qemu_conf[] = "user = \"root\"\n"
                                "group = \"root\"\n"
                                "security_driver = \"none\"\n"
                                "dynamic_ownership = 0\n"
                                "remember_owner = 0\n"
                                "namespaces = []\n"
                                "cgroup_controllers = []\n"
                                "seccomp_sandbox = 1\n"
                                "stdio_handler = \"file\"\n";

static int write_if_absent(const char *path, const char *text, struct error **err)
{
    return file_exists(path) ? 0 : file_write(path, text, strlen(text), 0600, err);
}

/* libvirt runs TPMs as an account of their package, which keeps its certificates in a folder. */
static int give_to_swtpm(const char *dir, struct error **err)
{
    CLEANUP(str) char *certificates = xasprintf("%s/lib-swtpm", dir);
    const struct passwd *account = getpwnam("tss");

    if (account != NULL && chown(certificates, account->pw_uid, account->pw_gid) == -1)
        return error_sys(err, errno, "cannot give \"%s\" to the TPM's account", certificates);
    return 0;
}

/* The folder of our own programs: where we lie. */
static char *own_dir(void)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (len <= 0)
        return xstrdup(".");
    self[len] = '\0';
    return xstrndup(self, (size_t)(path_base(self) - 1 - self));
}

static int lay_out(const char *dir, struct error **err)
{
    CLEANUP(str) char *libvirtd_conf = xasprintf("%s/etc/libvirtd.conf", dir);
    CLEANUP(str) char *qemu = xasprintf("%s/etc/qemu.conf", dir);
    CLEANUP(str) char *programs = own_dir();
    CLEANUP(error) struct error *no_hook = NULL;
    char uuid[UUID_TEXT_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(covers); i++) {
        CLEANUP(str) char *own = path_join(dir, covers[i].own);

        /* libvirtd makes its folders for users of its own below these */
        if (dir_make(own, 0755, err) == -1 || dir_make(covers[i].path, 0755, err) == -1)
            return -1;
        if (chmod(own, 0755) == -1) /* the agent may have made it, whose umask is strict */
            return error_sys(err, errno, "cannot open folder \"%s\" to all", own);
    }
    /* before libvirtd starts: it does not look for hooks later */
    if (libvirt_hook_install(dir, programs, &no_hook) == -1)
        log_warn_error(no_hook, "machines cannot be received"); /* all else works */
    /* An id of its own: live migration refuses two daemons with the machine's. */
    CLEANUP(str) char *conf = xasprintf("host_uuid = \"%s\"\n"
                                        "auth_unix_rw = \"none\"\n"
                                        "auth_unix_ro = \"none\"\n"
                                        "unix_sock_group = \"root\"\n"
                                        "unix_sock_rw_perms = \"0700\"\n"
                                        "log_outputs = \"2:file:/var/log/libvirt/libvirtd.log\"\n",
                                        random_uuid(uuid));
    if (write_if_absent(libvirtd_conf, conf, err) == -1 || give_to_swtpm(dir, err) == -1)
        return -1;
    return file_write(qemu, qemu_conf, strlen(qemu_conf), 0600, err);
}

/* Names are still resolved by the machine's settings, also where those lie in /run. */
static int keep_resolver(int resolver_fd, const char *path, struct error **err)
{
    CLEANUP(str) char *from = xasprintf("/proc/self/fd/%d", resolver_fd);
    CLEANUP(str) char *dir = xstrdup(path);
    char *slash = strrchr(dir, '/');

    *slash = '\0';
    if (dir_make(dir, 0755, err) == -1)
        return -1;
    CLEANUP(fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd == -1 || mount(from, path, NULL, MS_BIND, NULL) == -1)
        return error_sys(err, errno, "cannot keep \"%s\"", path);
    return 0;
}

/* Lays a copy of PATH with ENTRY at its end over PATH; the copy is DIR/NAME. */
static int add_entry(const char *dir, const char *name, const char *path, const char *entry,
                     struct error **err)
{
    CLEANUP(str) char *own = path_join(dir, name);
    CLEANUP(str) char *text = NULL;

    if (file_read(path, ACCOUNTS_MAX, &text, NULL, err) == -1)
        return -1;
    const char *end = str_ends_with(text, "\n") ? "" : "\n";
    CLEANUP(str) char *more = xasprintf("%s%s%s\n", text, end, entry);
    if (file_write(own, more, strlen(more), 0644, err) == -1)
        return -1;
    if (mount(own, path, NULL, MS_BIND, NULL) == -1)
        return error_sys(err, errno, "cannot lay \"%s\" over \"%s\"", own, path);
    return 0;
}

/* libvirt does not start without the accounts that it was built to run QEMU as, even where its
 * settings say others.  On a machine without its system package libvirtd alone is shown them. */
static int know_qemu_accounts(const char *dir, struct error **err)
{
    if (getpwnam("libvirt-qemu") == NULL &&
        add_entry(dir, "passwd", "/etc/passwd",
                  "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin", err) == -1)
        return -1;
    if (getgrnam("libvirt-qemu") == NULL &&
        add_entry(dir, "group", "/etc/group", "libvirt-qemu:x:64055:", err) == -1)
        return -1;
    return 0;
}

static int enter(const char *dir, struct error **err)
{
    char resolver[PATH_MAX] = "";
    CLEANUP(fd) int resolver_fd = -1;

    if (realpath("/etc/resolv.conf", resolver) != NULL && str_starts_with(resolver, "/run/"))
        resolver_fd = open(resolver, O_PATH | O_CLOEXEC);
    if (unshare(CLONE_NEWNS) == -1 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
        return error_sys(err, errno, "cannot make a mount namespace");
    if (know_qemu_accounts(dir, err) == -1)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(covers); i++) {
        CLEANUP(str) char *own = path_join(dir, covers[i].own);

        if (mount(own, covers[i].path, NULL, MS_BIND, NULL) == -1)
            return error_sys(err, errno, "cannot lay \"%s\" over \"%s\"", own, covers[i].path);
    }
    if (resolver_fd != -1)
        return keep_resolver(resolver_fd, resolver, err);
    return 0;
}

static pid_t start_libvirtd(const sigset_t *mask)
{
    pid_t parent = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    sigprocmask(SIG_SETMASK, mask, NULL);
    /* two daemons must never have the same folders: this one goes with its keeper */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent)
        _exit(127);
    execlp("libvirtd", "libvirtd", "--config", "/etc/libvirt/libvirtd.conf", "--pid-file",
           "/run/libvirtd.pid", NULL);
    _exit(127);
}

/* Reaps all that has ended; true if LIBVIRTD is among it. */
static bool reap(pid_t libvirtd)
{
    bool ended = false;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        ended |= pid == libvirtd;
    return ended;
}

/* Keeps libvirtd running until SIGTERM. */
static void keep(int signals, const sigset_t *mask)
{
    int64_t delay = RESTART_MIN_MS;

    for (;;) {
        libvirt_status_drop_unborn(STATUS_DIR);
        pid_t libvirtd = start_libvirtd(mask);
        int64_t started = time_mono_ms();
        struct signalfd_siginfo info;

        while (read(signals, &info, sizeof(info)) == sizeof(info)) {
            if (info.ssi_signo == SIGTERM) {
                if (libvirtd > 0)
                    kill(libvirtd, SIGTERM);
                return;
            }
            if (reap(libvirtd))
                break;
        }
        delay = time_mono_ms() - started > SETTLED_MS ? RESTART_MIN_MS : delay * 2;
        if (delay > RESTART_MAX_MS)
            delay = RESTART_MAX_MS;
        usleep((useconds_t)delay * 1000);
    }
}

static int take_lock(const char *dir, bool *mine, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, "keeper.lock");
    CLEANUP(str) char *pid_path = path_join(dir, "keeper.pid");
    struct deadline deadline = deadline_after(LOCK_MS);
    char text[PID_MAX];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* open until we end */

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        if (deadline_is_over(deadline)) {
            *mine = false;
            return 0;
        }
        usleep(2000); /* who only looks holds it for an instant */
    }
    *mine = true;
    snprintf(text, sizeof(text), "%d", (int)getpid());
    return file_write(pid_path, text, strlen(text), 0600, err);
}

static int prepare(const char *dir, bool *mine, struct error **err)
{
    if (dir_make(dir, 0700, err) == -1 || take_lock(dir, mine, err) == -1)
        return -1;
    if (!*mine)
        return 0;
    if (lay_out(dir, err) == -1)
        return -1;
    return enter(dir, err);
}

static int background(const char *dir, int ready_fd)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(error) struct error *ignored = NULL;
    bool mine = false;
    sigset_t set, before;

    setsid();
    umask(022); /* libvirt counts on it for folders of other accounts; ours around them is closed */
    if (prepare(dir, &mine, &err) == -1) {
        CLEANUP(str) char *text = error_format(err);

        fd_write_all(ready_fd, text, strlen(text), "answer", &ignored);
        return 1;
    }
    fd_write_all(ready_fd, "ok", 2, "answer", &ignored);
    close(ready_fd);
    if (!mine)
        return 0;

    CLEANUP(fd) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        dup2(null_fd, i);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &before);
    CLEANUP(fd) int signals = signalfd(-1, &set, SFD_CLOEXEC);
    keep(signals, &before);
    return 0;
}

int libvirt_keeper_start(const char *dir, struct error **err)
{
    int ready[2];
    char answer[1024] = "";
    size_t len = 0;

    if (pipe2(ready, O_CLOEXEC) == -1)
        return error_sys(err, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(ready[0]);
        _exit(background(dir, ready[1]));
    }
    close(ready[1]);
    CLEANUP(fd) int fd = ready[0];
    if (pid == -1)
        return error_sys(err, errno, "cannot fork");
    while (len < sizeof(answer) - 1) {
        ssize_t got = read(fd, answer + len, sizeof(answer) - 1 - len);

        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    if (!str_eq(answer, "ok"))
        return error_set(err, ERROR_UNAVAILABLE, "%s", len > 0 ? answer : "the keeper was killed");
    return 0;
}

pid_t libvirt_keeper_find(const char *dir)
{
    CLEANUP(str) char *path = path_join(dir, "keeper.lock");
    CLEANUP(str) char *pid_path = path_join(dir, "keeper.pid");
    CLEANUP(str) char *text = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* none was ever started */
    CLEANUP(fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    uint64_t pid = 0;

    if (fd == -1 || flock(fd, LOCK_SH | LOCK_NB) == 0)
        return 0;
    if (file_read(pid_path, PID_MAX, &text, NULL, &ignored) == -1 || !span_u64(span_of(text), &pid))
        return 0;
    return (pid_t)pid;
}
