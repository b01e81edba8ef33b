/* Why bubblewrap and not our own code: doc/design/sandbox.md.
 *
 * The order of the arguments is the order of mounts: the machine's programs, private folders, the
 * container's own mounts, then files as data, and last the root becomes read-only.  All of them go
 * through --args, a memory file; the command line itself shows nothing but that and the program. */
#include "node/sandbox.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"
#include "data/base64.h"
#include "data/obj.h"
#include "node/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ARGS_MAX = 2 * 1024 * 1024,
    PROBE_MS = 10000,
    PROBE_OUTPUT_MAX = 4096,
    CHILDREN_MAX = 4096,
    HOSTNAME_MAX = 63,
};

/* What programs need of /etc; keys, passwords and the configuration of services stay out. */
static const char *const etc_parts[] = {
    "alternatives", "ansible",     "bash.bashrc",   "ca-certificates", "crypto-policies",
    "fonts",        "group",       "gss",           "host.conf",       "hosts",
    "inputrc",      "ld.so.cache", "ld.so.conf",    "ld.so.conf.d",    "localtime",
    "magic",        "mime.types",  "nsswitch.conf", "os-release",      "passwd",
    "perl",         "pki",         "profile",       "protocols",       "python3",
    "python3.11",   "resolv.conf", "rpc",           "services",        "terminfo",
    "timezone",     "vimrc",       "virt-v2v",      "libguestfs-tools.conf",
};

static bool runs(const char *const *flags, char **why)
{
    const char *argv[32] = {"bwrap", "--ro-bind", "/", "/"};
    size_t n = 4;
    CLEANUP(process_result) struct process_result result = {0};
    CLEANUP(error) struct error *err = NULL;

    for (size_t i = 0; flags[i] != NULL; i++)
        argv[n++] = flags[i];
    argv[n++] = "true";

    struct process_options options = {.argv = argv};
    bool ok = process_run(&options, NULL, 0, PROBE_OUTPUT_MAX, deadline_after(PROBE_MS), NULL,
                          &result, &err) == 0 &&
              result.status == 0;
    if (!ok && why != NULL)
        *why = err != NULL ? error_format(err) : span_dup(span_trim(span_of(result.errors)));
    return ok;
}

void sandbox_probe(struct sandbox_abilities *abilities, char **why)
{
    *abilities = (struct sandbox_abilities){0};
    if (!runs((const char *const[]){NULL}, why))
        return;
    abilities->works = true;
    abilities->pid = runs((const char *const[]){"--unshare-pid", NULL}, NULL);
    abilities->user =
        runs((const char *const[]){"--unshare-user", "--uid", "107", "--gid", "107", NULL}, NULL);
    abilities->new_proc =
        abilities->pid && runs((const char *const[]){"--unshare-pid", "--proc", "/proc",
                                                     abilities->user ? "--unshare-user" : NULL, NULL},
                               NULL);
    abilities->network = runs((const char *const[]){"--unshare-net", NULL}, NULL);
    abilities->ipc = runs((const char *const[]){"--unshare-ipc", NULL}, NULL);
}

void sandbox_command_reset(struct sandbox_command *command)
{
    str_list_free_all(&command->argv);
    for (size_t i = 0; i < command->fd_count; i++)
        close(command->fds[i]);
    free(command->fds);
    if (command->info_fd > 0)
        close(command->info_fd);
    if (command->block_fd > 0)
        close(command->block_fd);
    *command = (struct sandbox_command){0};
}

/* The arguments under construction. */
struct build {
    struct buf *args; /* each with its NUL */
    struct sandbox_command *command;
};

static void arg(struct build *b, const char *text)
{
    buf_append(b->args, text, strlen(text) + 1);
}

static void args2(struct build *b, const char *option, const char *value)
{
    arg(b, option);
    arg(b, value);
}

static void args3(struct build *b, const char *option, const char *one, const char *two)
{
    arg(b, option);
    arg(b, one);
    arg(b, two);
}

