/* A line that one home sends another about a live migration. */
#include "base/error.h"
#include "data/obj.h"
#include "node/live/message.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A refusal has its reason; what passes has what its user takes for granted. */
static void judge(int result, const struct error *err, bool sound)
{
    if ((result == -1) != (err != NULL) || (result == 0 && !sound))
        __builtin_trap();
}

static bool are_texts(const json_t *list)
{
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
        if (json_string_length(value) == 0 || strchr(json_string_value(value), '/') != NULL)
            return false;
    return json_array_size(list) <= LIVE_DISKS_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL, *of_hello = NULL, *of_question = NULL, *of_plan = NULL;
    json_auto_t *message = obj_parse((const char *)data, len, &err);
    struct live_hello hello = {0};

    if (message == NULL)
        return 0;
    int result = live_hello_read(message, &hello, &of_hello);
    judge(result, of_hello, result == -1 || strlen(hello.migration_id) <= LIVE_ID_MAX);
    result = live_question_check(message, &of_question);
    judge(result, of_question, strchr(obj_str(message, "id", "/"), '/') == NULL);
    result = live_plan_check(message, &of_plan);
    judge(result, of_plan, are_texts(obj_at(message, "copied")));
    return 0;
}
