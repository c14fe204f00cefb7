/*
 * Log lines to stderr. A line is put together in a local buffer and handed over whole, so that lines of several threads
 * do not mix. Control characters become blanks: foreign text cannot forge a second line.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 1024

static _Atomic int max_level = LOG_LEVEL_INFO;
static atomic_bool journal;
static atomic_ullong lost, untold; /* lines; in all, and since it was said */

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_set_journal(bool on)
{
	journal = on;
}

static bool put_on_stderr(const char *line, size_t len)
{
	return fwrite(line, 1, len, stderr) == len;
}

static log_put_fn put = put_on_stderr;

void log_set_put(log_put_fn fn)
{
	put = fn ? fn : put_on_stderr;
}

uint64_t log_lost(void)
{
	return atomic_load(&lost);
}

/* Once somebody reads again. */
static void tell_lost(void)
{
	const unsigned long long n = atomic_exchange(&untold, 0);
	char line[LINE_MAX_LEN];
	int len;

	if (n == 0)
		return;
	len = snprintf(line, sizeof(line), "%slog lines missing here, for nobody had read those before them: %llu\n",
		       journal ? "<4>" : "warning: ", n);
	if (!put(line, (size_t)len))
		atomic_fetch_add(&untold, n);
}

/* `severity` is syslog's; `word` is what a terminal gets instead. */
__attribute__((format(printf, 3, 0)))
static void write_line(int severity, const char *word, const char *fmt, va_list ap)
{
	char line[LINE_MAX_LEN];
	int saved = errno;
	size_t len;

	if (journal)
		len = (size_t)snprintf(line, sizeof(line), "<%d>", severity);
	else
		len = (size_t)snprintf(line, sizeof(line), "%s", word);
	errno = saved; /* for %m */
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	len = strlen(line);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	}
	line[len++] = '\n';
	tell_lost();
	if (!put(line, len)) {
		atomic_fetch_add(&lost, 1);
		atomic_fetch_add(&untold, 1);
	}
	errno = saved;
}

#define LOG_FUNCTION(name, level, word)                                                            \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		if ((level) > max_level)                                                           \
			return;                                                                    \
		va_start(ap, fmt);                                                                 \
		write_line(level, word, fmt, ap);                                                  \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, "error: ")
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN, "warning: ")
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, "")
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, "debug: ")

_Noreturn void bug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(2, "bug: ", fmt, ap);
	va_end(ap);
	abort();
}
