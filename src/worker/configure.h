/* The configuration: read at start, and again by SIGHUP or the reload command. Main thread. */
#pragma once

#include "audit/audit.h"
#include "worker/daemon_state.h"

struct ctl_request;
struct gather;

/*
 * Reads and checks the file. NULL: errors have been logged, and the first is in *first (newly allocated) if
 * given.
 */
struct config *configure_read(struct daemon *d, char **first);
struct audit_config configure_audit(const struct config *c);
/*
 * What this configuration wants: what is open already, or a new one, or NULL. 0 or -errno, which has been
 * logged.
 */
int configure_metrics(struct daemon *d, const struct config *c, struct metrics **out);
/* SIGHUP (req NULL) or the reload command. Answers when the last worker has the new configuration, or at once that another
 * reload is under way. */
void configure_begin(struct daemon *d, struct ctl_request *req);
/* The daemon ends: whoever waits for a reload is told. */
void configure_stop(struct daemon *d);
/* The last worker has let go of the configuration before. Frees the question. */
void configure_done(struct daemon *d, struct gather *g);
