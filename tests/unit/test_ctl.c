/* The control socket over a real socket: every command, and clients that send garbage, too much, or nothing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/request.h"
#include "shortage.h"
#include "worker/descriptors.h"
#include "session/info.h"

enum { PATIENCE = 20000 };

struct world {
	uv_loop_t loop;
	uv_poll_t held;
	struct ctl *ctl;
	char dir[32];
	char path[64];
	/* the daemon behind it */
	struct session_info sessions[3];
	size_t nsessions;
	bool later; /* sessions are answered when the test says so */
	bool page;  /* one is on its way */
	unsigned int nexts;
	struct ctl_request *waiting;
	bool refuse;
	unsigned int jumps, terminates, rekeys, reloads;
	uint8_t id[16];
	uint8_t jump_path;
	struct audit_record recent[2];
	size_t nrecent;
	char *answer; /* of the last ask() */
};

/* --- a daemon --- */

static void op_status(void *ctx, struct ctl_request *req)
{
	struct world *w = ctx;
	const struct ctl_status st = { .role = "client",
				       .node_name = "laptop",
				       .node_id = 7,
				       .config_file = "/etc/x.yaml",
				       .config_generation = 3,
				       .uptime_ms = 1234,
				       .workers = 1,
				       .tunnel = "jump0",
				       .crypto = "c",
				       .offloads = "o" };
	struct counters sum = { .n = { [COUNT_DROP_REPLAY] = 5 } };
	const uint64_t by_state[STATE_COUNT] = { [STATE_ATTACHED] = 2, [STATE_DEGRADED] = 1 };

	ctl_answer_status(req, &st, &sum, by_state, &w->sessions[0]);
}

/* In two pages. */
static void op_sessions(void *ctx, struct ctl_request *req)
{
	struct world *w = ctx;

	if (w->later) {
		w->waiting = req;
		return;
	}
	w->page = true;
	ctl_answer_page(req, w->sessions, w->nsessions > 0, false);
}

static void op_next(void *ctx, struct ctl_request *req)
{
	struct world *w = ctx;
	const size_t n = w->nsessions > 0 ? w->nsessions - 1 : 0;

	assert_true(w->page);
	w->page = false;
	w->nexts++;
	if (w->later)
		w->waiting = req;
	else
		ctl_answer_page(req, w->sessions + 1, n, true);
}

static void found(struct ctl_request *req, struct world *w, const char *wanted)
{
	struct session_info rows[2];
	size_t n = 0;

	for (size_t i = 0; i < w->nsessions && n < 2; i++)
		if (!wanted || match_session(wanted, w->sessions[i].id, w->sessions[i].peer))
			rows[n++] = w->sessions[i];
	ctl_answer_found(req, rows, n);
}

static void op_find(void *ctx, struct ctl_request *req, const char *wanted)
{
	struct world *w = ctx;

	if (w->later)
		w->waiting = req;
	else
		found(req, w, wanted);
}

static void op_jump(void *ctx, struct ctl_request *req, const struct session_info *s, uint8_t path)
{
	struct world *w = ctx;

	w->jumps++;
	memcpy(w->id, s->id, 16);
	w->jump_path = path;
	if (w->refuse)
		ctl_fail(req, REASON_COOLDOWN_ACTIVE, 900, "the last switch was %d ms ago", 600);
	else
		ctl_answer_done(req, "jumping");
}

static void op_terminate(void *ctx, struct ctl_request *req, const struct session_info *s)
{
	struct world *w = ctx;

	w->terminates++;
	memcpy(w->id, s->id, 16);
	ctl_answer_done(req, NULL);
}

static void op_rekey(void *ctx, struct ctl_request *req, const struct session_info *s)
{
	struct world *w = ctx;

	w->rekeys++;
	memcpy(w->id, s->id, 16);
	ctl_answer_done(req, NULL);
}

static void op_reload(void *ctx, struct ctl_request *req)
{
	struct world *w = ctx;

	w->reloads++;
	ctl_answer_done(req, "generation 4");
}

static size_t op_recent(void *ctx, struct audit_record *out, size_t max)
{
	struct world *w = ctx;

	assert_true(max >= w->nrecent);
	memcpy(out, w->recent, w->nrecent * sizeof(*out));
	return w->nrecent;
}

