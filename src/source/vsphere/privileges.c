#include "source/vsphere/privileges.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "source/vsphere/internal.h"
#include "source/vsphere/tree.h"
#include "source/vsphere/vim.h"

#include <stdlib.h>

/* Every vCenter calls it so. */
#define AUTHORIZATION_MANAGER "AuthorizationManager"

static const char *const needed[] = {
    "VirtualMachine.State.CreateSnapshot",
    "VirtualMachine.State.RemoveSnapshot",
    "VirtualMachine.Interact.PowerOn",
    "VirtualMachine.Interact.PowerOff",
    "VirtualMachine.Provisioning.DiskRandomRead",
    "VirtualMachine.Provisioning.GetVmFiles",
    "VirtualMachine.Config.ChangeTracking",
    "Datastore.Browse",
    "Datastore.FileManagement",
};

/* The account as the server calls it ("VSPHERE.LOCAL\Administrator"), owned by the caller. */
static int read_account(struct vim *vim, struct cancel *cancel, char **account, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;

    if (vim_read(vim, "SessionManager", vim_about(vim)->session_manager, "currentSession", cancel,
                 &answer, &object, err) == -1)
        return -1;
    struct dom_node *session = vim_property(object, "currentSession");
    *account = vsphere_text(session, "userName");
    if (**account != '\0')
        return 0;
    free(*account);
    return error_set(err, ERROR_CORRUPT, "the server does not say who is logged in");
}

static void take_missing(struct dom_node *entity, struct str_list *missing)
{
    for (struct dom_node *at = dom_first(entity, "privAvailability"); at != NULL;
         at = dom_next(at, "privAvailability"))
        if (!vsphere_bool(at, "isGranted"))
            str_list_push(missing, vsphere_text(at, "privId"));
}

int vsphere_list_missing(struct source *source, struct str_list *missing, struct cancel *cancel,
                         struct error **err)
{
    struct vim *vim = vsphere_of(source)->vim;
    CLEANUP(buf) struct buf parameters = BUF_INIT(VIM_MAX_REQUEST);
    CLEANUP(dom) struct dom *answer = NULL;
    CLEANUP(str) char *account = NULL;
    struct dom_node *entity = NULL;

    if (!str_eq(vim_about(vim)->api_type, "VirtualCenter") || !vim_has_version(vim, 6, 5))
        return 0;
    if (read_account(vim, cancel, &account, err) == -1)
        return -1;
    vim_add_ref(&parameters, "entities", "Folder", vim_about(vim)->root_folder);
    vim_add_text(&parameters, "userName", account);
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        vim_add_text(&parameters, "privId", needed[i]);
    const struct vim_call call = {.method = "HasUserPrivilegeOnEntities",
                                  .this_type = "AuthorizationManager",
                                  .this_id = AUTHORIZATION_MANAGER,
                                  .parameters = parameters.ptr,
                                  .cancel = cancel};
    if (vim_send(vim, &call, &answer, &entity, err) == -1)
        return error_wrap(err, "cannot ask for the account's privileges");
    if (entity != NULL)
        take_missing(entity, missing);
    return 0;
}