/* Lets bwrap inherit FD, which the command now owns, and returns its number as text. */
static void arg_fd(struct build *b, const char *option, int fd)
{
    char text[16];
    struct sandbox_command *command = b->command;

    command->fds = xreallocarray(command->fds, command->fd_count + 1, sizeof(int));
    command->fds[command->fd_count++] = fd;
    snprintf(text, sizeof(text), "%d", fd);
    arg(b, option);
    arg(b, text);
}

static int memory_file(const char *name, const void *data, size_t len, struct error **err)
{
    CLEANUP(fd) int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd == -1)
        return error_sys(err, errno, "cannot make a memory file");
    if (fd_write_all(fd, data, len, name, err) == -1)
        return -1;
    if (lseek(fd, 0, SEEK_SET) == -1)
        return error_sys(err, errno, "cannot rewind a memory file");
    return steal_fd(&fd);
}

static void add_machine(struct build *b, const struct sandbox_abilities *abilities)
{
    static const char *const roots[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
    static const char *const private_dirs[] = {"/tmp", "/var/tmp", "/run", "/root"};

    args3(b, "--ro-bind", "/usr", "/usr");
    for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
        CLEANUP(str) char *path = xasprintf("/%s", roots[i]);
        char target[PATH_MAX];
        ssize_t len = readlink(path, target, sizeof(target) - 1);

        if (len > 0) {
            target[len] = '\0';
            args3(b, "--symlink", target, path);
        } else {
            args3(b, "--ro-bind-try", path, path);
        }
    }
    args3(b, "--perms", "0755", "--dir");
    arg(b, "/etc");
    for (size_t i = 0; i < ARRAY_SIZE(etc_parts); i++) {
        CLEANUP(str) char *path = xasprintf("/etc/%s", etc_parts[i]);

        args3(b, "--ro-bind-try", path, path);
    }
    args3(b, "--ro-bind-try", "/etc/ssl/certs", "/etc/ssl/certs");
    args3(b, "--ro-bind-try", "/etc/ssl/openssl.cnf", "/etc/ssl/openssl.cnf");
    if (abilities->new_proc) {
        args2(b, "--proc", "/proc");
    } else {
        args3(b, "--ro-bind", "/proc", "/proc");
    }
    args2(b, "--dev", "/dev");
    for (size_t i = 0; i < ARRAY_SIZE(private_dirs); i++) {
        args3(b, "--perms", i < 2 ? "1777" : "0755", "--tmpfs");
        arg(b, private_dirs[i]);
    }
}

static void add_namespaces(struct build *b, const struct sandbox_abilities *abilities,
                           const json_t *container)
{
    int64_t uid = obj_int(container, "uid", 0), gid = obj_int(container, "gid", 0);
    const char *network = obj_str(container, "network", "none");
    char text[24];

    arg(b, "--die-with-parent");
    arg(b, "--new-session");
    arg(b, "--unshare-uts");
    arg(b, "--unshare-cgroup-try");
    if (abilities->pid)
        arg(b, "--unshare-pid");
    if (abilities->ipc)
        arg(b, "--unshare-ipc");
    if (abilities->network && !str_eq(network, "host"))
        arg(b, "--unshare-net");
    /* Root, too: whatever rights it finds are rights over this namespace only. */
    if (abilities->user) {
        arg(b, "--unshare-user");
        snprintf(text, sizeof(text), "%d", (int)uid);
        args2(b, "--uid", text);
        snprintf(text, sizeof(text), "%d", (int)gid);
        args2(b, "--gid", text);
    }
    args2(b, "--cap-drop", "ALL");
    /* A Pod's name may be longer than the kernel takes: cut as the kubelet does. */
    CLEANUP(str) char *hostname =
        xasprintf("%.*s", HOSTNAME_MAX, obj_str(container, "hostname", "container"));
    for (size_t len = strlen(hostname); len > 0 && strchr("-.", hostname[len - 1]) != NULL; len--)
        hostname[len - 1] = '\0';
    args2(b, "--hostname", hostname);
}

