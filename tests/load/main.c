/*
 * Many clients of one server in one process: each with a key, an address and a session of its own, over real UDP.
 *
 *     load --clients N --seed S --peers FILE              writes what the server has to know of them
 *     load --clients N --seed S --server-key FILE --to ADDR:PORT [--orders FIFO] [--rtt-ms MS] [--rude]
 *
 * The latter reads orders from stdin, or a FIFO, one a line, and carries each of them out before it reads the next; sessions are
 * looked after meanwhile, and while it waits for a line.
 *
 *     server PID            whose CPU and memory is reported
 *     mark NAME             a phase begins: what is counted begins anew
 *     report                one line of JSON about the phase, on stdout, and one of text on stderr
 *     attach N RATE         clients up to N begin, RATE a second
 *     carry N RATE BYTES    the first N echo BYTES through the tunnel, RATE times a second each; 0: none does any more
 *     storm M               the paths of the last M that are attached die, all at once
 *     ask                   all send a PING at once, as if each had just now something to send
 *     rekey M               the first M make new keys
 *     run MS                goes on for so long
 *     wait MS               until all that began are attached and no rekey is under way, for so long at most
 *     renewed MS            until as many came to ATTACHED since the mark as began, for so long at most
 *     since                 times of the phase count from here; what was counted stays
 *     quit
 *
 * Clients come from 64.0.0.0/2, eight in each /24; "ip route add local 64.0.0.0/2 dev lo" makes it ours. Inside they are
 * 10.0.1.0 and what follows. --rtt-ms holds what comes for so long. --rude: whatever is said again is said again at once,
 * after the same time, without chance.
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>

#include "base/text.h"
#include "load/report.h"

#define STEP_US 10000  /* from point to point of the curve at least */
#define TIMERS 64      /* in one turn */
#define SAY_US 1000000 /* from progress to progress */

struct run {
	struct load load;
	struct phase_report report;
	char name[32], line[256];
	size_t len;
	int orders, server_pid;
	uint64_t told_us, curve_us;
	bool quit;
};

/* --- one turn --- */

static void look_at_clock(struct load *l)
{
	l->now_us = (now_ns() - l->start_ns) / 1000 + 1000000;
}

static void progress(struct run *r)
{
	struct load *l = &r->load;

	if (l->now_us >= r->curve_us) {
		curve_add(&l->stat.curve, l->now_us - l->mark_us, l->attached);
		r->curve_us = l->now_us + STEP_US;
	}
	if (l->now_us >= r->told_us + SAY_US) {
		r->told_us = l->now_us;
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "  %s: %u of %u attached after %.1f s\r", r->name, l->attached,
				l->started, (double)(l->now_us - l->mark_us) / 1e6);
	}
}

/* `fd`: what may end the wait; -1: nothing but time. */
static void turn(struct run *r, int fd)
{
	struct load *l = &r->load;
	uint32_t i, n;

	look_at_clock(l);
	net_receive(l->net, l->now_us, client_took, l);
	for (n = 1; (i = wheel_next(&l->wheel, load_ms(l))) != WHEEL_NONE; n++) {
		client_timer(l, &l->client[i]);
		if (n % TIMERS ==
		    0) /* what has come goes first: else a busy generator would be late for answers, and call again */
			break;
	}
	net_flush(l->net);
	progress(r);
	net_wait(l->net, fd, i == WHEEL_NONE ? net_held_ms(l->net, l->now_us, 1) : 0);
}

static bool all_attached(const struct load *l)
{
	return l->attached == l->started && l->rekeying == 0;
}

static bool all_renewed(const struct load *l)
{
	return l->stat.n[STAT_attached] >= l->started && all_attached(l);
}

static void run_until(struct run *r, uint64_t ms, bool (*is_done)(const struct load *l))
{
	const uint64_t end = r->load.now_us + ms * 1000;

	do
		turn(r, -1);
	while (!tool_stop && r->load.now_us < end && !(is_done && is_done(&r->load)));
	if (is_done && !is_done(&r->load))
		r->report.timed_out = true;
}

/* --- orders --- */

static void stat_take_net(struct load *l, bool begin)
{
	static struct net_count before;
	const struct net_count now = net_count(l->net);

	if (begin) {
		before = now;
		return;
	}
	l->stat.n[STAT_sent] = now.sent - before.sent;
	l->stat.n[STAT_unsent] = now.unsent - before.unsent;
	l->stat.n[STAT_received] = now.received - before.received;
}

