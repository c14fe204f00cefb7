/*
 * The daemon: start-up in order, the control loop on the main thread, and the end.
 *
 * The control loop has signals, the control socket, the audit sinks and the configuration; it asks the
 * workers by messages and gathers their answers. What needs privileges is opened before they are dropped, and
 * before any thread exists.
 */
#pragma once

#include <stdint.h>

#define DAEMON_WORKERS_MAX 256
#define DAEMON_MAX_SESSIONS 131072 /* of one worker, in BIRTH or later */
#define DAEMON_KEY_CACHE 4096      /* expanded keys of one server worker */

struct daemon;
struct message;
struct worker;

/* What becomes of it, as exit codes. */
enum daemon_end {
	DAEMON_DONE = 0,
	DAEMON_FAILED = 1, /* it could not start, or could not go on */
	DAEMON_MISCONFIGURED =
		78, /* it could not start, and will not with this configuration: EX_CONFIG of sysexits.h */
};

/* Runs until a signal ends it. What went wrong has been logged. */
int daemon_run(const char *config_file);

/* For workers, on their threads. */
struct worker *daemon_worker(const struct daemon *d, uint32_t index);
const char *daemon_tunnel_name(const struct daemon *d);
const uint8_t *daemon_machine(const struct daemon *d); /* 32 bytes: machine.h */
const uint8_t *daemon_cookie_seed(const struct daemon *d); /* 32 random bytes */
void daemon_wake(struct daemon *d); /* audit records are waiting */
void daemon_answer(struct daemon *d, struct worker *w, const struct message *m);