/* Makes the folders above PATH, so that they get ordinary permissions; those that a mount brought
 * are left as they are. */
static void add_parents(struct build *b, const char *path)
{
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        CLEANUP(str) char *dir = xstrndup(path, (size_t)(slash - path));

        args3(b, "--perms", "0755", "--dir");
        arg(b, dir);
    }
}

static bool is_safe_target(const char *path)
{
    return path[0] == '/' && path_is_plain_relative(path + 1, strlen(path + 1));
}

static int add_mounts(struct build *b, const json_t *container, struct error **err)
{
    const json_t *mount;
    size_t i;

    if (obj_count(container, "mounts") > SANDBOX_MAX_MOUNTS)
        return error_set(err, ERROR_INVALID, "more than %d mounts", SANDBOX_MAX_MOUNTS);
    json_array_foreach(obj_arr(container, "mounts"), i, mount)
    {
        const char *from = NULL, *to = NULL;
        bool read_only = obj_bool(mount, "readOnly", false);

        if (obj_need_str(mount, "from", &from, err) == -1 ||
            obj_need_str(mount, "to", &to, err) == -1)
            return error_wrap(err, "mount %zu", i);
        if (!is_safe_target(to))
            return error_set(err, ERROR_INVALID, "mount path \"%s\" is not a plain absolute path", to);
        /* bubblewrap would only find out once it has told us that the container is there */
        if (!file_exists(from))
            return error_set(err, ERROR_UNAVAILABLE, "nothing to mount at \"%s\"", from);
        add_parents(b, to);
        args3(b,
              obj_bool(mount, "device", false) ? "--dev-bind"
              : read_only                      ? "--ro-bind"
                                               : "--bind",
              from, to);
    }
    return 0;
}

/* Folders that exist even if no file lies in them. */
static void add_dirs(struct build *b, const json_t *container)
{
    const json_t *dir;
    size_t i;

    json_array_foreach(obj_arr(container, "dirs"), i, dir)
    {
        const char *path = json_is_string(dir) ? json_string_value(dir) : "";

        if (!is_safe_target(path))
            continue;
        add_parents(b, path);
        args3(b, "--perms", "0755", "--dir");
        arg(b, path);
    }
}

static int add_files(struct build *b, const json_t *container, struct error **err)
{
    const json_t *file;
    size_t i;

    if (obj_count(container, "files") > SANDBOX_MAX_FILES)
        return error_set(err, ERROR_INVALID, "more than %d files of secrets and config maps",
                         SANDBOX_MAX_FILES);
    json_array_foreach(obj_arr(container, "files"), i, file)
    {
        const char *path = NULL, *text = NULL;
        CLEANUP(str) char *data = NULL;
        char mode[16];
        size_t len = 0;

        if (obj_need_str(file, "path", &path, err) == -1 ||
            obj_need_str(file, "data", &text, err) == -1)
            return error_wrap(err, "file %zu", i);
        if (!is_safe_target(path))
            return error_set(err, ERROR_INVALID, "file path \"%s\" is not a plain absolute path", path);
        if (strlen(text) / 4 * 3 > SANDBOX_MAX_FILE_BYTES)
            return error_set(err, ERROR_INVALID, "file \"%s\" is too large", path);
        if (base64_decode(text, strlen(text), &data, &len, err) == -1)
            return error_wrap(err, "file \"%s\"", path);

        int fd = memory_file("file", data, len, err);
        explicit_bzero(data, len);
        if (fd == -1)
            return -1;
        snprintf(mode, sizeof(mode), "%04o", (unsigned)obj_int(file, "mode", 0644) & 0777);
        add_parents(b, path);
        arg(b, "--perms");
        arg(b, mode);
        arg_fd(b, "--ro-bind-data", fd);
        arg(b, path);
    }
    return 0;
}

