/*
 * Signals of the daemon: SIGHUP reloads, SIGTERM, SIGINT and SIGQUIT end it. No other that can be caught does anything but
 * say so in the log, once for each: whoever takes SIGUSR1 for an order must not cut off every client.
 */
#pragma once

#include <uv.h>

#define SIGNALS_HANDLED 4

struct signals {
	uv_signal_t handled[SIGNALS_HANDLED];
	uv_poll_t poll; /* of all others */
	int fd;         /* of a signalfd(2); -1: none */
	uint64_t told;  /* a bit for each signal that was said to be ignored */
	void (*handler)(void *ctx, int number);
	void *ctx;
};

/*
 * Before any other thread is made, and before the first line is logged: others are held back from all threads, and those
 * that only ever tell of a failed write are ignored.
 */
void signals_hold(void);
/* The handler runs on this loop. 0 or -errno; the handles are closed with the loop. */
int signals_start(struct signals *s, uv_loop_t *loop, void (*handler)(void *ctx, int number), void *ctx);
/* After the loop. */
void signals_end(struct signals *s);
