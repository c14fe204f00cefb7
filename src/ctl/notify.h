/* Telling systemd how the daemon does (sd_notify(3)), without its library. Without systemd nothing happens. */
#pragma once

#include <stdint.h>

/* One message, such as "READY=1\nSTATUS=..."; 1 sent, 0 nobody wants to know, -errno. */
int notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* RELOADING=1 with the time that systemd wants beside it. READY=1 must follow. */
int notify_reloading(void);
/* How often to send WATCHDOG=1, in microseconds: half the time after which systemd loses patience; 0: never. */
uint64_t notify_watchdog_us(void);
