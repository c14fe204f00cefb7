/*
 * UDP packets one way at a set rate, as many small system calls' worth as a machine has, and how many arrived.
 *
 *     flood serve --listen ADDR:PORT [--ready-file F]
 *     flood send --to ADDR:PORT --rate N [--ms N] [--size N] [--grace-ms N]
 *
 * --rate is in packets a second; --size the length of the IPv4 packet (64), so 28 bytes less are UDP payload. The
 * sender keeps to an absolute schedule of 100 us: what one interval holds goes by one sendmmsg(), each packet by
 * itself (no UDP_SEGMENT). Late by more than 5 ms it skips what it owes, and says so: `sent` is what left. It then
 * asks the server how many of this run came (again, for --grace-ms, until the number no longer grows). One JSON object.
 */
#include <getopt.h>
#include <poll.h>

#include "pace.h"

#define FLOOD_MAGIC UINT32_C(0x4a56464c)
#define HEADERS 28
#define SIZE_MOST 9000
#define BATCH 64

struct mark { /* native byte order: both ends are this program */
	uint32_t magic, run;
};

struct question { /* longer than a mark of the same run is told by its size */
	struct mark mark;
	uint64_t received;
	uint64_t ask;
};

struct options {
	struct address to;
	uint64_t rate, ms, size, grace_ms;
	const char *ready_file;
};

static struct mmsghdr message[BATCH];
static struct iovec iov[BATCH];

/* --- server --- */

static void answer(int fd, const struct question *q, const struct address *to, uint32_t run,
		   uint64_t received)
{
	struct question a = *q;

	a.received = q->mark.run == run ? received : 0;
	sendto(fd, &a, sizeof(a), 0, address_sa(to), to->len);
}

static int serve(const struct options *o)
{
	static uint8_t buf[BATCH][sizeof(struct question) + 1];
	static struct address from[BATCH];
	int fd = open_socket(&o->to, SOCK_DGRAM);
	uint64_t received = 0;
	uint32_t run = 0;

	receive_generously(fd);
	bind_to(fd, &o->to);
	tool_catch_signals();
	announce(o->ready_file, "listening");
	while (!tool_stop) {
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ buf[i], sizeof(buf[i]) };
			message[i].msg_hdr = (struct msghdr){ .msg_name = &from[i].ss,
							      .msg_namelen = sizeof(from[i].ss),
							      .msg_iov = &iov[i],
							      .msg_iovlen = 1 };
		}
		int n = recvmmsg(fd, message, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++) {
			struct question q;

			memcpy(&q, buf[i], sizeof(q));
			if (q.mark.magic != FLOOD_MAGIC)
				continue;
			if (q.mark.run != run) {
				run = q.mark.run;
				received = 0;
			}
			from[i].len = message[i].msg_hdr.msg_namelen;
			if (message[i].msg_len == sizeof(q) && q.ask == FLOOD_MAGIC)
				answer(fd, &q, &from[i], run, received);
			else
				received++;
		}
	}
	close(fd);
	return 0;
}

/* --- client --- */

static uint64_t ask(int fd, uint32_t run)
{
	struct question q = { .mark = { FLOOD_MAGIC, run }, .ask = FLOOD_MAGIC }, a;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (int tries = 0; tries < 100 && !tool_stop; tries++) {
		send(fd, &q, sizeof(q), 0);
		while (poll(&p, 1, 100) > 0)
			if (recv(fd, &a, sizeof(a), MSG_DONTWAIT) == sizeof(a) && a.mark.run == run)
				return a.received;
	}
	die("the server does not answer");
}

static uint64_t ask_until_still(int fd, uint32_t run, uint64_t grace_ms)
{
	uint64_t last = 0, now, end = now_ns() + grace_ms * NS_PER_MS;

	do {
		now = last;
		sleep_until(now_ns() + 50 * NS_PER_MS);
		last = ask(fd, run);
	} while (last != now && now_ns() < end);
	return last;
}

static uint64_t send_some(void *ctx, uint64_t n)
{
	const int *fd = ctx;
	uint64_t sent = 0;

	while (sent < n) {
		int got = sendmmsg(*fd, message, (unsigned int)(n - sent < BATCH ? n - sent : BATCH), 0);
		if (got <= 0)
			break; /* ENOBUFS and the like: owed, and never sent */
		sent += (uint64_t)got;
	}
	return sent;
}

static int client(const struct options *o)
{
	static uint8_t buf[SIZE_MOST];
	int fd = open_socket(&o->to, SOCK_DGRAM);
	struct mark m = { FLOOD_MAGIC, (uint32_t)(now_ns() / NS_PER_US) | 1 };
	struct pace p = { .rate = o->rate, .ms = o->ms };

	if (connect(fd, address_sa(&o->to), o->to.len))
		die("connect: %s", strerror(errno));
	tool_catch_signals();
	memcpy(buf, &m, sizeof(m));
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ buf, o->size - HEADERS };
		message[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	pace_run(&p, send_some, &fd);
	uint64_t received = ask_until_still(fd, m.run, o->grace_ms);
	close(fd);
	printf("{\"rate\":%llu,\"size\":%llu,\"seconds\":%.3f,\"sent\":%llu,\"received\":%llu,\"skipped\":%llu,"
	       "\"pps\":%.0f,\"loss_percent\":%.4f}\n",
	       (unsigned long long)o->rate, (unsigned long long)o->size, p.seconds, (unsigned long long)p.sent,
	       (unsigned long long)received, (unsigned long long)p.skipped, (double)received / p.seconds,
	       p.sent ? 100.0 * (double)(p.sent - received) / (double)p.sent : 100.0);
	return 0;
}

static void usage(void)
{
	die("usage: flood serve --listen ADDR:PORT | send --to ADDR:PORT --rate N [options]");
}

static const struct option long_options[] = {
	{ "to", required_argument, NULL, 't' },         { "listen", required_argument, NULL, 't' },
	{ "rate", required_argument, NULL, 'r' },       { "ms", required_argument, NULL, 'm' },
	{ "size", required_argument, NULL, 'z' },       { "grace-ms", required_argument, NULL, 'g' },
	{ "ready-file", required_argument, NULL, 'R' }, { NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct options o = { .ms = 1000, .size = 64, .grace_ms = 1000 };
	const char *mode = argc > 1 ? argv[1] : "";
	int c;

	if (argc < 2)
		usage();
	while ((c = getopt_long(argc - 1, argv + 1, "", long_options, NULL)) != -1) {
		switch (c) {
		case 't': o.to = parse_address(optarg); break;
		case 'r': o.rate = parse_number(optarg); break;
		case 'm': o.ms = parse_number(optarg); break;
		case 'z': o.size = parse_number(optarg); break;
		case 'g': o.grace_ms = parse_number(optarg); break;
		case 'R': o.ready_file = optarg; break;
		default: usage();
		}
	}
	if (!o.to.len)
		usage();
	if (strcmp(mode, "serve") == 0)
		return serve(&o);
	if (o.size < HEADERS + sizeof(struct mark) || o.size > SIZE_MOST || !o.rate)
		die("--size is %zu to %d, --rate at least 1", HEADERS + sizeof(struct mark), SIZE_MOST);
	if (strcmp(mode, "send") == 0)
		return client(&o);
	usage();
}
