/* What VMware's libvixDiskLib looks like in memory: constants, structs and functions that we use.
 *
 * Our own statement of facts from VMware's documentation; no header of VMware's is needed to build.
 * The layouts are those of 6.7 and later.  Only disk/vddk_library.c and the tests' own library
 * include this.
 *
 * May use: libc.  Threads: declarations only.
 */
#pragma once

#include <stdarg.h>
#include <stdint.h>

enum {
    VIX_OK = 0,
    VIX_E_OUT_OF_MEMORY = 2,
    VIX_ASYNC = 25000, /* begun: the callback tells its end */

    VIX_MAJOR = 6, /* the interface that we ask for: all later libraries have it, too */
    VIX_MINOR = 5,

    VIX_SECTOR = 512,
    VIX_OPEN_READ_ONLY = 1 << 2,
    VIX_MIN_CHUNK = 128,          /* sectors of a chunk of QueryAllocatedBlocks */
    VIX_MAX_CHUNKS = 512 * 1024,  /* that one call may ask about */
    VIX_CRED_UID = 1,             /* user and password */
    VIX_SPEC_VMX = 0,             /* the spec names a machine */
};

/* The low 16 bits are the number above, the others are details. */
typedef uint64_t vix_error;
#define VIX_CODE(error) ((unsigned)((error) & 0xffff))

struct vix_connect_params {
    char *vmx_spec; /* "moref=vm-12" */
    char *server;
    char *thumbprint;
    long private_use;
    int credential_type;
    union {
        struct {
            char *user, *password;
        } uid;
        struct {
            char *cookie, *user, *key;
        } session;
        void *ticket;
    } credentials;
    uint32_t port;
    uint32_t nfc_host_port;
    char *api_version;
    char reserved[8];
    void *state;
    struct {
        char *id, *datastore, *session;
    } storage_object;
    int spec_type;
};

struct vix_geometry {
    uint32_t cylinders, heads, sectors;
};

struct vix_info {
    struct vix_geometry bios, physical;
    uint64_t capacity; /* sectors */
    int adapter;
    int links;
    char *parent_hint;
    char *uuid;
};

struct vix_block {
    uint64_t offset, length; /* sectors */
};

struct vix_block_list {
    uint32_t count;
    struct vix_block blocks[];
};

typedef void vix_log(const char *format, va_list args);
typedef void vix_done(void *arg, vix_error result);

/* The functions, by what stands behind "VixDiskLib_" in their names.  CAN_MISS: not in every version. */
struct vix_functions {
    vix_error (*InitEx)(uint32_t major, uint32_t minor, vix_log *log, vix_log *warn, vix_log *panic,
                        const char *lib_dir, const char *config_file);
    void (*Exit)(void);
    char *(*GetErrorText)(vix_error error, const char *locale);
    void (*FreeErrorText)(char *text);
    struct vix_connect_params *(*AllocateConnectParams)(void);
    void (*FreeConnectParams)(struct vix_connect_params *params);
    vix_error (*ConnectEx)(const struct vix_connect_params *params, char read_only,
                           const char *snapshot, const char *transports, void **connection);
    vix_error (*Disconnect)(void *connection);
    vix_error (*Open)(void *connection, const char *path, uint32_t flags, void **handle);
    vix_error (*Close)(void *handle);
    vix_error (*GetInfo)(void *handle, struct vix_info **info);
    void (*FreeInfo)(struct vix_info *info);
    const char *(*ListTransportModes)(void);
    const char *(*GetTransportMode)(void *handle);
    vix_error (*QueryAllocatedBlocks)(void *handle, uint64_t start, uint64_t count, uint64_t chunk,
                                      struct vix_block_list **blocks);
    vix_error (*FreeBlockList)(struct vix_block_list *blocks);
    vix_error (*ReadAsync)(void *handle, uint64_t start, uint64_t count, uint8_t *data,
                           vix_done *done, void *arg);
    vix_error (*Wait)(void *handle);
};
