/*
 * The daemon's own log lines, to stderr: systemd's journal takes the "<N>" severity prefix, a terminal
 * gets a word. One call a line, from any thread. Not the audit trail: that is src/audit.
 *
 * Never called per packet. Messages are one line, say what and where, and what to do next.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Lines above this level are not written; INFO at start. */
void log_set_level(enum log_level level);
/* True: prefix lines with "<N>" for the journal. */
void log_set_journal(bool on);

/*
 * Writes each line from now on, instead of a blocking write to stderr; NULL: that again. To be called before there are
 * threads. A line that it answers false for is lost and counted, and their number is logged with the next one that it takes.
 */
typedef bool (*log_put_fn)(const char *line, size_t len);
void log_set_put(log_put_fn fn);
uint64_t log_lost(void); /* lines so far */

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A broken invariant: says so and aborts. */
_Noreturn void bug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
