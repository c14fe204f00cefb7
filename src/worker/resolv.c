#include "worker/resolv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "worker/resolvfile.h"

#define RESOLVCONF "/sbin/resolvconf"
#define SETTLE_MS 300     /* after an event, for files are written in several steps */
#define PAUSE_MIN_MS 2000 /* between two times that it is told the same, doubled */
#define PAUSE_MAX_MS 60000
#define WATCHED 3
#define PROGRAM_MS 10000 /* resolvconf has at the end; half of the unit's TimeoutStopSec= */
#define PATIENCE_MS 2000 /* with what still does not end */

enum place { NOWHERE, BY_RESOLVCONF, IN_FILE, IN_VAIN };
enum run { RUN_ADD, RUN_UPDATE, RUN_DELETE };

struct resolv {
	char device[16];
	char record[24]; /* what resolvconf knows them by */
	char note_path[256];
	uv_loop_t *loop;
	struct ip dns[NAMESERVERS_MAX]; /* wanted */
	size_t n;
	enum place place;
	struct resolv_note note; /* what stands at that place */
	bool seen;               /* it was in force at some time */
	bool nudged;             /* something has happened that may have undone what cannot be seen */
	bool running, freed, started, complained;
	bool killed; /* the program's last run: by a signal, perhaps half way */
	enum run run;
	uv_process_t process;
	uv_timer_t timer;
	uv_fs_event_t watch[WATCHED];
	unsigned int handles; /* being closed */
	uint64_t told;        /* uv_now() */
	uint64_t pause_ms;
	struct nameservers machine; /* as it was last known */
};

static const char *const watched[WATCHED] = { "/etc", "/etc/resolv.conf", "/run/systemd/resolve" };

static void step(struct resolv *r);
static void look_soon(struct resolv *r, uint64_t ms);

/* --- the program --- */

/* A pipe that already holds the whole of resolvconf's input; its read end, or -errno. */
static int input_of(const struct resolv *r)
{
	char ip[IP_STRLEN], text[1024];
	size_t len = 0;
	int fd[2];

	for (size_t i = 0; i < r->n && len + IP_STRLEN + 12 < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "nameserver %s\n",
					ip_format(&r->dns[i], ip));
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	if (write(fd[1], text, len) != (ssize_t)len)
		log_warn("resolvconf: short write");
	close(fd[1]);
	return fd[0];
}

static void has_run(struct resolv *r, bool well);

static void process_closed(uv_handle_t *h)
{
	struct resolv *r = container_of((uv_process_t *)h, struct resolv, process);

	r->running = false;
	has_run(r, h->data == NULL);
}

static void exited(uv_process_t *p, int64_t status, int signal)
{
	container_of(p, struct resolv, process)->killed = signal != 0;
	p->data = status == 0 && signal == 0 ? NULL : p;
	uv_close((uv_handle_t *)p, process_closed);
}

/*
 * The state of resolvconf, and the resolv.conf that it makes, are for all to read, whatever our umask. Options that one of the
 * implementations does not know stand where it does not look.
 */
static int run(struct resolv *r, enum run what)
{
	char sh[] = "/bin/sh", c[] = "-c", script[] = "umask 022; exec \"$@\"", path[] = RESOLVCONF,
	     add[] = "-a", del[] = "-d", update[] = "-u", exclusive[] = "-x", force[] = "-f";
	char *args[] = { sh, c, script, path, path, NULL, NULL, NULL, NULL };
	uv_stdio_container_t io[3] = { { .flags = UV_INHERIT_FD },
				       { .flags = UV_IGNORE },
				       { .flags = UV_IGNORE } };
	const uv_process_options_t o = { .file = sh,
					 .args = args,
					 .exit_cb = exited,
					 .flags = UV_PROCESS_DETACHED, /* a group, which can be ended as one */
					 .stdio = io,
					 .stdio_count = 3 };
	int rc;

	r->killed = false;
	args[5] = what == RUN_ADD ? add : what == RUN_DELETE ? del : update;
	if (what != RUN_UPDATE) {
		args[6] = r->record;
		args[7] = what == RUN_ADD ? exclusive : force;
	}
	if (access(RESOLVCONF, X_OK) < 0)
		return -errno;
	io[0].data.fd = input_of(r);
	if (io[0].data.fd < 0)
		return io[0].data.fd;
	r->run = what;
	rc = uv_spawn(r->loop, &r->process, &o);
	close(io[0].data.fd);
	r->running = true; /* or the handle is yet to be closed */
	if (rc < 0) {
		r->process.data = &r->process;
		uv_close((uv_handle_t *)&r->process, process_closed);
	}
	return 0;
}

/* --- putting them there --- */

static void keep_note(struct resolv *r)
{
	const int rc = resolvfile_note_write(r->note_path, &r->note);

	if (rc < 0)
		log_info("cannot write %s (%s): if this process is killed, nobody knows what %s was",
			 r->note_path, strerror(-rc), "/etc/resolv.conf");
}

