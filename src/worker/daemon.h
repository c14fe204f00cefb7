/*
 * The daemon: start-up in order, the control loop on the main thread, and the end. What needs privileges is opened before they
 * are dropped, and before any thread exists.
 */
#pragma once

/* What becomes of it, as exit codes. */
enum daemon_end {
	DAEMON_DONE = 0,
	DAEMON_FAILED = 1, /* it could not start, or could not go on */
	DAEMON_MISCONFIGURED =
		78, /* it could not start, and will not with this configuration: EX_CONFIG of sysexits.h */
};

/* Runs until a signal ends it. What went wrong has been logged. */
int daemon_run(const char *config_file);
