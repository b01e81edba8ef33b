/* Cold:
 *
 *   Started → PreHook → StorePowerState → PowerOffSource → WaitForPowerOff → CreateDataVolumes
 *     → CopyDisks → CreateGuestConversionPod → ConvertGuest → CreateVM → PostHook → CleanUp
 *     → Completed
 *
 * Warm: the machine runs on while its disks are copied from a snapshot, then again and again what
 * changed since the one before:
 *
 *   Started → PreHook → a first snapshot → CreateDataVolumes
 *     → CopyDisks → CopyingPaused ── cutover ──→ power off → the last snapshot → Finalize → ...
 *          ↑             │
 *          └─ next snapshot, its changes (AddCheckpoint)
 *
 * Before each snapshot the one before it is removed, so that there is never more than one.
 * Whatever fails or is canceled goes to CleanUp, and from there to Completed. */
#include "move/vm/itinerary.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "move/vm/step_warm.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"

#include <assert.h>

/* clang-format off */
static const struct step steps[] = {
    [STEP_STARTED]                      = {"Started",                  NEEDS_NOTHING,    started_run,               STEP_CLEAN_UP},
    [STEP_PRE_HOOK]                     = {"PreHook",                  NEEDS_PRE_HOOK,   pre_hook_run,              STEP_CLEAN_UP, true},
    [STEP_CREATE_INITIAL_SNAPSHOT]      = {"CreateInitialSnapshot",    NEEDS_NOTHING,    create_snapshot_run,       STEP_CLEAN_UP},
    [STEP_WAIT_FOR_INITIAL_SNAPSHOT]    = {"WaitForInitialSnapshot",   NEEDS_NOTHING,    wait_for_snapshot_run,     STEP_CLEAN_UP},
    [STEP_STORE_INITIAL_DELTAS]         = {"StoreInitialSnapshotDeltas", NEEDS_NOTHING,  store_deltas_run,          STEP_CLEAN_UP},
    [STEP_CREATE_DATA_VOLUMES]          = {"CreateDataVolumes",        NEEDS_NOTHING,    create_data_volumes_run,   STEP_CLEAN_UP},
    [STEP_COPY_DISKS]                   = {"CopyDisks",                NEEDS_NOTHING,    copy_disks_run,            STEP_CLEAN_UP},
    [STEP_COPYING_PAUSED]               = {"CopyingPaused",            NEEDS_NOTHING,    copying_paused_run,        STEP_CLEAN_UP},
    [STEP_REMOVE_PREVIOUS_SNAPSHOT]     = {"RemovePreviousSnapshot",   NEEDS_NOTHING,    remove_snapshot_run,       STEP_CLEAN_UP},
    [STEP_WAIT_FOR_PREVIOUS_REMOVAL]    = {"WaitForPreviousSnapshotRemoval", NEEDS_NOTHING, wait_for_removal_run,   STEP_CLEAN_UP},
    [STEP_CREATE_SNAPSHOT]              = {"CreateSnapshot",           NEEDS_NOTHING,    create_snapshot_run,       STEP_CLEAN_UP},
    [STEP_WAIT_FOR_SNAPSHOT]            = {"WaitForSnapshot",          NEEDS_NOTHING,    wait_for_snapshot_run,     STEP_CLEAN_UP},
    [STEP_STORE_DELTAS]                 = {"StoreSnapshotDeltas",      NEEDS_NOTHING,    store_deltas_run,          STEP_CLEAN_UP},
    [STEP_ADD_CHECKPOINT]               = {"AddCheckpoint",            NEEDS_NOTHING,    add_checkpoint_run,        STEP_CLEAN_UP},
    [STEP_STORE_POWER_STATE]            = {"StorePowerState",          NEEDS_NOTHING,    store_power_state_run,     STEP_CLEAN_UP},
    [STEP_POWER_OFF_SOURCE]             = {"PowerOffSource",           NEEDS_NOTHING,    power_off_run,             STEP_CLEAN_UP, true},
    [STEP_WAIT_FOR_POWER_OFF]           = {"WaitForPowerOff",          NEEDS_NOTHING,    wait_for_power_off_run,    STEP_CLEAN_UP},
    [STEP_REMOVE_PENULTIMATE_SNAPSHOT]  = {"RemovePenultimateSnapshot", NEEDS_NOTHING,   remove_snapshot_run,       STEP_CLEAN_UP},
    [STEP_WAIT_FOR_PENULTIMATE_REMOVAL] = {"WaitForPenultimateSnapshotRemoval", NEEDS_NOTHING, wait_for_removal_run, STEP_CLEAN_UP},
    [STEP_CREATE_FINAL_SNAPSHOT]        = {"CreateFinalSnapshot",      NEEDS_NOTHING,    create_snapshot_run,       STEP_CLEAN_UP},
    [STEP_WAIT_FOR_FINAL_SNAPSHOT]      = {"WaitForFinalSnapshot",     NEEDS_NOTHING,    wait_for_snapshot_run,     STEP_CLEAN_UP},
    [STEP_STORE_FINAL_DELTAS]           = {"StoreFinalSnapshotDeltas", NEEDS_NOTHING,    store_deltas_run,          STEP_CLEAN_UP},
    [STEP_ADD_FINAL_CHECKPOINT]         = {"AddFinalCheckpoint",       NEEDS_NOTHING,    add_checkpoint_run,        STEP_CLEAN_UP},
    [STEP_FINALIZE]                     = {"Finalize",                 NEEDS_NOTHING,    copy_disks_run,            STEP_CLEAN_UP},
    [STEP_REMOVE_FINAL_SNAPSHOT]        = {"RemoveFinalSnapshot",      NEEDS_NOTHING,    remove_snapshot_run,       STEP_CLEAN_UP},
    [STEP_WAIT_FOR_FINAL_REMOVAL]       = {"WaitForFinalSnapshotRemoval", NEEDS_NOTHING, wait_for_final_removal_run, STEP_CLEAN_UP},
    [STEP_CREATE_CONVERSION_POD]        = {"CreateGuestConversionPod", NEEDS_CONVERSION, create_conversion_pod_run, STEP_CLEAN_UP, true},
    [STEP_CONVERT_GUEST]                = {"ConvertGuest",             NEEDS_CONVERSION, convert_guest_run,         STEP_CLEAN_UP},
    [STEP_CREATE_VM]                    = {"CreateVM",                 NEEDS_NOTHING,    create_vm_run,             STEP_CLEAN_UP, true},
    [STEP_POST_HOOK]                    = {"PostHook",                 NEEDS_POST_HOOK,  post_hook_run,             STEP_CLEAN_UP, true},
    [STEP_CLEAN_UP]                     = {"CleanUp",                  NEEDS_NOTHING,    clean_up_run,              STEP_COMPLETED, true},
    [STEP_COMPLETED]                    = {"Completed",                NEEDS_NOTHING,    NULL,                      STEP_COMPLETED},
};

