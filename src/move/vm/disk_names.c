#include "move/vm/disk_names.h"

#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "move/vm/labels.h"

#include <stdlib.h>
#include <string.h>

int disk_name_make(struct vm_run *run, size_t index, struct disk_name *name, struct error **err)
{
    name->text = labels_name_prefix("%.15s-%.15s-disk-%zu", meta_name(run->view->plan),
                                    vm_run_target_name(run), index);
    name->generate = true;
    return 0;
}

void disk_name_reset(struct disk_name *name)
{
    free(name->text);
    memset(name, 0, sizeof(*name));
}
