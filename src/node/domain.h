/* From a VirtualMachineInstance to libvirt's domain XML.
 *
 * Pure: what it needs of the world (paths of volumes, networks, the accelerator) is passed in, so
 * that golden files show what becomes of a machine.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct error;

struct domain_input {
    const json_t *vmi;
    const char *uuid;          /* of the domain */
    const char *dir;           /* the machine's folder: console.log, nvram.fd */
    const char *emulator;      /* /usr/bin/qemu-system-x86_64 */
    bool kvm;                  /* else emulation */
    const json_t *volumes;     /* {NAME: {path, block, readOnly}} */
    const json_t *networks;    /* {NAME: {bridge}}; without bridge: user network */
};

/* The domain's name: NAMESPACE_NAME, as KubeVirt has it.  Owned by the caller. */
char *domain_name(const json_t *vmi);

/* The XML, owned by the caller, or NULL.  What cannot be done is ERROR_UNSUPPORTED or ERROR_INVALID
 * naming the field. */
char *domain_format(const struct domain_input *input, struct error **err);