static const struct ctl_ops ops = {
	.status = op_status,
	.sessions = op_sessions,
	.next = op_next,
	.find = op_find,
	.jump = op_jump,
	.terminate = op_terminate,
	.rekey = op_rekey,
	.reload = op_reload,
	.recent = op_recent,
};

static struct session_info session(uint8_t first, const char *peer)
{
	struct session_info s = { .id = { first, 0xcd },
				  .state = STATE_ATTACHED,
				  .doing = DOING_CARRYING,
				  .deadline_ms = UINT64_MAX,
				  .next_ms = 700,
				  .active = 0,
				  .suite = SUITE_AES_256_GCM,
				  .npaths = 2,
				  .last_authentic_rx_ms = 12,
				  .since_switch_ms = UINT64_MAX,
				  .naddresses = 1,
				  .reason = REASON_REATTACH_SUCCESS,
				  .mtu = 1420 };

	strcpy(s.peer, peer);
	prefix_parse("10.8.0.2", &s.address[0]);
	s.path[0] = (struct path_info){
		.path = 0, .name = "wifi", .use = PATH_ACTIVE, .srtt_us = 14000, .last_rx_ms = 12
	};
	endpoint_parse("192.0.2.1:4433", &s.path[0].remote);
	s.path[1] =
		(struct path_info){ .path = 1, .name = "lte", .use = PATH_STANDBY, .last_rx_ms = UINT64_MAX };
	return s;
}

static struct audit_record record(uint32_t version, uint8_t id, const char *peer)
{
	struct audit_record r = { .event = AUDIT_SESSION_STATE_CHANGE,
				  .has_session = true,
				  .session_id = { id, 0xcd },
				  .state_version = version,
				  .path_from = AUDIT_NO_PATH,
				  .path_to = AUDIT_NO_PATH };

	strcpy(r.peer, peer);
	return r;
}

/* The path that was left may bear the number of the one that came after it. */
static void test_active_path(void **state)
{
	struct session_info s = session(1, "alice");
	const char *remote = NULL;
	json_t *row;

	(void)state;
	s.path[1] = s.path[0];
	s.path[0].use = PATH_STANDBY;
	endpoint_parse("192.0.2.2:4433", &s.path[1].remote);
	row = json_session_row(&s);
	assert_int_equal(json_unpack(row, "{s:{s:s}}", "active", "remote", &remote), 0);
	assert_string_equal(remote, "192.0.2.2:4433");
	json_decref(row);
	s.path[1].use = PATH_DRAINING;
	row = json_session_row(&s);
	assert_true(json_is_null(json_object_get(row, "active")));
	json_decref(row);
}

/* --- a client --- */

static void turn(struct world *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

static int dial(struct world *w)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	turn(w);
	return fd;
}

static void tell(struct world *w, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(w);
}

/* Reads until a newline, or the end when `whole`; the daemon runs meanwhile. */
static char *hear(struct world *w, int fd, bool whole)
{
	size_t len = 0, cap = 1 << 20;
	char *text = calloc(1, cap + 1);

	for (int ms = 0; ms < PATIENCE; ms++) {
		ssize_t n = recv(fd, text + len, whole ? cap - len : 1, 0);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return text;
		if (n > 0) {
			len += (size_t)n;
			if (!whole && text[len - 1] == '\n')
				return text;
			continue;
		}
		turn(w);
		poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 1);
	}
	fail_msg("no answer");
	return text;
}

static json_t *hear_json(struct world *w, int fd)
{
	char *text = hear(w, fd, false);
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	if (!o)
		fail_msg("not JSON: \"%s\"", text);
	free(text);
	return o;
}

static void expect_end(struct world *w, int fd)
{
	char *text = hear(w, fd, true);

	assert_string_equal(text, "");
	free(text);
	close(fd);
}

static json_t *ask(struct world *w, const char *request)
{
	int fd = dial(w);
	json_t *o;

	tell(w, fd, request);
	o = hear_json(w, fd);
	expect_end(w, fd);
	return o;
}

