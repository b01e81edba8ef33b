/* pods/NAME/exec over a WebSocket. */
#include "apiserver/special.h"

#include "apiserver/call.h"

void special_exec(struct call *call)
{
    fail(&call->failure, 501, "NotImplemented", "exec");
    call_answer_failure(call);
}
