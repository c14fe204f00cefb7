/*
 * A bad link between two namespaces: two TAP devices, and the link model of tests/link between them.
 *
 *     impair link --near NAMESPACE:IF --far NAMESPACE:IF --control SOCKET [--seed N] [--up WORDS] [--down WORDS]
 *                 [--ready-file F]
 *     impair ask SOCKET COMMAND...      prints the answer; exit 1 when it is an error
 *
 * "up" is from near to far. WORDS are those of tests/link/profile.h. Commands, while it runs:
 *
 *     both|up|down WORDS    changes what is said and leaves the rest
 *     both|up|down clear    as it began
 *     carrier on|off        of both ends
 *     stats                 one JSON object: what was sent and arrived, how late this process was
 *
 * Answers are "ok US", the boot clock when it was done (as boot_us of audit records), or "error: ...". What neighbours
 * say to each other (ARP, ND) passes untouched and at once: the first hop of a dead path still answers. With the same
 * seed the same packets meet the same fate, as far as it does not hang on the time they come. The model sees IP
 * packets: "mtu" and "rate" count no Ethernet header. An actor (see profile.h) meets UDP alone, and knows its length.
 */
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/un.h>

#include "link/profile.h"
#include "tool.h"

#define FRAME_MAX 2048
#define HELD_MAX 16384 /* frames under way, both ways together */
#define BATCH 64
#define WAKE_UP_US 60 /* what a timer is late by: so long before, we wait awake */
#define ANSWER_MAX 1024

enum { UP, DOWN, WAYS };

struct frame {
	struct jv_time at;
	uint64_t order; /* among those due at the same moment */
	uint32_t slot;
	uint16_t len;
	uint8_t way;
};

struct way {
	struct link link;
	struct link_profile first;
	int from, to;
	uint64_t sent, lost, arrived, bytes, neighbours, overflow, refused;
	uint64_t late_us[3001]; /* how many frames went out so late; the last one: or later */
	int64_t latest_us;
};

struct impair {
	struct way way[WAYS];
	struct frame heap[HELD_MAX];
	uint32_t held, free[HELD_MAX], nfree;
	uint64_t order;
	int control;
	bool realtime;
};

static uint8_t held_bytes[HELD_MAX][FRAME_MAX];

static struct jv_time now_us(void)
{
	return (struct jv_time){ (int64_t)(now_ns() / NS_PER_US) };
}

/* --- what is under way, the next one on top --- */

static bool frame_before(const struct frame *a, const struct frame *b)
{
	return a->at.us != b->at.us ? a->at.us < b->at.us : a->order < b->order;
}

static void swap(struct frame *a, struct frame *b)
{
	const struct frame t = *a;

	*a = *b;
	*b = t;
}

static void heap_push(struct impair *m, struct frame f)
{
	uint32_t i = m->held++;

	m->heap[i] = f;
	for (; i > 0 && frame_before(&m->heap[i], &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&m->heap[i], &m->heap[(i - 1) / 2]);
}

static struct frame heap_pop(struct impair *m)
{
	const struct frame top = m->heap[0];

	m->heap[0] = m->heap[--m->held];
	for (uint32_t i = 0;;) {
		uint32_t least = i;

		for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < m->held; child++)
			if (frame_before(&m->heap[child], &m->heap[least]))
				least = child;
		if (least == i)
			return top;
		swap(&m->heap[i], &m->heap[least]);
		i = least;
	}
}

/* --- frames --- */

static uint16_t ether_type(const uint8_t *frame)
{
	return (uint16_t)(frame[12] << 8 | frame[13]);
}

/* ARP, and of ICMPv6 what keeps neighbours known: listener reports, router and neighbour discovery, redirects. */
static bool is_neighbourly(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETH_HLEN;
	size_t at = ETH_HLEN + 40;
	uint8_t next;

	if (ether_type(frame) == ETHERTYPE_ARP)
		return true;
	if (ether_type(frame) != ETHERTYPE_IPV6 || len < at + 8)
		return false;
	next = ip[6];
	if (next == IPPROTO_HOPOPTS && len >= at + 16) { /* listener reports have a router alert */
		next = frame[at];
		at += 8;
	}
	return next == IPPROTO_ICMPV6 && ((frame[at] >= 130 && frame[at] <= 137) || frame[at] == 143);
}

