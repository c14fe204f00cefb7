#include "worker/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"

static const int handled[SIGNALS_HANDLED] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT };

/* For the kernel on a defect of ours, for the terminal, a debugger, the end of a child. */
static const int left_alone[] = { SIGKILL, SIGSTOP, SIGTSTP, SIGCONT, SIGCHLD, SIGABRT, SIGBUS,
				  SIGFPE,  SIGILL,  SIGSEGV, SIGSYS,  SIGTRAP, SIGURG,  SIGWINCH };
/* A broken pipe, a file too large: ignored, since the failing call says so. */
static const int failures[] = { SIGPIPE, SIGXFSZ };

static void remove_all(sigset_t *set, const int *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sigdelset(set, numbers[i]);
}

static sigset_t others(void)
{
	sigset_t set;

	sigfillset(&set);
	remove_all(&set, handled, sizeof(handled) / sizeof(*handled));
	remove_all(&set, left_alone, sizeof(left_alone) / sizeof(*left_alone));
	remove_all(&set, failures, sizeof(failures) / sizeof(*failures));
	return set;
}

/* Also what whoever started us had blocked is heard. */
void signals_hold(void)
{
	const sigset_t set = others();

	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		signal(failures[i], SIG_IGN);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
}

static void tell(struct signals *s, uint32_t number)
{
	const uint64_t bit = UINT64_C(1) << (number % 64);
	const char *name = sigabbrev_np((int)number);

	if (s->told & bit)
		return;
	s->told |= bit;
	log_warn(
		"signal %u (%s%s) means nothing here and is ignored, from now on without a word; SIGHUP reloads, SIGTERM ends",
		number, name ? "SIG" : "", name ? name : "real-time");
}

static void other(uv_poll_t *poll, int status, int events)
{
	struct signals *s = container_of(poll, struct signals, poll);
	struct signalfd_siginfo info;

	(void)status;
	(void)events;
	while (read(s->fd, &info, sizeof(info)) == sizeof(info))
		tell(s, info.ssi_signo);
}

static void known(uv_signal_t *handle, int number)
{
	struct signals *s = handle->data;

	s->handler(s->ctx, number);
}

static int watch_others(struct signals *s, uv_loop_t *loop)
{
	const sigset_t set = others();
	int rc;

	s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	rc = uv_poll_init(loop, &s->poll, s->fd);
	return rc < 0 ? rc : uv_poll_start(&s->poll, UV_READABLE, other);
}

int signals_start(struct signals *s, uv_loop_t *loop, void (*handler)(void *ctx, int number), void *ctx)
{
	int rc = 0;

	s->handler = handler;
	s->ctx = ctx;
	for (size_t i = 0; rc == 0 && i < SIGNALS_HANDLED; i++) {
		rc = uv_signal_init(loop, &s->handled[i]);
		s->handled[i].data = s;
		if (rc == 0)
			rc = uv_signal_start(&s->handled[i], known, handled[i]);
	}
	if (rc == 0)
		rc = watch_others(s, loop);
	if (rc < 0)
		log_error("cannot handle signals: %s", strerror(-rc));
	return rc;
}

void signals_end(struct signals *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}