static void expect_error(struct world *w, const char *request, const char *error)
{
	json_t *o = ask(w, request);

	assert_true(json_is_false(json_object_get(o, "ok")));
	if (!strstr(json_string_value(json_object_get(o, "error")), error))
		fail_msg("%s: %s", request, json_string_value(json_object_get(o, "error")));
	json_decref(o);
}

static void expect_ok(struct world *w, const char *request, const char *note)
{
	json_t *o = ask(w, request);

	if (!json_is_true(json_object_get(o, "ok")))
		fail_msg("%s: %s", request, json_string_value(json_object_get(o, "error")));
	if (note)
		assert_string_equal(json_string_value(json_object_get(o, "note")), note);
	json_decref(o);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *error;

	strcpy(w->dir, "/tmp/test_ctl.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/control.sock", w->dir);
	w->sessions[0] = session(0xab, "alice");
	w->sessions[1] = session(0xac, "bob");
	w->sessions[2] = session(0xad, "bob");
	w->nsessions = 3;
	uv_loop_init(&w->loop);
	assert_int_equal(ctl_start(&w->ctl, &w->loop, w->path, &ops, w, &error), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->ctl)
		ctl_stop(w->ctl);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0); /* no handle is left */
	assert_int_equal(access(w->path, F_OK), -1);
	rmdir(w->dir);
	free(w);
	return 0;
}

/* --- commands --- */

static void test_status(void **state)
{
	struct world *w = *state;
	json_t *o = ask(w, "{\"command\":\"status\"}\n");
	json_t *daemon = json_object_get(o, "daemon"), *own = json_object_get(o, "session");

	assert_true(json_is_true(json_object_get(o, "ok")));
	assert_string_equal(json_string_value(json_object_get(daemon, "node_name")), "laptop");
	assert_int_equal(json_integer_value(json_object_get(daemon, "config_generation")), 3);
	assert_true(json_is_null(json_object_get(daemon, "last_reload")));
	assert_true(json_is_null(json_object_get(daemon, "names")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "counters"), "drop_replay")),
			 5);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "sessions"), "total")), 3);
	assert_true(json_is_null(json_object_get(json_object_get(o, "sessions"), "max"))); /* of a client */
	assert_string_equal(json_string_value(json_object_get(own, "doing")), "carrying");
	assert_true(json_is_null(json_object_get(own, "deadline_ms")));
	assert_int_equal(json_integer_value(json_object_get(own, "next_ms")), 700);
	json_decref(o);
}

static void test_sessions(void **state)
{
	struct world *w = *state;
	json_t *o = ask(w, "{\"command\":\"sessions\"}\n"), *list = json_object_get(o, "sessions"), *path;

	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "peer")), "bob");
	path = json_object_get(json_array_get(list, 0), "active");
	assert_string_equal(json_string_value(json_object_get(path, "name")), "wifi");
	assert_string_equal(json_string_value(json_object_get(path, "remote")), "192.0.2.1:4433");
	json_decref(o);
}

static void test_show(void **state)
{
	struct world *w = *state;
	json_t *o = ask(w, "{\"command\":\"show\",\"session\":\"ABcd\"}\n"),
	       *s = json_object_get(o, "session"), *paths;

	assert_string_equal(json_string_value(json_object_get(s, "id")), "abcd0000000000000000000000000000");
	assert_string_equal(json_string_value(json_object_get(s, "suite")), "AES-256-GCM");
	assert_string_equal(json_string_value(json_array_get(json_object_get(s, "addresses"), 0)),
			    "10.8.0.2");
	paths = json_object_get(s, "paths");
	assert_int_equal(json_array_size(paths), 2);
	assert_true(json_is_null(json_object_get(json_array_get(paths, 1), "last_rx_ms")));
	assert_string_equal(json_string_value(json_object_get(json_array_get(paths, 1), "use")), "standby");
	json_decref(o);
}

