/* Machines from words, parted by commas:
 *
 *   name=NAME         disk=SIZE or disk=FILE (raw; several)   datastore=ds|vsan (of disks behind it)
 *   cpus=N cores=N memory=MiB power=on|off ctk=on|off tools=on|off firmware=bios|efi
 *   secure-boot=on tpm=on nested=on hot-add=on template=on disconnected=on rdm=on independent=on
 *   guest=GUEST_ID address=IP nic=CLASS (several; on "VM Network") host=1|2
 *   writer=BYTES_PER_S from=OFFSET (the guest writes behind it)  bus=scsi|sata|nvme|ide */
#include "fake.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/size.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct fake_machine new_machine(struct fake_vcenter *fake, size_t number)
{
    return (struct fake_machine){
        .id = xasprintf("vm-%zu", number),
        .name = xasprintf("machine %zu", number),
        .uuid = xasprintf("42000000-0000-4000-8000-%012zx", number),
        .instance_uuid = xasprintf("50000000-0000-4000-8000-%012zx", number),
        .guest_id = xstrdup("debian11_64Guest"),
        .guest_name = xstrdup("Debian GNU/Linux 11 (64-bit)"),
        .has_tools = true,
        .on = true,
        .efi = true,
        .cpus = 4,
        .cores = 2,
        .memory_mb = 2048,
        .host = 1,
        .ctk = true,
        .seed = 0x9e3779b97f4a7c15ull * (number + 1),
    };
}

static void add_machine(struct fake_vcenter *fake, struct fake_machine machine)
{
    fake_machine_list_push(&fake->machines, machine);
    map_put(fake->index, machine.id, (void *)(uintptr_t)fake->machines.len);
    fake_touch(fake, &fake->machines.ptr[fake->machines.len - 1]);
}

void fake_machine_add_plain(struct fake_vcenter *fake)
{
    size_t number = fake->machines.len + 1;
    struct fake_machine machine = new_machine(fake, number);
    CLEANUP(error) struct error *err = NULL; /* without content nothing can fail */
    struct disk disk = {.key = 2000,
                        .controller = 1000,
                        .datastore = xstrdup("ds"),
                        .folder = xasprintf("m%zu", number),
                        .stem = xstrdup("d"),
                        .capacity = 1ULL << 30};

    disk_init(&disk, NULL, NULL, &err);
    disk_list_push(&machine.disks, disk);
    fake_nic_list_push(&machine.nics,
                       (struct fake_nic){.mac = xasprintf("00:50:56:AA:00:%02zX", number % 256),
                                         .class = "VirtualVmxnet3"});
    add_machine(fake, machine);
}

struct parsing {
    struct fake_vcenter *fake;
    struct fake_machine machine;
    const char *datastore;
    int controller;
};

static int add_disk(struct parsing *p, const char *text, struct error **err)
{
    struct fake_machine *machine = &p->machine;
    size_t at = machine->disks.len;
    struct disk disk = {.key = 2000 + (int)at, .controller = p->controller, .unit = (int)at};
    struct stat st;

    if (*text == '/') {
        if (stat(text, &st) == -1)
            return error_set(err, ERROR_NOT_FOUND, "no file \"%s\"", text);
        disk.capacity = (uint64_t)st.st_size;
    } else if (size_parse(text, strlen(text), &disk.capacity, err) == -1) {
        return -1;
    }
    disk.datastore = xstrdup(p->datastore);
    disk.folder = xstrdup(machine->name);
    disk.stem = at == 0 ? xstrdup(machine->name) : xasprintf("%s_%zu", machine->name, at);
    if (disk_init(&disk, p->fake->dir, *text == '/' ? text : NULL, err) == -1) {
        disk_reset(&disk);
        return -1;
    }
    disk_list_push(&machine->disks, disk);
    return 0;
}

