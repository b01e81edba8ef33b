#include "node/live/state.h"

#include "base/text.h"
#include "kube/meta.h"

bool live_is_receiver(const json_t *vmi)
{
    return str_eq(meta_annotation(vmi, LIVE_RECEIVER_ANNOTATION), "true");
}

/* The state names the instance of the source; that of the target has another UID. */
static bool is_source(const json_t *vmi)
{
    return str_eq(obj_str(vmi, "status.migrationState.sourceState.virtualMachineInstanceUID", ""),
                  meta_uid(vmi));
}

bool live_is_leaving(const json_t *vmi)
{
    return is_source(vmi) && !obj_bool(vmi, "status.migrationState.completed", false) &&
           !obj_bool(vmi, "status.migrationState.failed", false);
}

bool live_has_left(const json_t *vmi)
{
    return is_source(vmi) && obj_bool(vmi, "status.migrationState.completed", false) &&
           !obj_bool(vmi, "status.migrationState.failed", false);
}