static void test_which_session(void **state)
{
	struct world *w = *state;

	expect_ok(w, "{\"command\":\"show\",\"session\":\"alice\"}\n", NULL);
	expect_ok(w, "{\"command\":\"show\",\"session\":\"ad\"}\n", NULL);
	expect_error(w, "{\"command\":\"show\",\"session\":\"a\"}\n", "means more than one session");
	expect_error(w, "{\"command\":\"show\",\"session\":\"bob\"}\n", "means more than one session");
	expect_error(w, "{\"command\":\"show\",\"session\":\"carol\"}\n", "no session has");
	expect_error(w, "{\"command\":\"show\",\"session\":\"abcd00000000000000000000000000000\"}\n",
		     "no session has");
	expect_error(w, "{\"command\":\"show\"}\n", "there is more than one session");
	/* A peer named like the beginning of another's ID is not guessed about. */
	strcpy(w->sessions[0].peer, "ac");
	expect_error(w, "{\"command\":\"terminate\",\"session\":\"ac\"}\n", "means more than one session");
	assert_int_equal(w->terminates, 0);
	w->nsessions = 1;
	expect_ok(w, "{\"command\":\"show\"}\n", NULL);
	w->nsessions = 0;
	expect_error(w, "{\"command\":\"show\"}\n", "there is no session");
}

static void test_jump(void **state)
{
	struct world *w = *state;
	json_t *o;

	expect_ok(w, "{\"command\":\"jump\",\"session\":\"alice\",\"path\":\"lte\"}\n", "jumping");
	assert_int_equal(w->jump_path, 1);
	assert_memory_equal(w->id, w->sessions[0].id, 16);
	expect_ok(w, "{\"command\":\"jump\",\"session\":\"ad\",\"path\":\"0\"}\n", "jumping");
	assert_int_equal(w->jump_path, 0);
	assert_memory_equal(w->id, w->sessions[2].id, 16);
	expect_error(w, "{\"command\":\"jump\",\"session\":\"alice\",\"path\":\"2\"}\n", "0 (wifi), 1 (lte)");
	expect_error(w, "{\"command\":\"jump\",\"session\":\"alice\"}\n", "needs a \"path\"");
	assert_int_equal(w->jumps, 2);
	strcpy(w->sessions[0].path[0].name, "1"); /* a name goes before a number */
	expect_ok(w, "{\"command\":\"jump\",\"session\":\"alice\",\"path\":\"1\"}\n", NULL);
	assert_int_equal(w->jump_path, 0);
	w->refuse = true;
	o = ask(w, "{\"command\":\"jump\",\"session\":\"alice\",\"path\":\"lte\"}\n");
	assert_string_equal(json_string_value(json_object_get(o, "error")), "the last switch was 600 ms ago");
	assert_string_equal(json_string_value(json_object_get(o, "reason")), "cooldown_active");
	assert_int_equal(json_integer_value(json_object_get(o, "retry_after_ms")), 900);
	json_decref(o);
}

static void test_other_orders(void **state)
{
	struct world *w = *state;

	expect_ok(w, "{\"command\":\"terminate\",\"session\":\"ac\"}\n", NULL);
	assert_int_equal(w->terminates, 1);
	assert_memory_equal(w->id, w->sessions[1].id, 16);
	expect_ok(w, "{\"command\":\"rekey\",\"session\":\"ab\"}\n", NULL);
	assert_int_equal(w->rekeys, 1);
	assert_int_equal(w->terminates, 1);
	assert_memory_equal(w->id, w->sessions[0].id, 16);
	expect_error(w, "{\"command\":\"rekey\",\"path\":\"0\"}\n", "takes no \"path\"");
	expect_ok(w, "{\"command\":\"reload\"}\n", "generation 4");
	assert_int_equal(w->reloads, 1);
}

/* --- bad clients --- */

static void test_garbage(void **state)
{
	struct world *w = *state;

	expect_error(w, "\n", "not a JSON object");
	expect_error(w, "hello\n", "not a JSON object");
	expect_error(w, "[1]\n", "not a JSON object");
	expect_error(w, "{\"command\":\"status\"\n", "not a JSON object");
	expect_error(w, "{}\n", "\"command\" must be one of");
	expect_error(w, "{\"command\":7}\n", "\"command\" must be one of");
	expect_error(w, "{\"command\":\"explode\"}\n", "\"command\" must be one of");
	expect_error(w, "{\"command\":\"status\",\"session\":\"ab\"}\n", "takes no \"session\"");
	expect_error(w, "{\"command\":\"show\",\"session\":5}\n", "must be a text");
	expect_error(w, "{\"command\":\"show\",\"session\":\"\"}\n", "must be a text");
	expect_error(w, "{\"command\":\"show\",\"session\":\"a\\u0000b\"}\n", "not a JSON object");
	expect_error(w, "{\"command\":\"events\",\"follow\":1}\n", "true or false");
	expect_error(w, "{\"command\":\"terminate\",\"command\":\"status\"}\n", "not a JSON object");
	assert_int_equal(w->terminates + w->jumps + w->reloads, 0);
}