/* The length of a UDP datagram; false: it is something else. */
static bool datagram_len(const uint8_t *frame, size_t len, size_t *out)
{
	const uint8_t *ip = frame + ETH_HLEN;
	const bool v6 = ether_type(frame) == ETHERTYPE_IPV6;
	size_t headers = v6 ? 40 : (ip[0] & 15) * 4u;

	if (len < ETH_HLEN + 20 || (!v6 && ether_type(frame) != ETHERTYPE_IP) ||
	    ip[v6 ? 6 : 9] != IPPROTO_UDP || len < ETH_HLEN + headers + 8)
		return false;
	ip += headers;
	*out = (size_t)(ip[4] << 8 | ip[5]) - 8;
	return true;
}

/* Congestion experienced: in IPv4 the header's checksum covers it. */
static void mark_ce(uint8_t *frame)
{
	uint8_t *ip = frame + ETH_HLEN;
	uint32_t sum = 0;

	if (ether_type(frame) == ETHERTYPE_IPV6) {
		ip[1] |= 0x30;
		return;
	}
	ip[1] |= 3;
	ip[10] = ip[11] = 0;
	for (unsigned int i = 0; i < (ip[0] & 15) * 4u; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

/* What the actor of the link makes of it; false: it is lost. */
static bool meets(struct way *w, uint8_t *frame, size_t len, struct link_fate *fate)
{
	struct link_packet packet = { 0 };

	*fate = (struct link_fate){ .copies = 1 };
	if (w->link.profile.rules == 0 || !datagram_len(frame, len, &packet.len))
		return true;
	if (!link_meets(&w->link, &packet, fate))
		return false;
	if (fate->ce)
		mark_ce(frame);
	return true;
}

static void hold(struct impair *m, uint8_t way, const uint8_t *frame, size_t len, struct jv_time at)
{
	uint32_t slot;

	if (m->nfree == 0) {
		m->way[way].overflow++;
		return;
	}
	slot = m->free[--m->nfree];
	memcpy(held_bytes[slot], frame, len);
	heap_push(m, (struct frame){ at, m->order++, slot, (uint16_t)len, way });
}

static void write_frame(struct way *w, const uint8_t *frame, size_t len)
{
	if (write(w->to, frame, len) < 0)
		w->refused++; /* the other end is down */
}

static void take_frame(struct impair *m, uint8_t way, uint8_t *frame, size_t len, struct jv_time now)
{
	struct way *w = &m->way[way];
	struct jv_time at[LINK_COPIES_MAX * (1 + LINK_RULES)];
	unsigned int copies = 0;
	struct link_fate fate;

	if (len < ETH_HLEN)
		return;
	if (is_neighbourly(frame, len)) {
		w->neighbours++;
		write_frame(w, frame, len);
		return;
	}
	w->sent++;
	if (meets(w, frame, len, &fate))
		for (unsigned int i = 0; i < fate.copies; i++)
			copies += link_send(&w->link, len - ETH_HLEN, now, at + copies);
	w->lost += copies == 0;
	for (unsigned int i = 0; i < copies; i++)
		hold(m, way, frame, len, time_add_us(at[i], fate.delay_us));
}

static bool take_frames(struct impair *m, uint8_t way)
{
	uint8_t frame[FRAME_MAX];
	ssize_t n;

	for (int i = 0; i < BATCH; i++) {
		n = read(m->way[way].from, frame, sizeof(frame));
		if (n <= 0)
			return false;
		take_frame(m, way, frame, (size_t)n, now_us());
	}
	return true;
}

static void release_due(struct impair *m)
{
	while (m->held > 0 && !time_before(now_us(), m->heap[0].at)) {
		const struct frame f = heap_pop(m);
		struct way *w = &m->way[f.way];
		const int64_t late = time_diff_us(now_us(), f.at);

		write_frame(w, held_bytes[f.slot], f.len);
		m->free[m->nfree++] = f.slot;
		w->arrived++;
		w->bytes += f.len - ETH_HLEN;
		w->late_us[late < 3000 ? late : 3000]++;
		w->latest_us = late > w->latest_us ? late : w->latest_us;
	}
}

/* --- control --- */

static int64_t late_quantile(const struct way *w, uint64_t per_mille)
{
	uint64_t left = w->arrived * per_mille / 1000;

	for (int64_t us = 0; us < 3000; us++) {
		if (left < w->late_us[us])
			return us;
		left -= w->late_us[us];
	}
	return w->latest_us;
}

static int stats_way(char *out, size_t size, const char *name, const struct way *w)
{
	return snprintf(
		out, size,
		"\"%s\":{\"sent\":%llu,\"lost\":%llu,\"arrived\":%llu,\"bytes\":%llu,\"neighbours\":%llu,"
		"\"overflow\":%llu,\"refused\":%llu,\"late_us_median\":%lld,\"late_us_p99\":%lld,"
		"\"late_us_p999\":%lld,\"late_us_worst\":%lld}",
		name, (unsigned long long)w->sent, (unsigned long long)w->lost,
		(unsigned long long)w->arrived, (unsigned long long)w->bytes,
		(unsigned long long)w->neighbours, (unsigned long long)w->overflow,
		(unsigned long long)w->refused, (long long)late_quantile(w, 500),
		(long long)late_quantile(w, 990), (long long)late_quantile(w, 999), (long long)w->latest_us);
}

static void stats(const struct impair *m, char answer[ANSWER_MAX])
{
	int n = snprintf(answer, ANSWER_MAX, "{\"realtime\":%s,\"held\":%u,", m->realtime ? "true" : "false",
			 m->held);

	n += stats_way(answer + n, ANSWER_MAX - (size_t)n, "up", &m->way[UP]);
	answer[n++] = ',';
	n += stats_way(answer + n, ANSWER_MAX - (size_t)n, "down", &m->way[DOWN]);
	snprintf(answer + n, ANSWER_MAX - (size_t)n, "}");
}

static bool set_profile(struct impair *m, unsigned int ways, const char *line, char answer[ANSWER_MAX])
{
	char error[PROFILE_ERROR_MAX] = "";
	const char *rest = line, *word;
	const bool clear = word_is(word, word_next(&rest, &word), "clear");
	struct link_profile p[WAYS];

	for (unsigned int i = 0; i < WAYS; i++) {
		p[i] = clear ? m->way[i].first : m->way[i].link.profile;
		rest = clear ? rest + strspn(rest, " ") : profile_parse(&p[i], line, error);
		if (!rest || *rest || profile_wants_kinds(&p[i])) {
			snprintf(answer, ANSWER_MAX, "error: %s",
				 !rest   ? error
				 : *rest ? "wants words of a link profile, or clear"
					 : "an actor knows lengths alone here: actor any ...");
			return false;
		}
	}
	for (unsigned int i = 0; i < WAYS; i++)
		if (ways & 1u << i)
			m->way[i].link.profile = p[i];
	return true;
}

static bool set_carrier(struct impair *m, const char *line, char answer[ANSWER_MAX])
{
	const char *word;
	const size_t len = word_next(&line, &word);
	int on = word_is(word, len, "on");

	if (!on && !word_is(word, len, "off")) {
		snprintf(answer, ANSWER_MAX, "error: carrier wants on or off");
		return false;
	}
	for (unsigned int i = 0; i < WAYS; i++)
		if (ioctl(m->way[i].from, TUNSETCARRIER, &on) < 0) {
			snprintf(answer, ANSWER_MAX, "error: TUNSETCARRIER: %s", strerror(errno));
			return false;
		}
	return true;
}

static void command(struct impair *m, const char *line, char answer[ANSWER_MAX])
{
	const char *word;
	const size_t len = word_next(&line, &word);
	bool done;

	if (word_is(word, len, "stats")) {
		stats(m, answer);
		return;
	}
	if (word_is(word, len, "carrier")) {
		done = set_carrier(m, line, answer);
	} else if (word_is(word, len, "both") || word_is(word, len, "up") || word_is(word, len, "down")) {
		done = set_profile(m, *word == 'b' ? 3 : *word == 'u' ? 1u << UP : 1u << DOWN, line, answer);
	} else {
		snprintf(answer, ANSWER_MAX, "error: wants both|up|down WORDS, carrier on|off, or stats");
		return;
	}
	if (done)
		snprintf(answer, ANSWER_MAX, "ok %lld", (long long)boot_us());
}

static void serve_control(struct impair *m)
{
	char line[512], answer[ANSWER_MAX];
	struct timeval patience = { .tv_sec = 5 }; /* who asks may have to wait for a processor */
	int fd = accept4(m->control, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = recv(fd, line, sizeof(line) - 1, 0);
	if (n > 0) {
		line[n] = 0;
		command(m, line, answer);
		send(fd, answer, strlen(answer), MSG_NOSIGNAL);
	}
	close(fd);
}

/* --- life --- */

static int tap_open(char *where)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	char *name = strchr(where, ':'), file[128];
	int ns, fd;

	if (!name)
		die("\"%s\" is not NAMESPACE:IF", where);
	*name++ = 0;
	snprintf(file, sizeof(file), "/run/netns/%s", where);
	ns = open(file, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		die("%s: %s", file, strerror(errno));
	close(ns);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
		die("%s: %s", name, strerror(errno));
	return fd;
}

static struct sockaddr_un unix_name(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(a.sun_path))
		die("%s: name too long", path);
	strcpy(a.sun_path, path);
	return a;
}

static int control_open(const char *path)
{
	const struct sockaddr_un a = unix_name(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) || listen(fd, 8))
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void run(struct impair *m)
{
	struct pollfd fds[] = { { .fd = m->way[UP].from, .events = POLLIN },
				{ .fd = m->way[DOWN].from, .events = POLLIN },
				{ .fd = m->control, .events = POLLIN } };
	bool more = false;

	while (!tool_stop) {
		const int64_t us = m->held > 0 ? time_diff_us(m->heap[0].at, now_us()) - WAKE_UP_US : 1000000;
		const int64_t wait = more || us < 0 ? 0 : us < 1000000 ? us : 1000000;
		const struct timespec ts = { .tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000 };

		ppoll(fds, 3, &ts, NULL);
		if (fds[2].revents)
			serve_control(m);
		release_due(m);
		more = take_frames(m, UP);
		more = take_frames(m, DOWN) || more;
		release_due(m);
	}
}

/* First in line for a CPU where that is allowed, and timers without slack: what is late here looks like the network. */
static bool go_realtime(void)
{
	const struct sched_param p = { .sched_priority = 1 };

	prctl(PR_SET_TIMERSLACK, 1);
	return sched_setscheduler(0, SCHED_FIFO, &p) == 0;
}

static int ask(int argc, char **argv)
{
	char text[ANSWER_MAX] = "";
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (argc < 2)
		die("usage: impair ask SOCKET COMMAND...");
	a = unix_name(argv[0]);
	for (int i = 1; i < argc; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", argv[i]);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) || send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		die("%s: %s", argv[0], strerror(errno));
	n = recv(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		die("%s: no answer", argv[0]);
	text[n] = 0;
	puts(text);
	return strncmp(text, "error", 5) == 0;
}

static void first_profile(struct way *w, const char *words)
{
	char error[PROFILE_ERROR_MAX] = "";
	const char *rest = profile_parse(&w->first, words, error);

	if (!rest || *rest)
		die("%s: %s", words, rest ? "wants words of a link profile" : error);
}

static const struct option long_options[] = {
	{ "near", required_argument, NULL, 'n' },       { "far", required_argument, NULL, 'f' },
	{ "control", required_argument, NULL, 'c' },    { "seed", required_argument, NULL, 'S' },
	{ "up", required_argument, NULL, 'u' },         { "down", required_argument, NULL, 'd' },
	{ "ready-file", required_argument, NULL, 'R' }, { NULL, 0, NULL, 0 },
};

static void usage(void)
{
	die("usage: impair link --near NS:IF --far NS:IF --control SOCKET [--seed N] [--up WORDS] [--down WORDS] "
	    "[--ready-file F] | ask SOCKET COMMAND...");
}

int main(int argc, char **argv)
{
	static struct impair m;
	char *near = NULL, *far = NULL, *control = NULL, *ready = NULL;
	uint64_t seed = 1;
	int c;

	if (argc > 1 && strcmp(argv[1], "ask") == 0)
		return ask(argc - 2, argv + 2);
	if (argc < 2 || strcmp(argv[1], "link") != 0)
		usage();
	while ((c = getopt_long(argc - 1, argv + 1, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'n':
			near = optarg;
			break;
		case 'f':
			far = optarg;
			break;
		case 'c':
			control = optarg;
			break;
		case 'S':
			seed = parse_number(optarg);
			break;
		case 'u':
			first_profile(&m.way[UP], optarg);
			break;
		case 'd':
			first_profile(&m.way[DOWN], optarg);
			break;
		case 'R':
			ready = optarg;
			break;
		default:
			usage();
		}
	}
	if (!near || !far || !control)
		usage();
	m.control = control_open(control);
	m.way[UP].from = m.way[DOWN].to = tap_open(near);
	m.way[DOWN].from = m.way[UP].to = tap_open(far);
	for (unsigned int i = 0; i < WAYS; i++)
		link_init(&m.way[i].link, &m.way[i].first, seed * WAYS + i);
	while (m.nfree < HELD_MAX)
		m.free[m.nfree] = m.nfree, m.nfree++;
	m.realtime = go_realtime();
	tool_catch_signals();
	announce(ready, "carries");
	run(&m);
	unlink(control);
	return 0;
}