static void put_in_file(struct resolv *r)
{
	const int rc = resolvfile_put(r->device, r->dns, r->n, r->note.before);

	r->note.in_file = rc == 0;
	r->seen |= rc == 0;
	r->place = rc == 0 ? IN_FILE : BY_RESOLVCONF;
	if (rc == 0)
		log_info("resolvconf failed: the tunnel's name servers stand in /etc/resolv.conf itself");
	else
		log_warn(
			"resolvconf failed, and /etc/resolv.conf cannot be written (%s): the tunnel's name servers are not "
			"in use",
			rc == -EMLINK ? "not a plain file" : strerror(-rc));
	keep_note(r);
}

static void remember(struct resolv *r)
{
	char *text = resolvfile_read();

	if (text && resolvfile_is_ours(text)) {
		free(text); /* what was there before is known */
		return;
	}
	free(r->note.before);
	r->note.before = text;
}

static void tell(struct resolv *r)
{
	int rc;

	r->told = uv_now(r->loop);
	if (r->place == IN_FILE) {
		put_in_file(r);
		return;
	}
	rc = run(r, RUN_ADD);
	r->place = rc < 0 ? IN_VAIN : BY_RESOLVCONF;
	if (rc < 0)
		log_warn("%s: cannot run %s (%s): set the name servers yourself, or install openresolv or "
			 "systemd-resolved's resolvconf",
			 r->device, RESOLVCONF, uv_strerror(rc));
	else
		keep_note(r);
}

static void put(struct resolv *r)
{
	struct nameservers known;

	if (r->place == NOWHERE) {
		(void)resolv_machine(r, &known);
		remember(r);
		r->pause_ms = PAUSE_MIN_MS;
		r->seen = false;
	}
	memcpy(r->note.dns, r->dns, sizeof(r->dns));
	r->note.n = r->n;
	tell(r);
}

/* --- taking them back --- */

static void taken_back(struct resolv *r)
{
	const int rc = r->place == IN_VAIN ? 0 : resolvfile_restore(&r->note, r->killed);

	if (rc < 0)
		log_warn("cannot put back /etc/resolv.conf: %s", strerror(-rc));
	if (r->killed)
		log_warn("resolvconf did not take back the tunnel's name servers and was ended: /etc/resolv.conf is "
			 "put back by hand, and the next start tells resolvconf again");
	else
		unlink(r->note_path);
	free(r->note.before);
	r->note = (struct resolv_note){ .n = 0 };
	r->place = NOWHERE;
}

static void take_back(struct resolv *r)
{
	/* Also where it failed: it may have failed half way. */
	if (r->place != IN_VAIN && run(r, RUN_DELETE) == 0)
		return;
	taken_back(r);
}

static void has_run(struct resolv *r, bool well)
{
	const bool in_force = r->note.n > 0 && resolvfile_lists(&r->note.dns[0]);

	if (r->run == RUN_DELETE) {
		taken_back(r);
	} else if (in_force) {
		r->seen = true;
	} else if (r->run == RUN_ADD && well && r->n > 0) {
		(void)run(r, RUN_UPDATE); /* it was told nothing new, and wrote nothing; or somebody wrote behind it */
	} else if (r->run == RUN_ADD && !well && r->n > 0) {
		put_in_file(r);
	} else if (r->n > 0 && !r->complained) {
		r->complained = true;
		log_warn(
			"resolvconf was told the tunnel's name servers, but /etc/resolv.conf does not list them");
	}
	look_soon(r, SETTLE_MS); /* what happened meanwhile nobody has looked at */
	step(r);
}

/* --- their staying there --- */

static void file_changed(uv_fs_event_t *h, const char *name, int events, int status)
{
	(void)events;
	if (status == 0 && name && strcmp(name, "resolv.conf") == 0)
		look_soon(h->data, SETTLE_MS);
}

/* A file that was replaced is another one to watch. */
static void watch_again(struct resolv *r)
{
	for (size_t i = 0; i < WATCHED; i++) {
		uv_fs_event_stop(&r->watch[i]);
		if (r->place != NOWHERE && !r->freed) /* some of it need not be there */
			(void)uv_fs_event_start(&r->watch[i], file_changed, watched[i], 0);
	}
}

static void put_again(struct resolv *r)
{
	const uint64_t now = uv_now(r->loop), since = now - r->told;

	if (since < r->pause_ms) {
		look_soon(r, r->pause_ms - since);
		return;
	}
	r->pause_ms = since > PAUSE_MAX_MS             ? PAUSE_MIN_MS
		      : r->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS
						       : r->pause_ms * 2;
	if (r->seen)
		log_warn(
			"the tunnel's name servers were taken away from /etc/resolv.conf: putting them there again");
	r->nudged = false;
	if (r->place == IN_FILE)
		remember(r);
	tell(r);
}

