/*
 * Numbered UDP probes at a fixed pace, and what became of them.
 *
 *     prober server --listen ADDR:PORT [--interface IF]
 *     prober client --to ADDR:PORT [--from ADDR] [--interval-us N] [--seconds N] [--size N]
 *                   [--linger-ms N] [--until-file F] [--ready-file F]
 *     prober ping ADDR [--from ADDR] [--count N] [--interval-us N] [--size N] [--linger-ms N]
 *
 * The client sends on an absolute schedule (a late wake-up delays no later probe) until --seconds are over,
 * --until-file exists or SIGTERM comes, waits for echoes still under way until none has come for --linger-ms, and prints
 * one JSON object. A
 * gap is the time between two echoes that came one after the other; the first begins with the first probe and
 * the last ends with the last probe, so a path that never came back shows as a gap too. sender_stall_ms is
 * the most this process itself was late: a gap no longer than that says nothing about the network.
 * start_boot_us is when it began, by the clock of audit records.
 * `ping` does the same with ICMP echo requests that must not be fragmented, and exits 1 unless all came back.
 */
#include <getopt.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

#include "tool.h"

#define NO_ECHO UINT32_MAX
#define PROBE_MAGIC UINT32_C(0x4a565052)
#define SIZE_MAX_PROBE 9000

struct probe {
	uint32_t magic, seq;
	uint64_t run; /* tells this run's echoes from those of an earlier one */
};

struct options {
	struct address to, from;
	const char *interface, *until_file, *ready_file;
	uint64_t interval_ns, length_ns, linger_ns, count;
	size_t size;
};

struct run {
	const struct options *o;
	int fd;
	bool icmp;
	uint64_t id, start, last_sent, last_echo;
	uint64_t longest, longest_from, stall;
	int64_t start_boot_us;
	uint32_t sent, received, duplicates, errors;
	uint32_t *sent_us, *rtt_us; /* per probe; sent_us since start */
	size_t cap;
};

static void run_grow(struct run *r)
{
	if (r->sent < r->cap)
		return;
	r->cap = r->cap ? r->cap * 2 : 65536;
	r->sent_us = realloc(r->sent_us, r->cap * sizeof(*r->sent_us));
	r->rtt_us = realloc(r->rtt_us, r->cap * sizeof(*r->rtt_us));
	if (!r->sent_us || !r->rtt_us)
		die("out of memory");
}

