/* Between domain.c and domain_devices.c. */
#pragma once

#include "base/text.h"
#include "node/domain.h"

enum { DOMAIN_XML_MAX = 1024 * 1024 };

/* Appends TEXT so that it is safe between tags and in attributes. */
void domain_add_escaped(struct buf *out, const char *text);

/* Appends " NAME='VALUE'"; a NULL value appends nothing. */
void domain_add_attribute(struct buf *out, const char *name, const char *value);

bool domain_is_efi(const json_t *domain);

/* The <devices> element.  DOMAIN is spec.domain. */
int domain_add_devices(struct buf *out, const struct domain_input *in, const json_t *domain,
                       struct error **err);
