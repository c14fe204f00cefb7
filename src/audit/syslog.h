/* The sink of syslog. */
#pragma once

#include "audit/sink.h"

extern const struct sink_type syslog_sink;

void *syslog_new(const char *ident, int facility); /* `ident` is copied */
void syslog_set_facility(void *state, int facility);
