/* The edits that a machine's definition needs on the target, each a pure function of the facts.
 *
 * Every edit is idempotent: an older source may have made it already, and a retry makes it again.
 * An edit whose facts are missing does not apply.  chain.c has the table of them.
 *
 * May use: base, data.  Threads: one document, one thread.
 */
#pragma once

#include <stdbool.h>

struct dom;
struct dom_node;
struct error;
struct facts;

bool cpu_applies(const struct facts *facts, struct dom_node *domain);
int cpu_edit(const struct facts *facts, struct dom *dom, struct error **err);

bool disk_path_applies(const struct facts *facts, struct dom_node *domain);
int disk_path_edit(const struct facts *facts, struct dom *dom, struct error **err);

bool volume_applies(const struct facts *facts, struct dom_node *domain);
int volume_edit(const struct facts *facts, struct dom *dom, struct error **err);

bool tap_name_applies(const struct facts *facts, struct dom_node *domain);
int tap_name_edit(const struct facts *facts, struct dom *dom, struct error **err);

bool network_applies(const struct facts *facts, struct dom_node *domain);
int network_edit(const struct facts *facts, struct dom *dom, struct error **err);

bool mdev_applies(const struct facts *facts, struct dom_node *domain);
int mdev_edit(const struct facts *facts, struct dom *dom, struct error **err);

bool host_device_applies(const struct facts *facts, struct dom_node *domain);
int host_device_edit(const struct facts *facts, struct dom *dom, struct error **err);

bool folder_applies(const struct facts *facts, struct dom_node *domain);
int folder_edit(const struct facts *facts, struct dom *dom, struct error **err);

bool identity_applies(const struct facts *facts, struct dom_node *domain);
int identity_edit(const struct facts *facts, struct dom *dom, struct error **err);

/* The name of a user alias ("ua-root" is "root"), owned by the caller, or NULL if NODE has none. */
char *edit_alias(struct dom_node *node);
