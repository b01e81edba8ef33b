#include "node/seccomp.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define OUR_ARCH 0
#endif

/* The bit that marks the x32 calling convention, by which any call has a second number. */
enum { X32_BIT = 0x40000000 };

/* clang-format off */
static const uint32_t denied[] = {
    SYS_acct, SYS_add_key, SYS_bpf, SYS_delete_module, SYS_finit_module, SYS_fsconfig, SYS_fsmount,
    SYS_fsopen, SYS_fspick, SYS_init_module, SYS_kexec_load, SYS_keyctl, SYS_mount,
    SYS_mount_setattr, SYS_move_mount, SYS_move_pages, SYS_open_by_handle_at, SYS_open_tree,
    SYS_perf_event_open, SYS_pivot_root, SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace,
    SYS_quotactl, SYS_reboot, SYS_request_key, SYS_setns, SYS_swapoff, SYS_swapon, SYS_umount2,
    SYS_unshare, SYS_userfaultfd,
    /* The last three are let through for those who may use io_uring. */
    SYS_io_uring_enter, SYS_io_uring_register, SYS_io_uring_setup,
};
/* clang-format on */

enum { IO_URING_CALLS = 3 };

int seccomp_open_filter(bool io_uring, struct error **err)
{
    enum { HEAD = 6, TAIL = 2 };
    size_t calls = ARRAY_SIZE(denied) - (io_uring ? IO_URING_CALLS : 0);
    size_t count = HEAD + calls + TAIL;
    struct sock_filter program[HEAD + ARRAY_SIZE(denied) + TAIL] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };

    if (OUR_ARCH == 0)
        return error_set(err, ERROR_UNSUPPORTED, "no system call filter for this processor");
    for (size_t i = 0; i < calls; i++)
        program[HEAD + i] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, denied[i], (uint8_t)(calls - i), 0);
    program[count - 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[count - 1] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);

    CLEANUP(fd) int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd == -1)
        return error_sys(err, errno, "cannot make a memory file");
    if (fd_write_all(fd, program, count * sizeof(program[0]), "system call filter", err) == -1)
        return -1;
    if (lseek(fd, 0, SEEK_SET) == -1)
        return error_sys(err, errno, "cannot rewind the system call filter");
    return steal_fd(&fd);
}
