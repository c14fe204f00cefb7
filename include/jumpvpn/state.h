/*
 * States of a session and the events that move it; the rows that join them are in
 * src/session/fsm.c.
 *
 *              attach_ok               instability
 *     BIRTH ---------------> ATTACHED <-------------> VOLATILE --- degrade ---> DEGRADED
 *       |                       ^      health_restored    |                      |  ^
 *       |                       |                         | switch_start         |  |
 *       |                       |  reattach_ok            v          switch_start|  |
 *       |                       +--------------------- RECOVERING <--------------+  |
 *       | handshake_expired                               |       reattach_fail     |
 *       v                                                 +-------------------------+
 *     TERMINATED  <--- terminal --- any state
 */
#pragma once

/* X(NAME, name) */
#define STATE_LIST(X)                                                                              \
	X(BIRTH, BIRTH)                                                                            \
	X(ATTACHED, ATTACHED)                                                                      \
	X(VOLATILE, VOLATILE)                                                                      \
	X(DEGRADED, DEGRADED)                                                                      \
	X(RECOVERING, RECOVERING)                                                                  \
	X(TERMINATED, TERMINATED)

#define EVENT_LIST(X)                                                                              \
	X(ATTACH_OK, attach_ok)                                                                    \
	X(HANDSHAKE_EXPIRED, handshake_expired)                                                    \
	X(INSTABILITY, instability)                                                                \
	X(HEALTH_RESTORED, health_restored)                                                        \
	X(DEGRADE, degrade)                                                                        \
	X(SWITCH_START, switch_start)                                                              \
	X(REATTACH_OK, reattach_ok)                                                                \
	X(REATTACH_FAIL, reattach_fail)                                                            \
	X(TERMINAL, terminal)

enum state {
#define X(NAME, name) STATE_##NAME,
	STATE_LIST(X)
#undef X
	STATE_COUNT
};

enum event {
#define X(NAME, name) EVENT_##NAME,
	EVENT_LIST(X)
#undef X
	EVENT_COUNT
};

/* The name as it stands in audit records, or NULL out of range. */
const char *state_name(unsigned int state);