static uint16_t inet_checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len & 1)
		sum += (uint32_t)(p[len - 1] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The probe in `buf` behind an ICMP header when one is needed; the length of all. */
static size_t make_datagram(const struct run *r, uint8_t *buf)
{
	struct probe p = { .magic = PROBE_MAGIC, .seq = r->sent, .run = r->id };
	size_t at = r->icmp ? 8 : 0;

	memset(buf, 0, at + r->o->size);
	memcpy(buf + at, &p, sizeof(p));
	if (r->icmp && r->o->to.ss.ss_family == AF_INET) {
		struct icmphdr h = { .type = ICMP_ECHO };
		h.un.echo.id = htons((uint16_t)r->id);
		h.un.echo.sequence = htons((uint16_t)r->sent);
		memcpy(buf, &h, sizeof(h));
		h.checksum = inet_checksum(buf, at + r->o->size);
		memcpy(buf, &h, sizeof(h));
	} else if (r->icmp) { /* the kernel adds the checksum */
		struct icmp6_hdr h = { .icmp6_type = ICMP6_ECHO_REQUEST };
		h.icmp6_id = htons((uint16_t)r->id);
		h.icmp6_seq = htons((uint16_t)r->sent);
		memcpy(buf, &h, sizeof(h));
	}
	return at + r->o->size;
}

static void send_probe(struct run *r, uint64_t due)
{
	uint8_t buf[SIZE_MAX_PROBE + 8];
	size_t len = make_datagram(r, buf);
	uint64_t now = now_ns();

	run_grow(r);
	if (now - due > r->stall)
		r->stall = now - due;
	r->sent_us[r->sent] = (uint32_t)((now - r->start) / NS_PER_US);
	r->rtt_us[r->sent] = NO_ECHO;
	r->last_sent = now;
	r->sent++;
	if (send(r->fd, buf, len, MSG_DONTWAIT) < 0)
		r->errors++;
}

static void note_gap(struct run *r, uint64_t until)
{
	if (until > r->last_echo && until - r->last_echo > r->longest) {
		r->longest = until - r->last_echo;
		r->longest_from = r->last_echo;
	}
}

static void take_echo(struct run *r, const uint8_t *buf, size_t len)
{
	struct probe p;
	size_t at = 0;

	if (r->icmp && r->o->to.ss.ss_family == AF_INET) /* raw sockets show the IPv4 header */
		at = len ? (size_t)(buf[0] & 15) * 4 : 0;
	if (r->icmp && (len < at + 8 || (buf[at] != ICMP_ECHOREPLY && buf[at] != ICMP6_ECHO_REPLY)))
		return;
	at += r->icmp ? 8 : 0;
	if (len < at + sizeof(p))
		return;
	memcpy(&p, buf + at, sizeof(p));
	if (p.magic != PROBE_MAGIC || p.run != r->id || p.seq >= r->sent)
		return;
	if (r->rtt_us[p.seq] != NO_ECHO) {
		r->duplicates++;
		return;
	}
	uint64_t now = now_ns();
	r->rtt_us[p.seq] = (uint32_t)((now - r->start) / NS_PER_US) - r->sent_us[p.seq];
	note_gap(r, now);
	r->last_echo = now;
	if (!r->received++)
		announce(r->o->ready_file, "echo");
}

static void take_echoes(struct run *r, uint64_t until)
{
	uint8_t buf[SIZE_MAX_PROBE + 128];
	uint64_t now = now_ns(), wait = until > now ? until - now : 0;
	struct timespec ts = { .tv_sec = (time_t)(wait / NS_PER_S), .tv_nsec = (long)(wait % NS_PER_S) };
	struct pollfd pfd = { .fd = r->fd, .events = POLLIN };
	ssize_t n;

	if (ppoll(&pfd, 1, &ts, NULL) <= 0)
		return;
	while ((n = recv(r->fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0)
		take_echo(r, buf, (size_t)n);
	if (errno != EAGAIN && errno != EINTR)
		r->errors++; /* an ICMP error came for an earlier probe: reading has cleared it */
}

static bool should_stop(const struct run *r)
{
	if (tool_stop || (r->o->count && r->sent >= r->o->count))
		return true;
	return r->o->until_file && r->sent % 16 == 0 && access(r->o->until_file, F_OK) == 0;
}

static void run_probes(struct run *r)
{
	const struct options *o = r->o;

	r->start = r->last_echo = now_ns();
	r->start_boot_us = boot_us();
	for (uint64_t next = r->start; !should_stop(r);) {
		if (o->length_ns && next - r->start >= o->length_ns)
			break;
		if (now_ns() >= next) {
			send_probe(r, next);
			next += o->interval_ns;
		}
		take_echoes(r, next);
	}
	for (uint64_t since = now_ns(), now = since; r->received < r->sent && now < since + o->linger_ns; now = now_ns()) {
		if (r->last_echo > since)
			since = r->last_echo;
		take_echoes(r, since + o->linger_ns);
	}
	note_gap(r, r->last_sent);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool alive_at_end(const struct run *r)
{
	uint32_t from = r->sent > 100 ? r->sent - 100 : 0;

	for (uint32_t i = from; i < r->sent; i++)
		if (r->rtt_us[i] != NO_ECHO)
			return true;
	return false;
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void report(struct run *r)
{
	double first = -1, last = -1;
	bool alive = alive_at_end(r);

	for (uint32_t i = 0; i < r->sent; i++) {
		if (r->rtt_us[i] != NO_ECHO)
			continue;
		last = r->sent_us[i] / 1e3;
		if (first < 0)
			first = last;
	}
	qsort(r->rtt_us, r->sent, sizeof(*r->rtt_us), compare_u32); /* lost ones end up behind */
	uint32_t median = r->received ? r->rtt_us[r->received / 2] : 0;
	uint32_t p99 = r->received ? r->rtt_us[(uint64_t)r->received * 99 / 100] : 0;
	printf("{\"sent\":%u,\"received\":%u,\"lost\":%u,\"duplicates\":%u,\"send_errors\":%u,"
	       "\"longest_gap_ms\":%.1f,\"gap_start_ms\":%.1f,\"first_lost_ms\":%.1f,\"last_lost_ms\":%.1f,"
	       "\"rtt_us_median\":%u,\"rtt_us_p99\":%u,\"sender_stall_ms\":%.1f,\"seconds\":%.3f,"
	       "\"start_boot_us\":%lld,\"alive_at_end\":%s}\n",
	       r->sent, r->received, r->sent - r->received, r->duplicates, r->errors, ms(r->longest),
	       ms(r->longest_from - r->start), first, last, median, p99, ms(r->stall),
	       ms(r->last_sent - r->start) / 1e3, (long long)r->start_boot_us, alive ? "true" : "false");
}

static int client(const struct options *o, bool icmp)
{
	struct run r = { .o = o, .icmp = icmp, .id = now_ns() };
	int family = o->to.ss.ss_family, dontfrag = IP_PMTUDISC_DO;

	if (icmp)
		r.fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	else
		r.fd = open_socket(&o->to, SOCK_DGRAM);
	if (r.fd < 0)
		die("raw socket: %s", strerror(errno));
	receive_generously(r.fd);
	if (icmp && family == AF_INET)
		setsockopt(r.fd, IPPROTO_IP, IP_MTU_DISCOVER, &dontfrag, sizeof(dontfrag));
	if (icmp && family == AF_INET6)
		setsockopt(r.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &dontfrag, sizeof(dontfrag));
	bind_to_interface(r.fd, o->interface);
	bind_to(r.fd, &o->from);
	if (connect(r.fd, address_sa(&o->to), o->to.len))
		die("connect: %s", strerror(errno));
	tool_catch_signals();
	run_probes(&r);
	report(&r);
	int status = icmp && r.received != r.sent;
	close(r.fd);
	free(r.sent_us);
	free(r.rtt_us);
	return status;
}

static int server(const struct options *o)
{
	uint8_t buf[SIZE_MAX_PROBE];
	struct address peer;
	int fd = open_socket(&o->from, SOCK_DGRAM);

	receive_generously(fd);
	bind_to_interface(fd, o->interface);
	bind_to(fd, &o->from);
	tool_catch_signals();
	announce(o->ready_file, "listening");
	while (!tool_stop) {
		peer.len = sizeof(peer.ss);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&peer.ss, &peer.len);
		if (n >= 0)
			sendto(fd, buf, (size_t)n, MSG_DONTWAIT, address_sa(&peer), peer.len);
	}
	close(fd);
	return 0;
}

static void usage(void)
{
	die("usage: prober server --listen ADDR:PORT | client --to ADDR:PORT | ping ADDR [options]");
}

static const struct option long_options[] = {
	{ "to", required_argument, NULL, 't' },	       { "from", required_argument, NULL, 'f' },
	{ "listen", required_argument, NULL, 'f' },    { "interface", required_argument, NULL, 'i' },
	{ "interval-us", required_argument, NULL, 'u' }, { "seconds", required_argument, NULL, 's' },
	{ "size", required_argument, NULL, 'z' },      { "linger-ms", required_argument, NULL, 'l' },
	{ "until-file", required_argument, NULL, 'U' }, { "ready-file", required_argument, NULL, 'R' },
	{ "count", required_argument, NULL, 'c' },     { NULL, 0, NULL, 0 },
};

static void parse_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "46", long_options, NULL)) != -1) {
		switch (c) {
		case 't': o->to = parse_address(optarg); break;
		case 'f': o->from = parse_address(optarg); break;
		case 'i': o->interface = optarg; break;
		case 'u': o->interval_ns = parse_number(optarg) * NS_PER_US; break;
		case 's': o->length_ns = parse_number(optarg) * NS_PER_S; break;
		case 'z': o->size = parse_number(optarg); break;
		case 'l': o->linger_ns = parse_number(optarg) * NS_PER_MS; break;
		case 'U': o->until_file = optarg; break;
		case 'R': o->ready_file = optarg; break;
		case 'c': o->count = parse_number(optarg); break;
		case '4': case '6': break; /* the address says it */
		default: usage();
		}
	}
	if (o->size < sizeof(struct probe) || o->size > SIZE_MAX_PROBE || !o->interval_ns)
		die("--size is %zu to %d, --interval-us at least 1", sizeof(struct probe), SIZE_MAX_PROBE);
}

int main(int argc, char **argv)
{
	struct options o = { .interval_ns = NS_PER_MS, .linger_ns = 5000 * NS_PER_MS, .size = 64 };
	const char *mode = argc > 1 ? argv[1] : "";
	bool ping = strcmp(mode, "ping") == 0;

	if (ping)
		o.count = 10, o.interval_ns = 20 * NS_PER_MS;
	if (argc < 2)
		usage();
	parse_options(&o, argc - 1, argv + 1);
	if (ping && optind + 1 < argc)
		o.to = parse_address(argv[optind + 1]);
	if (strcmp(mode, "server") == 0 && o.from.len)
		return server(&o);
	if ((strcmp(mode, "client") == 0 || ping) && o.to.len)
		return client(&o, ping);
	usage();
}