static void mark(struct run *r, const char *name)
{
	struct load *l = &r->load;

	snprintf(r->name, sizeof(r->name), "%s", name);
	memset(&l->stat, 0, sizeof(l->stat));
	curve_begin(&l->stat.curve);
	look_at_clock(l);
	l->mark_us = r->curve_us = l->now_us;
	stat_take_net(l, true);
	r->report = (struct phase_report){ .name = r->name,
					   .load = l,
					   .server_before = process_read(r->server_pid),
					   .self_before = process_read(getpid()) };
}

static void since(struct run *r)
{
	struct load *l = &r->load;

	curve_begin(&l->stat.curve);
	l->mark_us = r->curve_us = l->now_us;
	r->report.server_before = process_read(r->server_pid);
}

static void report(struct run *r)
{
	stat_take_net(&r->load, false);
	r->report.server = process_read(r->server_pid);
	r->report.self = process_read(getpid());
	report_print(&r->report);
}

static void attach(struct load *l, uint64_t n, uint64_t rate)
{
	const uint32_t first = l->started;

	if (n > l->n)
		die("attach %llu: there are %u clients", (unsigned long long)n, l->n);
	for (uint32_t i = first; i < n; i++) {
		struct client *c = &l->client[i];

		c->next_ms = load_ms(l) + (rate ? (uint32_t)((uint64_t)(i - first) * 1000 / rate) : 0);
		client_timer_set(l, c);
		l->started++;
	}
}

static void carry(struct load *l, uint64_t n, uint64_t rate, uint64_t bytes)
{
	if (rate > 1000 || bytes < 36 || bytes + PROTO_OVERHEAD > NET_ROOM)
		die("carry: a rate up to 1000, and 36 to %u bytes", NET_ROOM - PROTO_OVERHEAD);
	l->carry_us = rate ? (uint32_t)(1000000 / rate) : 1000000;
	l->carry_bytes = (uint32_t)bytes;
	for (uint32_t i = 0; i < l->started; i++)
		session_carries(l, &l->client[i], rate > 0 && i < n);
}

static void storm(struct load *l, uint64_t m)
{
	for (uint32_t i = l->started; i > 0 && m > 0; i--) {
		m -= l->client[i - 1].phase == PHASE_ATTACHED;
		session_path_dies(l, &l->client[i - 1]);
	}
}

static void ask(struct load *l)
{
	for (uint32_t i = 0; i < l->started; i++)
		session_ask(l, &l->client[i]);
}

static void rekey(struct load *l, uint64_t m)
{
	for (uint32_t i = 0; i < l->started && i < m; i++)
		session_rekey(l, &l->client[i]);
}

static void obey(struct run *r, char *line)
{
	struct load *l = &r->load;
	char name[32] = "";
	unsigned long long a[3] = { 0 };
	const int n = sscanf(line, "%31s %llu %llu %llu", name, &a[0], &a[1], &a[2]);
	const char *word = strchr(line, ' ');

	look_at_clock(l);
	if (strcmp(name, "mark") == 0 && word)
		mark(r, word + 1);
	else if (strcmp(name, "report") == 0)
		report(r);
	else if (strcmp(name, "server") == 0 && n == 2)
		r->server_pid = (int)a[0];
	else if (strcmp(name, "attach") == 0 && n == 3)
		attach(l, a[0], a[1]);
	else if (strcmp(name, "carry") == 0 && n == 4)
		carry(l, a[0], a[1], a[2]);
	else if (strcmp(name, "storm") == 0 && n == 2)
		storm(l, a[0]);
	else if (strcmp(name, "ask") == 0)
		ask(l);
	else if (strcmp(name, "rekey") == 0 && n == 2)
		rekey(l, a[0]);
	else if (strcmp(name, "run") == 0 && n == 2)
		run_until(r, a[0], NULL);
	else if (strcmp(name, "wait") == 0 && n == 2)
		run_until(r, a[0], all_attached);
	else if (strcmp(name, "renewed") == 0 && n == 2)
		run_until(r, a[0], all_renewed);
	else if (strcmp(name, "since") == 0)
		since(r);
	else if (strcmp(name, "quit") == 0)
		r->quit = true;
	else
		die("no such order: %s", line);
}