static void test_deep_nesting(void **state)
{
	struct world *w = *state;
	char *text = malloc(60002);

	memset(text, '[', 60000);
	strcpy(text + 60000, "\n");
	expect_error(w, text, "not a JSON object");
	free(text);
}

static void test_oversize(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	char block[4096];
	json_t *o;

	memset(block, ' ', sizeof(block));
	for (int i = 0; i < 16; i++) {
		assert_int_equal(send(fd, block, sizeof(block), MSG_NOSIGNAL), sizeof(block));
		turn(w);
	}
	o = hear_json(w, fd);
	assert_non_null(strstr(json_string_value(json_object_get(o, "error")), "longer than 64 KiB"));
	json_decref(o);
	free(hear(w, fd, true));
	close(fd);
}

static void test_in_pieces(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	json_t *o;

	for (const char *p = "{\"command\":\"reload\"}"; *p; p++)
		tell(w, fd, (char[]){ *p, '\0' });
	tell(w, fd, "\nignored");
	o = hear_json(w, fd);
	assert_true(json_is_true(json_object_get(o, "ok")));
	assert_int_equal(w->reloads, 1);
	json_decref(o);
	free(hear(w, fd, true));
	close(fd);
}

/* A client that closes its sending side right away still gets its answer, with or without a newline. */
static void test_half_closed(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	json_t *o;

	w->later = true;
	tell(w, fd, "{\"command\":\"sessions\"}");
	assert_null(w->waiting);
	shutdown(fd, SHUT_WR);
	turn(w);
	assert_non_null(w->waiting);
	ctl_answer_page(w->waiting, w->sessions, 3, true);
	o = hear_json(w, fd);
	assert_int_equal(json_array_size(json_object_get(o, "sessions")), 3);
	json_decref(o);
	expect_end(w, fd);
}

static void fire_timer(uv_handle_t *h, void *arg)
{
	unsigned int *active = arg;

	if (h->type != UV_TIMER || !uv_is_active(h))
		return;
	assert_true(uv_timer_get_due_in((uv_timer_t *)h) <= CTL_IDLE_MS);
	(*active)++;
	uv_timer_start((uv_timer_t *)h, ((uv_timer_t *)h)->timer_cb, 0, 0);
}

/* Who says nothing is sent away when the timer fires; who waits for the daemon has none. */
static void test_silent_client(void **state)
{
	struct world *w = *state;
	int silent = dial(w), half = dial(w), waiting = dial(w);
	unsigned int active = 0;

	tell(w, half, "{\"command\":");
	w->later = true;
	tell(w, waiting, "{\"command\":\"sessions\"}\n");
	turn(w);
	uv_walk(&w->loop, fire_timer, &active);
	assert_int_equal(active, 2);
	turn(w);
	expect_end(w, silent);
	expect_end(w, half);
	ctl_answer_page(w->waiting, w->sessions, 3, true);
	json_decref(hear_json(w, waiting));
	close(waiting);
}

/* A client that has gone between two pages: the daemon is told, and lists no more. */
static void test_gone_between_pages(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	struct linger reset = { .l_onoff = 1 };

	w->later = true;
	tell(w, fd, "{\"command\":\"sessions\"}\n");
	turn(w);
	w->page = true;
	ctl_answer_page(w->waiting, w->sessions, 3, false);
	turn(w);
	assert_int_equal(w->nexts, 1);
	assert_false(ctl_is_gone(w->waiting));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	for (int i = 0; i < 5; i++)
		turn(w);
	assert_true(ctl_is_gone(w->waiting));
	w->page = true;
	ctl_answer_page(w->waiting, w->sessions, 3, false);
	assert_int_equal(w->nexts, 2);
	ctl_answer_page(w->waiting, NULL, 0, true);
}

