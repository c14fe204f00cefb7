/* Metrics over a real socket: what a collector gets, and what everybody else gets. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/metrics.h"

struct world {
	uv_loop_t loop;
	struct metrics *metrics;
	bool later; /* the test answers */
	bool busy;  /* not now */
	struct metrics_request *waiting;
	unsigned int collected;
};

static const struct ctl_status status = { .role = "server",
					  .node_name = "gw\"1\\",
					  .crypto = "c",
					  .uptime_ms = 61234,
					  .config_generation = 3,
					  .workers = 2,
					  .max_sessions = 10000,
					  .session_bytes = 8003 };

static void answer(struct metrics_request *req)
{
	struct counters sum = { .n = { [COUNT_DROP_REPLAY] = 5, [COUNT_RX_BYTES] = UINT64_C(1) << 60 } };
	uint64_t events[AUDIT_EVENT_COUNT] = { [AUDIT_TRANSPORT_SWITCH] = 7 };
	struct metrics_data data = { .status = &status, .sum = &sum, .events = events };

	data.sessions[STATE_ATTACHED] = 4;
	metrics_answer(req, &data);
}

static void collect(void *ctx, struct metrics_request *req)
{
	struct world *w = ctx;

	w->collected++;
	if (w->later)
		w->waiting = req;
	else if (w->busy)
		metrics_answer(req, NULL);
	else
		answer(req);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct endpoint e = { .port = 0 };

	assert_true(ip_parse("127.0.0.1", &e.ip));
	assert_int_equal(uv_loop_init(&w->loop), 0);
	assert_int_equal(metrics_start(&w->metrics, &w->loop, &e, collect, w), 0);
	*state = w;
	return 0;
}

/* The loop must come to rest: nothing is left open. */
static int tear_down(void **state)
{
	struct world *w = *state;

	metrics_stop(w->metrics);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
	return 0;
}