/* One line, if there is one; the end of them is an order to quit. */
static void listen_for_orders(struct run *r)
{
	struct pollfd p = { .fd = r->orders, .events = POLLIN };
	char c;

	while (poll(&p, 1, 0) > 0) {
		if (read(r->orders, &c, 1) <= 0) {
			r->quit = true;
			return;
		}
		if (c != '\n' && r->len + 1 < sizeof(r->line)) {
			r->line[r->len++] = c;
			continue;
		}
		r->line[r->len] = 0;
		r->len = 0;
		if (r->line[0])
			obey(r, r->line);
		return;
	}
}

/* --- before --- */

static void read_server_key(struct load *l, const char *file)
{
	char text[128] = "";
	FILE *f = file ? fopen(file, "r") : NULL;

	if (!f || !fgets(text, sizeof(text), f))
		die("--server-key %s: %s", file ? file : "is needed", strerror(errno));
	fclose(f);
	text[strcspn(text, "\n")] = 0;
	if (!base64_decode(l->server_public, sizeof(l->server_public), text))
		die("--server-key %s holds no key", file);
	cookie_keys_derive(&l->cookie_keys, l->server_public);
}

static void clients_new(struct load *l)
{
	struct wheel_entry *entry = malloc(l->n * sizeof(*entry));

	l->client = calloc(l->n, sizeof(*l->client));
	l->aead = aligned_alloc(64, aead_key_size());
	l->mask = aligned_alloc(64, (mask_key_size() + 63) / 64 * 64);
	if (!l->client || !entry || !l->aead || !l->mask)
		die("no memory for %u clients", l->n);
	wheel_init(&l->wheel, entry, l->n);
	for (uint32_t i = 0; i < l->n; i++) {
		l->client[i].port = (uint8_t)(i % NET_SOCKETS);
		l->client[i].next_ms = l->client[i].data_ms = l->client[i].rekey_ms = WHEEL_NONE;
	}
	l->policy = policy_defaults;
	l->prng.state = l->seed;
	l->start_ns = now_ns();
	look_at_clock(l);
	l->wheel.now = load_ms(l);
}

static const struct option long_options[] = {
	{ "clients", required_argument, NULL, 'n' },
	{ "seed", required_argument, NULL, 's' },
	{ "peers", required_argument, NULL, 'p' },
	{ "server-key", required_argument, NULL, 'k' },
	{ "to", required_argument, NULL, 't' },
	{ "orders", required_argument, NULL, 'o' },
	{ "rtt-ms", required_argument, NULL, 'r' },
	{ "rude", no_argument, NULL, 'R' },
	{ NULL, 0, NULL, 0 },
};

static int write_peers(const struct load *l, const char *file)
{
	FILE *f = fopen(file, "w");

	if (!f)
		die("%s: %s", file, strerror(errno));
	peers_write(l, f);
	if (fclose(f))
		die("%s: %s", file, strerror(errno));
	return 0;
}

int main(int argc, char **argv)
{
	static struct run r;
	struct load *l = &r.load;
	struct address to = { 0 };
	const char *peers = NULL, *key = NULL, *orders = NULL;
	uint64_t rtt_ms = 0;
	int c;

	l->seed = 1;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'n':
			l->n = (uint32_t)parse_number(optarg);
			break;
		case 's':
			l->seed = parse_number(optarg);
			break;
		case 'p':
			peers = optarg;
			break;
		case 'k':
			key = optarg;
			break;
		case 't':
			to = parse_address(optarg);
			break;
		case 'o':
			orders = optarg;
			break;
		case 'r':
			rtt_ms = parse_number(optarg);
			break;
		case 'R':
			l->rude = true;
			break;
		default:
			die("usage: load --clients N [--seed S] --peers FILE | --server-key FILE --to ADDR:PORT [options]");
		}
	}
	if (!l->n || (!peers && to.ss.ss_family != AF_INET))
		die("--clients, and --peers or an IPv4 address --to are needed");
	if (crypto_init() < 0)
		die("the crypto libraries cannot be used");
	if (peers)
		return write_peers(l, peers);
	read_server_key(l, key);
	clients_new(l);
	r.orders = orders ? open(orders, O_RDWR | O_CLOEXEC)
			  : STDIN_FILENO; /* both ways: a FIFO then has no end */
	if (r.orders < 0)
		die("%s: %s", orders, strerror(errno));
	l->net = net_new(&to, rtt_ms * 1000);
	mark(&r, "begin");
	tool_catch_signals();
	while (!r.quit && !tool_stop) {
		listen_for_orders(&r);
		turn(&r, r.orders);
	}
	return 0;
}