/* What goes wrong in the middle of a list cannot be said any more: the line has no end. */
static void test_cut_list(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	char *text;

	w->later = true;
	tell(w, fd, "{\"command\":\"sessions\"}\n");
	turn(w);
	w->page = true;
	ctl_answer_page(w->waiting, w->sessions, 3, false);
	turn(w);
	ctl_fail(w->waiting, REASON_NONE, 0, "the daemon is ending");
	text = hear(w, fd, true);
	assert_null(strchr(text, '\n'));
	assert_null(strstr(text, "ending"));
	free(text);
	close(fd);
}

/* A client that has gone while the daemon worked: nothing is done in its name. */
static void test_gone_client(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	struct linger reset = { .l_onoff = 1 };

	w->later = true;
	tell(w, fd, "{\"command\":\"terminate\",\"session\":\"ab\"}\n");
	turn(w);
	assert_non_null(w->waiting);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	for (int i = 0; i < 5; i++)
		turn(w);
	ctl_stop(w->ctl);
	w->ctl = NULL;
	uv_run(&w->loop, UV_RUN_DEFAULT);
	ctl_answer_found(w->waiting, w->sessions, 1);
	assert_int_equal(w->terminates, 0);
}

/* Whoever keeps his place for nothing loses it to who asks, the oldest first; who waits for the daemon keeps it. */
static void test_too_many(void **state)
{
	struct world *w = *state;
	int fds[CTL_CONNECTIONS];
	int waiting = dial(w);

	w->later = true;
	tell(w, waiting, "{\"command\":\"sessions\"}\n");
	turn(w);
	for (int i = 0; i < CTL_CONNECTIONS; i++)
		fds[i] = dial(w);
	expect_end(w, fds[0]);
	expect_ok(w, "{\"command\":\"reload\"}\n", NULL);
	expect_end(w, fds[1]);
	ctl_answer_page(w->waiting, w->sessions, 3, true);
	json_decref(hear_json(w, waiting));
	close(waiting);
	for (int i = 2; i < CTL_CONNECTIONS; i++)
		close(fds[i]);
}

static int follow(struct world *w)
{
	int fd = dial(w);

	tell(w, fd, "{\"command\":\"events\",\"follow\":true}\n");
	turn(w);
	json_decref(hear_json(w, fd));
	return fd;
}

static void read_all(int fd)
{
	char text[65536];

	while (recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
}

/* Of followers the one that does not read goes first. */
static void test_too_many_followers(void **state)
{
	char byte;
	struct world *w = *state;
	int fds[CTL_CONNECTIONS];

	for (int i = 0; i < CTL_CONNECTIONS; i++)
		fds[i] = follow(w);
	for (uint32_t n = 1; n <= 2000; n++) {
		struct audit_record r = record(n, 0xab, "alice");

		ctl_event(w->ctl, &r);
		if (n % 50 != 0)
			continue;
		turn(w);
		for (int i = 0; i < CTL_CONNECTIONS; i++)
			if (i != 7)
				read_all(fds[i]);
	}
	expect_ok(w, "{\"command\":\"reload\"}\n", NULL);
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), -1); /* has nothing to read, and has not ended */
	close(fds[7]);
	fds[7] = follow(w); /* all places are taken again */
	expect_ok(w, "{\"command\":\"reload\"}\n", NULL);
	expect_end(w, fds[0]);
	for (int i = 1; i < CTL_CONNECTIONS; i++)
		close(fds[i]);
}

/* With all places waited on there is none. */
static void test_all_wait(void **state)
{
	struct world *w = *state;
	struct ctl_request *requests[CTL_CONNECTIONS];
	int fds[CTL_CONNECTIONS], fd;
	json_t *o;

	w->later = true;
	for (int i = 0; i < CTL_CONNECTIONS; i++) {
		fds[i] = dial(w);
		tell(w, fds[i], "{\"command\":\"sessions\"}\n");
		turn(w);
		requests[i] = w->waiting;
	}
	fd = dial(w);
	o = hear_json(w, fd);
	assert_string_equal(json_string_value(json_object_get(o, "error")), "too many connections");
	json_decref(o);
	expect_end(w, fd);
	for (int i = 0; i < CTL_CONNECTIONS; i++) {
		ctl_answer_page(requests[i], w->sessions, 3, true);
		json_decref(hear_json(w, fds[i]));
		close(fds[i]);
	}
}

