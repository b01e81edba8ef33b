/* The inventory of a vSphere server as its property collector tells it: objects by id, each with
 * the JSON that gantry's inventory shows.
 *
 * Updates of single properties change the JSON; what depends on several objects (paths, shared
 * disks) is worked out when changes are flushed to a sink.
 *
 * May use: base, data.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"
#include "data/dom.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct source_sink;
struct vsphere_tree;

enum { VSPHERE_MAX_OBJECTS = 1000000 };

struct vsphere_object {
    char *id;
    const struct vsphere_type *type;
    char *name;
    char *parent_type; /* vim's name; NULL for a root */
    char *parent_id;
    json_t *json;    /* without path, revision and link; what a VM's values consist of is shared with
                        the inventory and replaced, never changed */
    json_t *tracked; /* a VM's extraConfig about single disks: name to bool; or NULL */
    bool dirty;      /* not flushed since it changed */
};

struct vsphere_tree *vsphere_tree_new(void);
void vsphere_tree_free(struct vsphere_tree *tree);

/* Applies one "objectSet" of an update. */
int vsphere_tree_apply(struct vsphere_tree *tree, struct dom_node *update,
                       const struct source_sink *sink, struct error **err);

/* Puts what changed since the last flush; ALL: everything, as the round's content. */
void vsphere_tree_flush(struct vsphere_tree *tree, const struct source_sink *sink, bool all);

/* The tags of all machines, by id. */
void vsphere_tree_set_tags(struct vsphere_tree *tree, const json_t *by_vm);

size_t vsphere_tree_count(const struct vsphere_tree *tree);

/* Types and properties that are read. */

struct vsphere_type {
    const char *vim;       /* VirtualMachine */
    const char *kind;      /* VM */
    const char *variant;   /* or NULL */
    json_t *(*make)(void); /* a new object's JSON, without id and name */
};

/* KEY is the path's key in the JSON, as the table says. */
typedef void (*vsphere_setter)(struct vsphere_object *object, struct dom_node *value,
                               const char *key);

struct vsphere_path {
    const char *vim;
    const char *path;
    vsphere_setter set;
    const char *key;
    bool since_6_7; /* of the API */
};

const struct vsphere_type *vsphere_find_type(const char *vim);
const struct vsphere_path *vsphere_find_path(const char *vim, const char *path);

/* Appends the propSet elements of a filter: all types and paths that a server has. */
void vsphere_add_property_sets(struct buf *buf, bool has_6_7);

/* The kind of a referred object: our name of vim's type. */
const char *vsphere_kind(const char *vim);

/* {kind, id} of a reference; NULL gives empty texts. */
json_t *vsphere_ref(struct dom_node *reference);

/* The id of a reference, or digits made from it where it does not fit into a URL. */
char *vsphere_id(struct dom_node *reference);

/* Readers of values below NODE: absent or of another form gives the fallback. */
char *vsphere_text(struct dom_node *node, const char *path); /* owned; "" */
int64_t vsphere_int(struct dom_node *node, const char *path, int64_t fallback);
bool vsphere_bool(struct dom_node *node, const char *path);
/* The "type" attribute (xsi:type or a reference's type) without its prefix; owned, "" if none. */
char *vsphere_type_of(struct dom_node *node);

/* Setters of single kinds, in files of their own. */
void vsphere_set_devices(struct vsphere_object *object, struct dom_node *value, const char *key);
void vsphere_set_extra_config(struct vsphere_object *object, struct dom_node *value,
                              const char *key);
void vsphere_set_guest_net(struct vsphere_object *object, struct dom_node *value, const char *key);
void vsphere_set_guest_disk(struct vsphere_object *object, struct dom_node *value, const char *key);
void vsphere_set_ip_stack(struct vsphere_object *object, struct dom_node *value, const char *key);
void vsphere_set_snapshot(struct vsphere_object *object, struct dom_node *value, const char *key);
void vsphere_set_boot_options(struct vsphere_object *object, struct dom_node *value,
                              const char *key);
void vsphere_set_custom_values(struct vsphere_object *object, struct dom_node *value,
                               const char *key);
void vsphere_set_custom_fields(struct vsphere_object *object, struct dom_node *value,
                               const char *key);
void vsphere_set_cpu_affinity(struct vsphere_object *object, struct dom_node *value,
                              const char *key);
json_t *vsphere_make_vm(void);
/* The disk at INDEX of a VM, made its own copy, to be changed. */
json_t *vsphere_change_disk(struct vsphere_object *object, size_t index);
/* Sets changeTrackingEnabled of the disks by what TRACKED says. */
void vsphere_finish_disks(struct vsphere_object *object);

void vsphere_set_switches(struct vsphere_object *object, struct dom_node *value, const char *key);
void vsphere_set_port_groups(struct vsphere_object *object, struct dom_node *value,
                             const char *key);
void vsphere_set_pnics(struct vsphere_object *object, struct dom_node *value, const char *key);
void vsphere_set_vnics(struct vsphere_object *object, struct dom_node *value, const char *key);
json_t *vsphere_make_host(void);
/* Works out networkAdapters from what the host said of its networking. */
void vsphere_finish_host(json_t *host);

DEFINE_CLEANUP(vsphere_tree, struct vsphere_tree *, vsphere_tree_free)