static void look(uv_timer_t *t)
{
	struct resolv *r = container_of(t, struct resolv, timer);

	if (r->freed || r->running || r->n == 0 || (r->place != BY_RESOLVCONF && r->place != IN_FILE))
		return;
	watch_again(r);
	if (resolvfile_lists(&r->note.dns[0])) {
		r->seen = true;
		r->nudged = false;
	} else if (r->seen || r->nudged) {
		put_again(r);
	}
}

static void look_soon(struct resolv *r, uint64_t ms)
{
	if (r->started && !r->freed && !uv_is_active((uv_handle_t *)&r->timer))
		uv_timer_start(&r->timer, look, ms, 0);
}

void resolv_network_changed(struct resolv *r)
{
	if (r->place != BY_RESOLVCONF && r->place != IN_FILE)
		return;
	r->nudged = true;
	look_soon(r, SETTLE_MS);
}

/* --- life --- */

static void step(struct resolv *r)
{
	if (r->running)
		return;
	if (r->n == 0 && r->place != NOWHERE)
		take_back(r);
	else if (r->n > 0 && (r->place == NOWHERE || r->n != r->note.n ||
			      memcmp(r->dns, r->note.dns, r->n * sizeof(*r->dns)) != 0))
		put(r);
	if (r->started && !r->freed)
		watch_again(r);
	if (r->freed && !r->running && r->handles == 0) {
		free(r->note.before);
		free(r);
	}
}

/* Debian's resolvconf goes by the order of these names, and one that it does not know comes last. */
static const char *prefix(void)
{
	return access("/etc/resolvconf/interface-order", R_OK) == 0 ? "tun." : "";
}

struct resolv *resolv_new(const char *device, const char *beside, uv_loop_t *loop)
{
	struct resolv *r = calloc(1, sizeof(*r));
	const char *slash = strrchr(beside, '/');

	if (!r)
		return NULL;
	snprintf(r->device, sizeof(r->device), "%s", device);
	snprintf(r->record, sizeof(r->record), "%s%s", prefix(), device);
	snprintf(r->note_path, sizeof(r->note_path), "%.*s/%s.resolv", slash ? (int)(slash - beside) : 1,
		 slash ? beside : ".", device);
	r->loop = loop;
	return r;
}

bool resolv_start(struct resolv *r)
{
	uv_timer_init(r->loop, &r->timer);
	for (size_t i = 0; i < WATCHED; i++) {
		uv_fs_event_init(r->loop, &r->watch[i]);
		r->watch[i].data = r;
	}
	r->started = true;
	if (!resolvfile_note_read(r->note_path, &r->note))
		return false;
	log_info("taking back the name servers that a daemon which was killed has left");
	r->place = r->note.in_file ? IN_FILE : BY_RESOLVCONF;
	step(r);
	return true;
}

void resolv_apply(struct resolv *r, const struct ip *dns, size_t n)
{
	r->n = n < NAMESERVERS_MAX ? n : NAMESERVERS_MAX;
	if (r->n)
		memcpy(r->dns, dns, r->n * sizeof(*dns));
	step(r);
}

bool resolv_in_force(const struct resolv *r)
{
	return r->n > 0 || r->place != NOWHERE;
}

bool resolv_machine(struct resolv *r, struct nameservers *out)
{
	if (nameservers_of_machine(out, r->note.dns, r->note.n, r->device)) {
		r->machine = *out;
		return true;
	}
	if (r->machine.n == 0 && r->note.before) {
		nameservers_parse(&r->machine, r->note.before);
		nameservers_leave_out(&r->machine, r->note.dns, r->note.n);
	}
	*out = r->machine;
	return out->n > 0;
}

const struct nameservers *resolv_known(const struct resolv *r)
{
	static const struct nameservers none;

	return r ? &r->machine : &none;
}

static void handle_closed(uv_handle_t *h)
{
	struct resolv *r = h->data;

	r->handles--;
	step(r);
}

void resolv_free(struct resolv *r)
{
	if (!r)
		return;
	r->n = 0;
	r->freed = true;
	if (r->started) {
		r->timer.data = r;
		r->handles = 1 + WATCHED;
		uv_close((uv_handle_t *)&r->timer, handle_closed);
		for (size_t i = 0; i < WATCHED; i++)
			uv_close((uv_handle_t *)&r->watch[i], handle_closed);
	}
	step(r);
}

/* With all that it has started. */
static void kill_walked(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (h->type == UV_PROCESS && uv_is_active(h))
		kill(-uv_process_get_pid((uv_process_t *)h), SIGKILL);
}

static void patience_ended(uv_timer_t *t)
{
	uv_stop(t->loop);
}

static void program_hangs(uv_timer_t *t)
{
	uv_walk(t->loop, kill_walked, NULL);
	uv_timer_start(t, patience_ended, PATIENCE_MS, 0);
}

void resolv_finish(uv_loop_t *loop)
{
	uv_timer_t patience;

	uv_update_time(loop);
	uv_timer_init(loop, &patience);
	uv_unref((uv_handle_t *)&patience);
	uv_timer_start(&patience, program_hangs, PROGRAM_MS, 0);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&patience, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
}