/* --- events --- */

static uint32_t hear_version(struct world *w, int fd)
{
	json_t *o = hear_json(w, fd);
	uint32_t version = (uint32_t)json_integer_value(json_object_get(o, "state_version"));

	json_decref(o);
	return version;
}

static void test_events(void **state)
{
	struct world *w = *state;
	json_t *o, *list;

	w->recent[0] = record(1, 0xab, "alice");
	w->recent[1] = record(2, 0xac, "bob");
	w->nrecent = 2;
	o = ask(w, "{\"command\":\"events\"}\n");
	list = json_object_get(o, "events");
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "state_version")), 2);
	json_decref(o);
	o = ask(w, "{\"command\":\"events\",\"session\":\"AC\"}\n");
	list = json_object_get(o, "events");
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "state_version")), 2);
	json_decref(o);
	w->nrecent = 0;
	o = ask(w, "{\"command\":\"events\"}\n");
	assert_int_equal(json_array_size(json_object_get(o, "events")), 0);
	json_decref(o);
}

static void test_follow(void **state)
{
	struct world *w = *state;
	struct audit_record r = record(3, 0xab, "alice"), other = record(4, 0xac, "bob");
	struct audit_record gap = {
		.event = AUDIT_AUDIT_GAP, .count = 9, .path_from = AUDIT_NO_PATH, .path_to = AUDIT_NO_PATH
	};
	int fd = dial(w);
	json_t *o;

	w->recent[0] = record(1, 0xab, "alice");
	w->recent[1] = record(2, 0xac, "bob");
	w->nrecent = 2;
	ctl_event(w->ctl, &r); /* nobody follows yet */
	tell(w, fd, "{\"command\":\"events\",\"follow\":true,\"session\":\"alice\"}\n");
	turn(w);
	ctl_event(w->ctl, &other);
	ctl_event(w->ctl, &r);
	ctl_event(w->ctl, &gap); /* concerns everybody */
	o = hear_json(w, fd);
	assert_true(json_is_true(json_object_get(o, "follow")));
	json_decref(o);
	assert_int_equal(hear_version(w, fd), 1);
	assert_int_equal(hear_version(w, fd), 3);
	o = hear_json(w, fd);
	assert_int_equal(json_integer_value(json_object_get(o, "lost")), 9);
	json_decref(o);
	close(fd);
	for (int i = 0; i < 5; i++)
		turn(w);
	ctl_event(w->ctl, &r);
}

static void test_slow_follower(void **state)
{
	struct world *w = *state;
	uint64_t told = 0, came = 0, sent = 20000;
	int fd = dial(w);
	json_t *o;

	tell(w, fd, "{\"command\":\"events\",\"follow\":true}\n");
	turn(w);
	json_decref(hear_json(w, fd));
	for (uint32_t i = 1; i <= sent; i++) {
		struct audit_record r = record(i, 0xab, "alice");

		ctl_event(w->ctl, &r);
	}
	/* It wakes up and reads what there is; then one more comes, and the notice in front of it. */
	while (came < sent) {
		struct audit_record r = record(99999, 0xab, "alice");

		if (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 0) {
			turn(w);
			if (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 0)
				ctl_event(w->ctl, &r);
			turn(w);
		}
		o = hear_json(w, fd);
		if (!json_object_get(o, "event_type")) {
			told += (uint64_t)json_integer_value(json_object_get(o, "lost"));
			json_decref(o);
			break;
		}
		came++;
		assert_int_equal(json_integer_value(json_object_get(o, "state_version")), came);
		json_decref(o);
	}
	assert_true(came > 100);
	assert_int_equal(came + told, sent);
	assert_int_equal(hear_version(w, fd), 99999);
	close(fd);
}

/* --- the socket itself --- */

static void test_mode(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
}

