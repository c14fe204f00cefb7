/*
 * What connects to the metrics: any bytes, in pieces, with an end or without, before the answer is there or after. What is
 * answered is one whole answer, whatever names the daemon has; and nothing stays open.
 */
#include "ctl/metrics.c"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

#define TURNS 6 /* of the loop: accept, read, write, shut down, close */

static uv_loop_t loop;
static struct metrics *metrics;
static struct metrics_request *waiting;
static unsigned int collected;
static uint8_t how;
static char node[16];

static void answer(struct metrics_request *req)
{
	const struct ctl_status status = { .role = "server", .node_name = node, .crypto = "c" };
	const struct counters sum = { .n = { how } };
	const uint64_t events[AUDIT_EVENT_COUNT] = { 0 };
	const struct metrics_data data = { .status = &status, .sum = &sum, .events = events };

	metrics_answer(req, how & 1 ? NULL : &data);
}

static void collect_now(void *ctx, struct metrics_request *req)
{
	(void)ctx;
	collected++;
	if (how & 2)
		waiting = req;
	else
		answer(req);
}

static int dial(void)
{
	const struct linger none = { 1, 0 }; /* no port stays taken behind it */
	struct endpoint e = { .port = 0 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!metrics) {
		signal(SIGPIPE, SIG_IGN); /* as the daemon does */
		HOLDS(ip_parse("127.0.0.1", &e.ip) && uv_loop_init(&loop) == 0);
		HOLDS(metrics_start(&metrics, &loop, &e, collect_now, NULL) == 0);
	}
	a.sin_port = htons(metrics_port(metrics));
	HOLDS(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	return fd;
}

static void turn(unsigned int turns)
{
	while (turns-- > 0)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static size_t hear(int fd, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n;

	do {
		turn(TURNS);
		n = recv(fd, text + len, room - 1 - len, MSG_DONTWAIT);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	text[len] = '\0';
	return len;
}

static void judge(const char *text, size_t len)
{
	const char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");

	if (len == 0)
		return;
	HOLDS(strncmp(text, "HTTP/1.1 ", 9) == 0 && strlen(text) == len && body && length && length < body);
	body += 4;
	HOLDS(strtoul(length + 16, NULL, 10) == strlen(body) && strstr(text, "\r\nConnection: close\r\n"));
	HOLDS((strncmp(text + 9, "200", 3) == 0) == (collected == 1 && !(how & 1)));
	for (; collected && !(how & 1) && *body; body = strchr(body, '\n') + 1)
		HOLDS((*body == '#' || strncmp(body, "jumpvpn_", 8) == 0) && strchr(body, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[1 << 17];
	struct input in = { data, size };
	const uint8_t *piece;
	size_t len;
	int fd;

	how = input_byte(&in);
	len = input_bytes(&in, false, &piece);
	snprintf(node, sizeof(node), "%.*s", (int)len, (const char *)piece);
	collected = 0;
	fd = dial();
	while (in.left > 0) {
		len = input_bytes(&in, true, &piece);
		(void)!send(fd, piece, len, MSG_NOSIGNAL);
		turn(2);
	}
	if (how & 4)
		shutdown(fd, SHUT_WR);
	turn(2);
	if (how & 8) /* gone before it is answered */
		close(fd);
	turn(2);
	if (waiting)
		answer(waiting);
	waiting = NULL;
	if (!(how & 8)) {
		judge(text, hear(fd, text, sizeof(text)));
		close(fd);
	}
	turn(TURNS);
	HOLDS(collected <= 1 && metrics->set.n == 0 && metrics->set.closing == 0);
	return 0;
}
