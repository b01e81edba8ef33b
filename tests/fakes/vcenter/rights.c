/* Who is logged in, and what the account may do: everything but what faults "no-privilege:ID" name.
 */
#include "fake.h"

#include "base/mem.h"

#include <stdlib.h>

struct value *fake_session_manager_value(void)
{
    struct value *root = value_new("sm", NULL);
    struct value *session = value_add(root, "currentSession", "UserSession");

    value_add_string(session, "key", "s");
    value_add_string(session, "userName", FAKE_VCENTER_USER);
    value_add_string(session, "fullName", "fake");
    return root;
}

bool fake_rights_call(struct fake_vcenter *fake, const char *method, struct dom_node *call,
                      struct http_response *response)
{
    if (!str_eq(method, "HasUserPrivilegeOnEntities"))
        return false;

    CLEANUP(str) char *entity = fake_text_at(call, "entities");
    struct buf text = BUF_INIT(MAX_ANSWER);
    LOCK_SCOPE(&fake->lock);

    buf_printf(&text, "<returnval><entity type=\"Folder\">%s</entity>", entity);
    for (struct dom_node *at = dom_first(call, "privId"); at != NULL; at = dom_next(at, "privId")) {
        CLEANUP(str) char *id = dom_text(at);
        buf_printf(&text,
                   "<privAvailability><privId>%s</privId><isGranted>%s</isGranted>"
                   "</privAvailability>",
                   id, fake_fault_take(fake, "no-privilege", id) ? "false" : "true");
    }
    buf_add(&text, "</returnval>");
    CLEANUP(str) char *all = buf_take(&text);
    fake_answer(response, method, all);
    return true;
}