#define TO(step) .is_used = true, .next = (step)
static const struct leg legs[ITINERARY_COUNT][STEP_COUNT] = {
    [ITINERARY_COLD] = {
        [STEP_STARTED]               = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_PRE_HOOK)},
        [STEP_PRE_HOOK]              = {.pipeline = PIPELINE_PRE_HOOK,      TO(STEP_STORE_POWER_STATE)},
        [STEP_STORE_POWER_STATE]     = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_POWER_OFF_SOURCE)},
        [STEP_POWER_OFF_SOURCE]      = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_WAIT_FOR_POWER_OFF)},
        [STEP_WAIT_FOR_POWER_OFF]    = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_CREATE_DATA_VOLUMES)},
        [STEP_CREATE_DATA_VOLUMES]   = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_COPY_DISKS)},
        [STEP_COPY_DISKS]            = {.pipeline = PIPELINE_DISK_TRANSFER, TO(STEP_CREATE_CONVERSION_POD)},
        [STEP_CREATE_CONVERSION_POD] = {.pipeline = PIPELINE_CONVERSION,    TO(STEP_CONVERT_GUEST)},
        [STEP_CONVERT_GUEST]         = {.pipeline = PIPELINE_CONVERSION,    TO(STEP_CREATE_VM)},
        [STEP_CREATE_VM]             = {.pipeline = PIPELINE_CREATE_VM,     TO(STEP_POST_HOOK)},
        [STEP_POST_HOOK]             = {.pipeline = PIPELINE_POST_HOOK,     TO(STEP_CLEAN_UP)},
        [STEP_CLEAN_UP]              = {                                    TO(STEP_COMPLETED)},
        [STEP_COMPLETED]             = {                                    TO(STEP_COMPLETED)},
    },
    [ITINERARY_WARM] = {
        [STEP_STARTED]                      = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_PRE_HOOK)},
        [STEP_PRE_HOOK]                     = {.pipeline = PIPELINE_PRE_HOOK,      TO(STEP_CREATE_INITIAL_SNAPSHOT)},
        [STEP_CREATE_INITIAL_SNAPSHOT]      = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_WAIT_FOR_INITIAL_SNAPSHOT)},
        [STEP_WAIT_FOR_INITIAL_SNAPSHOT]    = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_STORE_INITIAL_DELTAS)},
        [STEP_STORE_INITIAL_DELTAS]         = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_CREATE_DATA_VOLUMES)},
        [STEP_CREATE_DATA_VOLUMES]          = {.pipeline = PIPELINE_INITIALIZE,    TO(STEP_COPY_DISKS)},
        [STEP_COPY_DISKS]                   = {.pipeline = PIPELINE_DISK_TRANSFER, TO(STEP_COPYING_PAUSED)},
        [STEP_COPYING_PAUSED]               = {.pipeline = PIPELINE_DISK_TRANSFER, TO(STEP_REMOVE_PREVIOUS_SNAPSHOT),
                                               .forks = true, .other = STEP_STORE_POWER_STATE},
        [STEP_REMOVE_PREVIOUS_SNAPSHOT]     = {.pipeline = PIPELINE_DISK_TRANSFER, TO(STEP_WAIT_FOR_PREVIOUS_REMOVAL)},
        [STEP_WAIT_FOR_PREVIOUS_REMOVAL]    = {.pipeline = PIPELINE_DISK_TRANSFER, TO(STEP_CREATE_SNAPSHOT)},
        [STEP_CREATE_SNAPSHOT]              = {.pipeline = PIPELINE_DISK_TRANSFER, TO(STEP_WAIT_FOR_SNAPSHOT)},
        [STEP_WAIT_FOR_SNAPSHOT]            = {.pipeline = PIPELINE_DISK_TRANSFER, TO(STEP_STORE_DELTAS)},
        [STEP_STORE_DELTAS]                 = {.pipeline = PIPELINE_DISK_TRANSFER, TO(STEP_ADD_CHECKPOINT)},
        [STEP_ADD_CHECKPOINT]               = {.pipeline = PIPELINE_DISK_TRANSFER, TO(STEP_COPY_DISKS)},
        [STEP_STORE_POWER_STATE]            = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_POWER_OFF_SOURCE)},
        [STEP_POWER_OFF_SOURCE]             = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_WAIT_FOR_POWER_OFF)},
        [STEP_WAIT_FOR_POWER_OFF]           = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_REMOVE_PENULTIMATE_SNAPSHOT)},
        [STEP_REMOVE_PENULTIMATE_SNAPSHOT]  = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_WAIT_FOR_PENULTIMATE_REMOVAL)},
        [STEP_WAIT_FOR_PENULTIMATE_REMOVAL] = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_CREATE_FINAL_SNAPSHOT)},
        [STEP_CREATE_FINAL_SNAPSHOT]        = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_WAIT_FOR_FINAL_SNAPSHOT)},
        [STEP_WAIT_FOR_FINAL_SNAPSHOT]      = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_STORE_FINAL_DELTAS)},
        [STEP_STORE_FINAL_DELTAS]           = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_ADD_FINAL_CHECKPOINT)},
        [STEP_ADD_FINAL_CHECKPOINT]         = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_FINALIZE)},
        [STEP_FINALIZE]                     = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_REMOVE_FINAL_SNAPSHOT)},
        [STEP_REMOVE_FINAL_SNAPSHOT]        = {.pipeline = PIPELINE_CUTOVER,       TO(STEP_CREATE_CONVERSION_POD)},
        [STEP_CREATE_CONVERSION_POD]        = {.pipeline = PIPELINE_CONVERSION,    TO(STEP_CONVERT_GUEST)},
        [STEP_CONVERT_GUEST]                = {.pipeline = PIPELINE_CONVERSION,    TO(STEP_CREATE_VM)},
        [STEP_CREATE_VM]                    = {.pipeline = PIPELINE_CREATE_VM,     TO(STEP_POST_HOOK)},
        [STEP_POST_HOOK]                    = {.pipeline = PIPELINE_POST_HOOK,     TO(STEP_WAIT_FOR_FINAL_REMOVAL)},
        [STEP_WAIT_FOR_FINAL_REMOVAL]       = {                                    TO(STEP_CLEAN_UP)},
        [STEP_CLEAN_UP]                     = {                                    TO(STEP_COMPLETED)},
        [STEP_COMPLETED]                    = {                                    TO(STEP_COMPLETED)},
    },
};
/* clang-format on */
static_assert(ARRAY_SIZE(steps) == STEP_COUNT, "every step has a row");

const struct step *step_get(enum step_id id)
{
    return &steps[id];
}

int step_find(const char *name, enum step_id *id, struct error **err)
{
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (str_eq(steps[i].name, name)) {
            *id = (enum step_id)i;
            return 0;
        }
    return error_set(err, ERROR_CORRUPT, "there is no migration phase \"%s\"", name);
}

const struct leg *itinerary_get(enum itinerary itinerary, enum step_id id)
{
    return &legs[itinerary][id];
}