static void add_nic(struct parsing *p, const char *class)
{
    static const char *const classes[] = {"VirtualVmxnet3", "VirtualE1000", "VirtualE1000e"};
    size_t number = p->fake->machines.len + 1, at = p->machine.nics.len;

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
        if (str_eq(classes[i], class))
            fake_nic_list_push(
                &p->machine.nics,
                (struct fake_nic){.mac = xasprintf("00:50:56:BB:%02zX:%02zX", number, at),
                                  .class = classes[i],
                                  .standard = true});
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = xstrdup(value);
}

static bool set_flag(struct fake_machine *machine, const char *key, const char *value)
{
    const struct {
        const char *key;
        bool *flag;
    } flags[] = {{"power", &machine->on},
                 {"ctk", &machine->ctk},
                 {"tools", &machine->has_tools},
                 {"secure-boot", &machine->secure_boot},
                 {"tpm", &machine->tpm},
                 {"nested", &machine->nested},
                 {"hot-add", &machine->hot_add},
                 {"template", &machine->is_template},
                 {"disconnected", &machine->disconnected},
                 {"rdm", &machine->raw_device},
                 {"independent", &machine->independent}};

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (str_eq(flags[i].key, key)) {
            *flags[i].flag = str_eq(value, "on");
            return true;
        }
    return false;
}

static int bus_controller(const char *bus)
{
    return str_eq(bus, "sata")   ? 15000
           : str_eq(bus, "nvme") ? 31000
           : str_eq(bus, "ide")  ? 200
                                 : 1000;
}

static int set_word(struct parsing *p, const char *key, const char *value, struct error **err)
{
    struct fake_machine *machine = &p->machine;

    if (set_flag(machine, key, value))
        return 0;
    if (str_eq(key, "name"))
        set_text(&machine->name, value);
    else if (str_eq(key, "guest"))
        set_text(&machine->guest_id, value);
    else if (str_eq(key, "address"))
        set_text(&machine->address, value);
    else if (str_eq(key, "disk"))
        return add_disk(p, value, err);
    else if (str_eq(key, "nic"))
        add_nic(p, value);
    else if (str_eq(key, "datastore"))
        p->datastore = str_eq(value, "vsan") ? "vsan" : "ds";
    else if (str_eq(key, "bus"))
        p->controller = bus_controller(value);
    else if (str_eq(key, "cpus"))
        machine->cpus = (int)strtol(value, NULL, 10);
    else if (str_eq(key, "cores"))
        machine->cores = (int)strtol(value, NULL, 10);
    else if (str_eq(key, "memory"))
        machine->memory_mb = (int)strtol(value, NULL, 10);
    else if (str_eq(key, "host"))
        machine->host = (int)strtol(value, NULL, 10);
    else if (str_eq(key, "firmware"))
        machine->efi = str_eq(value, "efi");
    else if (str_eq(key, "writer"))
        machine->writer_rate = strtoull(value, NULL, 10);
    else if (str_eq(key, "from"))
        machine->writer_from = strtoull(value, NULL, 10);
    else
        return error_set(err, ERROR_INVALID, "no such word \"%s\"", key);
    return 0;
}

int fake_machine_parse(struct fake_vcenter *fake, const char *spec, struct error **err)
{
    struct parsing p = {.fake = fake,
                        .machine = new_machine(fake, fake->machines.len + 1),
                        .datastore = "ds",
                        .controller = 1000};
    struct span rest = span_of(spec), word = {0};
    int result = 0;

    p.machine.efi = false;
    while (result == 0 && span_split(&rest, ',', &word)) {
        struct span value = word, key = {0};

        span_split(&value, '=', &key);
        CLEANUP(str) char *name = span_dup(key);
        CLEANUP(str) char *text = value.ptr != NULL ? span_dup(value) : xstrdup("");
        result = set_word(&p, name, text, err);
    }
    if (result == -1) {
        fake_machine_reset(&p.machine);
        return error_wrap(err, "machine \"%s\"", spec);
    }
    add_machine(fake, p.machine);
    return 0;
}