static int dial(struct world *w)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(metrics_port(w->metrics)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void say(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* Turns the loop until the other side has closed; all that it said, which the caller frees. */
static char *listen_to(struct world *w, int fd)
{
	char *text = calloc(1, 65536);
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, text + len, 65535 - len, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			break;
		if (n > 0)
			len += (size_t)n;
		else
			uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	close(fd);
	return text;
}

static char *get(struct world *w, const char *request)
{
	int fd = dial(w);

	say(fd, request, strlen(request));
	return listen_to(w, fd);
}

static void test_scrape(void **state)
{
	struct world *w = *state;
	char *text = get(w, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n");
	char *body = strstr(text, "\r\n\r\n");
	size_t said;

	assert_int_equal(strncmp(text, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_non_null(strstr(text, "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(text, "Connection: close\r\n"));
	assert_int_equal(sscanf(strstr(text, "Content-Length:"), "Content-Length: %zu", &said), 1);
	assert_int_equal(strlen(body + 4), said);
	assert_non_null(strstr(body, "role=\"server\",node=\"gw\\\"1\\\\\",crypto=\"c\"} 1\n"));
	assert_non_null(strstr(body, "\njumpvpn_uptime_seconds 61.234\n"));
	assert_non_null(strstr(body, "\njumpvpn_config_generation 3\n"));
	assert_non_null(strstr(body, "\njumpvpn_config_last_reload_ok 1\n"));
	assert_non_null(strstr(body, "\njumpvpn_sessions{state=\"ATTACHED\"} 4\n"));
	assert_non_null(strstr(body, "\njumpvpn_max_sessions 10000\n"));
	assert_non_null(strstr(body, "\njumpvpn_session_memory_bytes 8003\n"));
	assert_non_null(strstr(body, "\njumpvpn_session_bytes 2000\n"));
	assert_non_null(strstr(body, "\njumpvpn_switches_total 7\n"));
	assert_non_null(strstr(body, "\njumpvpn_audit_events_total{event=\"TransportSwitch\"} 7\n"));
	assert_non_null(
		strstr(body, "\n# TYPE jumpvpn_drop_replay_total counter\njumpvpn_drop_replay_total 5\n"));
	assert_non_null(strstr(body, "\njumpvpn_rx_bytes_total 1152921504606846976\n"));
	free(text);
}

/* Every line is a comment or a sample, every family is told of once, and no counter is missing. */
static void test_format(void **state)
{
	char *text = get(*state, "GET /metrics HTTP/1.0\r\n\r\n");
	char *rest, *line, family[64] = "", kind[16];
	unsigned int counters = 0;

	for (line = strtok_r(strstr(text, "\r\n\r\n") + 4, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line, "# HELP %63s", family), 1);
		} else if (line[0] == '#') {
			char typed[64];

			assert_int_equal(sscanf(line, "# TYPE %63s %15s", typed, kind), 2);
			assert_string_equal(typed, family);
			counters += strcmp(kind, "counter") == 0;
			/* Prometheus wants counters, and nothing else, to end so. */
			assert_int_equal(strcmp(kind, "counter") == 0,
					 strcmp(family + strlen(family) - 6, "_total") == 0);
		} else {
			assert_int_equal(strncmp(line, family, strlen(family)), 0);
			assert_non_null(strchr(line, ' '));
		}
	}
	assert_int_equal(counters, COUNTER_COUNT + 2);
	free(text);
}

static void refuses(struct world *w, const char *request, const char *line)
{
	char *text = get(w, request);

	assert_int_equal(strncmp(text, line, strlen(line)), 0);
	free(text);
}

static void test_refusals(void **state)
{
	struct world *w = *state;

	refuses(w, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ");
	refuses(w, "GET /metricsx HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ");
	refuses(w, "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 ");
	refuses(w, "GET /metrics\r\n\r\n", "HTTP/1.1 400 ");
	refuses(w, "GET /metrics HTTP/2\r\n\r\n", "HTTP/1.1 400 ");
	refuses(w, "\r\n\r\n", "HTTP/1.1 400 ");
	assert_int_equal(w->collected, 0);
	refuses(w, "GET /metrics?x=1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ");
	w->busy = true;
	refuses(w, "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 503 ");
}

static void test_zero_byte(void **state)
{
	static const char request[] = "GET /metrics\0 HTTP/1.1\r\n\r\n";
	struct world *w = *state;
	int fd = dial(w);
	char *text;

	say(fd, request, sizeof(request) - 1);
	text = listen_to(w, fd);
	assert_int_equal(strncmp(text, "HTTP/1.1 400 ", 13), 0);
	free(text);
}

static void test_head_is_bounded(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	char line[1024], *text;

	say(fd, "GET /metrics HTTP/1.1\r\n", 23);
	memset(line, 'a', sizeof(line));
	for (int i = 0; i < 8; i++)
		say(fd, line, sizeof(line));
	text = listen_to(w, fd);
	assert_int_equal(strncmp(text, "HTTP/1.1 431 ", 13), 0);
	assert_int_equal(w->collected, 0);
	free(text);
}

static void turn(struct world *w)
{
	for (int i = 0; i < 20; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* Byte by byte, and with the sending side shut before the answer comes. */
static void test_slow_collector(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\n\r\n";
	struct world *w = *state;
	int fd = dial(w);
	char *text;

	w->later = true;
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		say(fd, request + i, 1);
		turn(w);
	}
	while (!w->waiting)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	shutdown(fd, SHUT_WR);
	turn(w);
	answer(w->waiting);
	text = listen_to(w, fd);
	assert_int_equal(strncmp(text, "HTTP/1.1 200 ", 13), 0);
	assert_int_equal(w->collected, 1);
	free(text);
}

/* Who goes while the answer is being made leaves nothing behind, and the answer goes nowhere. */
static void test_gone_before_the_answer(void **state)
{
	struct world *w = *state;
	struct linger at_once = { .l_onoff = 1 };
	int fd = dial(w);

	w->later = true;
	say(fd, "GET /metrics HTTP/1.1\r\n\r\n", 25);
	while (!w->waiting)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	turn(w);
	answer(w->waiting);
}

/* The daemon ends while one waits: it is answered and the loop comes to rest (tear_down). */
static void test_stop_with_one_waiting(void **state)
{
	struct world *w = *state;
	int fd = dial(w);

	w->later = true;
	say(fd, "GET /metrics HTTP/1.1\r\n\r\n", 25);
	while (!w->waiting)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	metrics_answer(w->waiting, NULL);
	close(fd);
}

static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* Twenty that say nothing: sixteen may stay, and whoever comes later is heard at once. */
static void test_idle_ones_make_room(void **state)
{
	struct world *w = *state;
	int fd[20];
	char *text;

	for (size_t i = 0; i < 20; i++) {
		fd[i] = dial(w);
		turn(w);
	}
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(is_closed(fd[i]), i < 4);
	text = get(w, "GET /metrics HTTP/1.1\r\n\r\n");
	assert_int_equal(strncmp(text, "HTTP/1.1 200 ", 13), 0);
	free(text);
	turn(w);
	assert_true(is_closed(fd[4]));
	assert_false(is_closed(fd[5]));
	for (size_t i = 0; i < 20; i++)
		close(fd[i]);
}

/* Who has asked and waits for the answer outlives those who have not, though he came first. */
static void test_who_has_asked_stays(void **state)
{
	struct world *w = *state;
	int first = dial(w), fd[16];
	char *text;

	w->later = true;
	say(first, "GET /metrics HTTP/1.1\r\n\r\n", 25);
	while (!w->waiting)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	for (size_t i = 0; i < 16; i++) {
		fd[i] = dial(w);
		turn(w);
	}
	assert_false(is_closed(first));
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(is_closed(fd[i]), i == 0);
	answer(w->waiting);
	text = listen_to(w, first);
	assert_int_equal(strncmp(text, "HTTP/1.1 200 ", 13), 0);
	free(text);
	for (size_t i = 0; i < 16; i++)
		close(fd[i]);
}

/* All wait for their answer: the oldest of them goes, and its answer goes nowhere. */
static void test_all_have_asked(void **state)
{
	struct world *w = *state;
	struct metrics_request *waiting[17];
	int fd[17];

	w->later = true;
	for (size_t i = 0; i < 17; i++) {
		w->waiting = NULL;
		fd[i] = dial(w);
		say(fd[i], "GET /metrics HTTP/1.1\r\n\r\n", 25);
		while (!w->waiting)
			uv_run(&w->loop, UV_RUN_NOWAIT);
		waiting[i] = w->waiting;
	}
	for (size_t i = 0; i < 17; i++)
		answer(waiting[i]);
	for (size_t i = 0; i < 17; i++) {
		char *text = listen_to(w, fd[i]);

		assert_int_equal(strlen(text) == 0, i == 0);
		free(text);
	}
}

static void test_port_in_use(void **state)
{
	struct world *w = *state;
	struct endpoint e = { .port = metrics_port(w->metrics) };
	struct metrics *second = NULL;

	assert_true(ip_parse("127.0.0.1", &e.ip));
	assert_int_equal(metrics_start(&second, &w->loop, &e, collect, w), -EADDRINUSE);
	assert_null(second);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_scrape),
		TEST(test_format),
		TEST(test_refusals),
		TEST(test_zero_byte),
		TEST(test_head_is_bounded),
		TEST(test_slow_collector),
		TEST(test_stop_with_one_waiting),
		TEST(test_gone_before_the_answer),
		TEST(test_idle_ones_make_room),
		TEST(test_who_has_asked_stays),
		TEST(test_all_have_asked),
		TEST(test_port_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
