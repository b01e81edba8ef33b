/* What the parts of the OVF reader share.  May use: base.  Threads: one parse, one thread. */
#pragma once

#include "data/dom.h"
#include "source/ova/ovf.h"

struct error;

/* Says which element is wrong in front of *err: "Item \"Hard Disk 1\" (line 40)".  Returns -1. */
int ovf_wrap_at(struct dom_node *node, const char *label, struct error **err);

/* The text inside NODE without blanks at its ends, owned by the caller; NULL for a NULL node. */
char *ovf_text(const struct dom_node *node);

/* Refuses texts over OVF_MAX_TEXT; NULL passes. */
int ovf_check_text(const char *text, const char *what, struct error **err);

/* Indexes by id or name; OVF_NONE if there is none. */
size_t ovf_find_file(const struct ovf *ovf, const char *id);
size_t ovf_find_disk(const struct ovf *ovf, const char *id);
size_t ovf_find_network(const struct ovf *ovf, const char *name);

/* The network NAME, which is added if the NetworkSection forgot it. */
size_t ovf_need_network(struct ovf *ovf, const char *name);

/* Reads a VirtualHardwareSection into SYSTEM.  Items of another CONFIGURATION than the package's
 * default one (may be NULL) are passed over. */
int ovf_hardware_parse(struct dom_node *section, const char *configuration, struct ovf *ovf,
                       struct ovf_system *system, struct error **err);

/* Adds what VirtualBox says in its own Machine element: firmware, addresses of NICs. */
void ovf_virtualbox_parse(struct dom_node *machine, struct ovf_system *system);

/* MAC addresses as aa:bb:cc:dd:ee:ff from that or from 12 digits; NULL if TEXT is neither. */
char *ovf_format_mac(const char *text);