static void add_environment(struct build *b, const json_t *container)
{
    const char *name;
    json_t *value;

    arg(b, "--clearenv");
    json_object_foreach(obj_obj(container, "env"), name, value)
        if (json_is_string(value))
            args3(b, "--setenv", name, json_string_value(value));
#ifdef __SANITIZE_ADDRESS__
    /* the leak check traces its own process, which the system call filter does not let it do */
    args3(b, "--setenv", "ASAN_OPTIONS", "detect_leaks=0");
#endif
    args2(b, "--chdir", obj_str(container, "cwd", "/"));
}

/* The pipes by which we learn the program's process id and hold it until its limits are set. */
static int add_pipes(struct build *b, struct error **err)
{
    int info[2], block[2];

    if (pipe2(info, O_CLOEXEC) == -1)
        return error_sys(err, errno, "cannot make a pipe");
    b->command->info_fd = info[0];
    arg_fd(b, "--info-fd", info[1]);
    if (pipe2(block, O_CLOEXEC) == -1)
        return error_sys(err, errno, "cannot make a pipe");
    b->command->block_fd = block[1];
    arg_fd(b, "--block-fd", block[0]);
    return 0;
}

static int add_program(struct build *b, const json_t *container, struct error **err)
{
    struct sandbox_command *command = b->command;
    const json_t *word;
    size_t i;

    if (buf_check(b->args, err) == -1)
        return error_wrap(err, "environment and mounts");
    int fd = memory_file("arguments", b->args->ptr, b->args->len, err);
    if (fd == -1)
        return -1;
    command->fds = xreallocarray(command->fds, command->fd_count + 1, sizeof(int));
    command->fds[command->fd_count++] = fd;

    str_list_push(&command->argv, xstrdup("bwrap"));
    str_list_push(&command->argv, xstrdup("--args"));
    str_list_push(&command->argv, xasprintf("%d", fd));
    str_list_push(&command->argv, xstrdup("--"));
    if (obj_count(container, "argv") == 0 || obj_count(container, "argv") > SANDBOX_MAX_ARGS)
        return error_set(err, ERROR_INVALID, "command has no or too many words");
    json_array_foreach(obj_arr(container, "argv"), i, word)
        str_list_push(&command->argv, xstrdup(json_is_string(word) ? json_string_value(word) : ""));
    return 0;
}

int sandbox_build(const struct sandbox_abilities *abilities, const json_t *container,
                  struct sandbox_command *out, struct error **err)
{
    CLEANUP(sandbox_command) struct sandbox_command command = {0};
    CLEANUP(buf) struct buf args = BUF_INIT(ARGS_MAX);
    struct build b = {.args = &args, .command = &command};
    CLEANUP(error) struct error *no_filter = NULL; /* only defence in depth: go on without */
    int filter = seccomp_open_filter(obj_bool(container, "ioUring", false), &no_filter);

    add_namespaces(&b, abilities, container);
    add_machine(&b, abilities);
    if (filter != -1)
        arg_fd(&b, "--seccomp", filter);

    if (add_mounts(&b, container, err) == -1)
        return -1;
    add_dirs(&b, container);
    if (add_files(&b, container, err) == -1)
        return -1;
    args2(&b, "--remount-ro", "/");
    add_environment(&b, container);
    if (add_pipes(&b, err) == -1 || add_program(&b, container, err) == -1)
        return -1;
    *out = command;
    command = (struct sandbox_command){0};
    return 0;
}

pid_t sandbox_program_of(pid_t inner)
{
    CLEANUP(str) char *path = xasprintf("/proc/%d/task/%d/children", (int)inner, (int)inner);
    CLEANUP(str) char *text = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* it has just ended */
    struct span first = {0};
    uint64_t pid = 0;

    if (file_read(path, CHILDREN_MAX, &text, NULL, &ignored) == -1)
        return inner;
    struct span rest = span_of(text);
    return span_split(&rest, ' ', &first) && span_u64(first, &pid) && pid > 1 ? (pid_t)pid : inner;
}
