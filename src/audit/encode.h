/* An audit record as JSON and as text. */
#pragma once

#include <stddef.h>

#include "audit/record.h"

#define AUDIT_JSON_MAX 2560
/* One JSON object without a newline; its length, always below AUDIT_JSON_MAX. */
size_t encode_json(char out[AUDIT_JSON_MAX], const struct audit_record *r);
/* The same for people and grep, as syslog gets it: the event, then key=value; its length. */
size_t encode_text(char out[AUDIT_JSON_MAX], const struct audit_record *r);