static int start_other(struct world *w, const char *path, const char **error)
{
	struct ctl *other;
	int err = ctl_start(&other, &w->loop, path, &ops, w, error);

	if (!err)
		ctl_stop(other);
	turn(w);
	return err;
}

static void test_taken(void **state)
{
	struct world *w = *state;
	const char *error;

	assert_int_equal(start_other(w, w->path, &error), -EADDRINUSE);
	assert_string_equal(error, "another daemon answers on the control socket");
	expect_ok(w, "{\"command\":\"reload\"}\n", NULL); /* and it still does */
}

static void test_stale(void **state)
{
	struct world *w = *state;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[80], long_path[200];
	const char *error;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(path, sizeof(path), "%s/stale", w->dir);
	strcpy(sun.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd); /* the file stays, nobody answers */
	assert_int_equal(start_other(w, path, &error), 0);
	assert_int_equal(access(path, F_OK), -1);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(start_other(w, path, &error), -EEXIST); /* a plain file is not ours to remove */
	assert_int_equal(unlink(path), 0);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(start_other(w, long_path, &error), -ENAMETOOLONG);
	assert_int_equal(start_other(w, "/nonexistent/control.sock", &error), -ENOENT);
}

/* --- memory --- */

/* What comes back, to the end: nothing is allocated for it. */
static size_t hear_all(struct world *w, int fd, char *text, size_t cap)
{
	size_t len = 0;

	for (int ms = 0; ms < PATIENCE; ms++) {
		const ssize_t n = recv(fd, text + len, cap - len, 0);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return len;
		len += n > 0 ? (size_t)n : 0;
		turn(w);
	}
	fail_msg("no end");
	return 0;
}

/* Answered whole, or ended without the end of a line. */
static void ask_short_of_memory(struct world *w, const char *request)
{
	static char text[1 << 20];
	int fd = dial(w);
	size_t len;

	(void)!send(fd, request, strlen(request), MSG_NOSIGNAL); /* perhaps it is closed already */
	len = hear_all(w, fd, text, sizeof(text));
	if (len > 0 && text[len - 1] == '\n')
		assert_int_equal(text[0], '{');
	close(fd);
}

static void all_short_of_memory(void)
{
	struct world *w;

	setup((void **)&w);
	assert_int_equal(descriptors_reserve(&w->loop, &w->held, 64), 0);
	shortage_arm();
	ask_short_of_memory(w, "{\"command\":\"status\"}\n");
	ask_short_of_memory(w, "{\"command\":\"sessions\"}\n");
	ask_short_of_memory(w, "{\"command\":\"show\",\"session\":\"alice\"}\n");
	ask_short_of_memory(w, "{\"command\":\"jump\",\"session\":\"alice\",\"path\":\"lte\"}\n");
	ask_short_of_memory(w, "{\"command\":\"events\"}\n");
	ask_short_of_memory(w, "{\"nonsense\n");
	shortage_disarm();
	expect_ok(w, "{\"command\":\"sessions\"}\n", NULL);
	uv_close((uv_handle_t *)&w->held, NULL);
	teardown((void **)&w);
}

/* Each allocation fails once, in turn: a request is answered, or its connection ends; nothing leaks. */
static void test_short_of_memory(void **state)
{
	static unsigned int held;
	unsigned int rounds = 0;

	if (!shortage_works())
		skip();
	shortage_begin(&held);
	all_short_of_memory(); /* what libraries keep for ever they have now */
	for (; shortage_next(); rounds++) {
		const long before = shortage.live;

		all_short_of_memory();
		assert_int_equal(shortage.live, before);
	}
	assert_true(rounds > 100);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_active_path),
		cmocka_unit_test(test_short_of_memory),
		T(test_status),        T(test_sessions),     T(test_show),        T(test_which_session),
		T(test_jump),          T(test_other_orders), T(test_garbage),     T(test_deep_nesting),
		T(test_oversize),      T(test_in_pieces),    T(test_half_closed), T(test_silent_client),
		T(test_gone_client),   T(test_gone_between_pages), T(test_cut_list), T(test_too_many),
		T(test_too_many_followers),
		T(test_all_wait),     T(test_events),      T(test_follow),
		T(test_slow_follower), T(test_mode),         T(test_taken),       T(test_stale),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
