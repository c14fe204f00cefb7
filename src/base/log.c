/*
 * Log lines to stderr. A line is put together in a local buffer and handed to the kernel whole, so that lines of
 * several threads do not mix. Control characters become blanks: foreign text cannot forge a second line.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_LEN 1024

/* How a line is written. */
enum way {
	WAY_WAIT, /* a file, or nobody has asked for more */
	WAY_SEND, /* a socket, as systemd's journal has it: MSG_DONTWAIT */
	WAY_OWN,  /* a pipe or a terminal, opened once more for us alone, with O_NONBLOCK */
	WAY_POLL, /* one that cannot be opened again: asked before, which leaves a moment to who else writes to it */
};

static _Atomic int max_level = LOG_LEVEL_INFO;
static atomic_bool journal;
static enum way way;
static int out = STDERR_FILENO;
static atomic_ullong lost, untold; /* lines; in all, and since it was said */

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_set_journal(bool on)
{
	journal = on;
}

/* O_NONBLOCK belongs to the open file, which other programs share: theirs stays as it is. */
static int open_own(void)
{
	return open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void log_set_wait(bool on)
{
	struct stat st;

	if (way == WAY_OWN)
		close(out);
	out = STDERR_FILENO;
	way = WAY_WAIT;
	if (on || fstat(STDERR_FILENO, &st) < 0 || S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return;
	if (S_ISSOCK(st.st_mode)) {
		way = WAY_SEND;
		return;
	}
	out = open_own();
	way = out < 0 ? WAY_POLL : WAY_OWN;
	out = out < 0 ? STDERR_FILENO : out;
}

uint64_t log_lost(void)
{
	return atomic_load(&lost);
}

static bool put(const char *line, size_t len)
{
	struct pollfd p = { .fd = out, .events = POLLOUT };
	ssize_t n;

	if (way == WAY_POLL && (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT)))
		return false;
	do {
		if (way == WAY_SEND)
			n = send(out, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(out, line, len);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
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
