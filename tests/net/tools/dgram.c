/*
 * Hostile datagrams: recorded ones sent again, damaged ones, noise.
 *
 *     dgram replay   --to ADDR:PORT --file F      each recorded datagram as it was
 *     dgram truncate --to ADDR:PORT --file F      each cut short, at many lengths
 *     dgram flip     --to ADDR:PORT --file F      each with one bit turned, --count times at random places
 *     dgram garbage  --to ADDR:PORT --count N [--type 0x11,0x14,...] [--len MIN-MAX]
 *     dgram expect-silence --to ADDR:PORT --ms N  nothing but listen
 *
 * Options: --from ADDR[:PORT], --interface IF, --seed S, --gap-us N (100), --ms N (300): how long to listen
 * after the last one, --allow 0x16,...: answers of these types are permitted, unless one is longer than the
 * longest datagram sent, or all of them more bytes than were sent. Records are lines whose last word is hex,
 * as capture writes them. Prints one JSON object; exits 1 when an answer came that is not allowed.
 */
#include <ctype.h>
#include <getopt.h>
#include <poll.h>

#include "tool.h"

#define DATAGRAM_MAX 65535

struct options {
	struct address to, from;
	const char *file, *interface;
	uint64_t count, seed, gap_ns, listen_ns;
	size_t least, most;
	uint8_t types[256];
	size_t ntypes;
	bool allow[256];
};

struct sender {
	const struct options *o;
	int fd;
	struct prng prng;
	uint64_t next;
	uint64_t sent, bytes, errors, answers, answer_bytes, denied;
	size_t longest, longest_answer;
	uint64_t by_type[256];
};

static void take_answers(struct sender *s, uint64_t until)
{
	static uint8_t buf[DATAGRAM_MAX];

	do {
		uint64_t now = now_ns(), wait = until > now ? until - now : 0;
		struct timespec ts = { .tv_sec = (time_t)(wait / NS_PER_S), .tv_nsec = (long)(wait % NS_PER_S) };
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		if (ppoll(&p, 1, &ts, NULL) <= 0)
			continue;
		ssize_t n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0)
			continue; /* an ICMP error */
		s->answers++;
		s->answer_bytes += (uint64_t)n;
		s->by_type[n ? buf[0] : 0]++;
		if ((size_t)n > s->longest_answer)
			s->longest_answer = (size_t)n;
		if (!s->o->allow[n ? buf[0] : 0])
			s->denied++;
	} while (!tool_stop && now_ns() < until);
}

static void send_one(struct sender *s, const uint8_t *data, size_t len)
{
	ssize_t n;

	s->next += s->o->gap_ns;
	take_answers(s, s->next);
	do /* ECONNREFUSED is of one before, and this one has not gone */
		n = send(s->fd, data, len, 0);
	while (n < 0 && errno == ECONNREFUSED);
	if (n < 0)
		s->errors++;
	s->sent++;
	s->bytes += len;
	if (len > s->longest)
		s->longest = len;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

static size_t parse_hex(const char *word, uint8_t *out)
{
	size_t n = 0;

	while (n < DATAGRAM_MAX && hex_digit(word[0]) >= 0 && hex_digit(word[1]) >= 0) {
		out[n++] = (uint8_t)(hex_digit(word[0]) << 4 | hex_digit(word[1]));
		word += 2;
	}
	return n;
}

static void truncate_one(struct sender *s, const uint8_t *data, size_t len)
{
	for (size_t cut = 0; cut < len && !tool_stop; cut += cut < 80 ? 1 : 97)
		send_one(s, data, cut);
}

static void flip_one(struct sender *s, uint8_t *data, size_t len)
{
	for (uint64_t i = 0; i < s->o->count && len && !tool_stop; i++) {
		uint64_t bit = prng_next(&s->prng) % (len * 8);

		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		send_one(s, data, len);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void send_file(struct sender *s, char mode)
{
	static uint8_t data[DATAGRAM_MAX];
	FILE *f = s->o->file ? fopen(s->o->file, "r") : NULL;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!f)
		die("--file %s: %s", s->o->file ? s->o->file : "is needed", strerror(errno));
	while (!tool_stop && (n = getline(&line, &cap, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = 0;
		const char *word = strrchr(line, ' ');
		size_t len = parse_hex(word ? word + 1 : line, data);
		if (mode == 't')
			truncate_one(s, data, len);
		else if (mode == 'f')
			flip_one(s, data, len);
		else
			send_one(s, data, len);
	}
	free(line);
	fclose(f);
}

static void send_garbage(struct sender *s)
{
	static uint8_t data[DATAGRAM_MAX];
	const struct options *o = s->o;

	for (uint64_t i = 0; i < o->count && !tool_stop; i++) {
		size_t len = o->least + prng_next(&s->prng) % (o->most - o->least + 1);

		for (size_t k = 0; k < len; k++)
			data[k] = (uint8_t)prng_next(&s->prng);
		if (o->ntypes && len)
			data[0] = o->types[i % o->ntypes];
		send_one(s, data, len);
	}
}

static int report(const struct sender *s)
{
	bool amplified = s->longest_answer > s->longest || s->answer_bytes > s->bytes;
	const char *comma = "";

	printf("{\"sent\":%llu,\"bytes\":%llu,\"send_errors\":%llu,\"answers\":%llu,\"answer_bytes\":%llu,"
	       "\"longest_answer\":%zu,\"not_allowed\":%llu,\"by_type\":{",
	       (unsigned long long)s->sent, (unsigned long long)s->bytes, (unsigned long long)s->errors,
	       (unsigned long long)s->answers, (unsigned long long)s->answer_bytes, s->longest_answer,
	       (unsigned long long)s->denied);
	for (int t = 0; t < 256; t++) {
		if (!s->by_type[t])
			continue;
		printf("%s\"0x%02x\":%llu", comma, (unsigned int)t, (unsigned long long)s->by_type[t]);
		comma = ",";
	}
	printf("},\"ok\":%s}\n", s->denied || amplified ? "false" : "true");
	return s->denied || amplified;
}

static void usage(void)
{
	die("usage: dgram replay|truncate|flip|garbage|expect-silence --to ADDR:PORT [options]");
}

static void parse_range(struct options *o, char *text)
{
	char *dash = strchr(text, '-');

	if (dash)
		*dash = 0;
	o->least = parse_number(text);
	o->most = dash ? parse_number(dash + 1) : o->least;
	if (o->least > o->most || o->most > DATAGRAM_MAX)
		die("--len MIN-MAX, at most %d", DATAGRAM_MAX);
}

static void parse_types(struct options *o, char *text, bool allowed)
{
	for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		uint8_t type = (uint8_t)parse_number(word);

		if (allowed)
			o->allow[type] = true;
		else if (o->ntypes < sizeof(o->types))
			o->types[o->ntypes++] = type;
	}
}

static const struct option long_options[] = {
	{ "to", required_argument, NULL, 't' },	   { "from", required_argument, NULL, 'f' },
	{ "file", required_argument, NULL, 'F' },  { "interface", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'c' }, { "seed", required_argument, NULL, 'S' },
	{ "gap-us", required_argument, NULL, 'g' }, { "ms", required_argument, NULL, 'm' },
	{ "len", required_argument, NULL, 'l' },   { "type", required_argument, NULL, 'T' },
	{ "allow", required_argument, NULL, 'a' }, { NULL, 0, NULL, 0 },
};

static void parse_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 't': o->to = parse_address(optarg); break;
		case 'f': o->from = parse_address(optarg); break;
		case 'F': o->file = optarg; break;
		case 'i': o->interface = optarg; break;
		case 'c': o->count = parse_number(optarg); break;
		case 'S': o->seed = parse_number(optarg); break;
		case 'g': o->gap_ns = parse_number(optarg) * NS_PER_US; break;
		case 'm': o->listen_ns = parse_number(optarg) * NS_PER_MS; break;
		case 'l': parse_range(o, optarg); break;
		case 'T': parse_types(o, optarg, false); break;
		case 'a': parse_types(o, optarg, true); break;
		default: usage();
		}
	}
	if (!o->to.len)
		usage();
}

int main(int argc, char **argv)
{
	struct options o = { .count = 64, .seed = 1, .gap_ns = 100 * NS_PER_US, .listen_ns = 300 * NS_PER_MS,
			     .least = 0, .most = 1400 };
	struct sender s = { .o = &o };
	const char *mode = argc > 1 ? argv[1] : "";

	if (argc < 2)
		usage();
	parse_options(&o, argc - 1, argv + 1);
	s.fd = open_socket(&o.to, SOCK_DGRAM);
	bind_to_interface(s.fd, o.interface);
	bind_to(s.fd, &o.from);
	if (connect(s.fd, address_sa(&o.to), o.to.len))
		die("connect: %s", strerror(errno));
	tool_catch_signals();
	s.prng.state = o.seed;
	s.next = now_ns();
	if (strcmp(mode, "replay") == 0 || strcmp(mode, "truncate") == 0 || strcmp(mode, "flip") == 0)
		send_file(&s, mode[0]);
	else if (strcmp(mode, "garbage") == 0)
		send_garbage(&s);
	else if (strcmp(mode, "expect-silence") != 0)
		usage();
	take_answers(&s, now_ns() + o.listen_ns);
	close(s.fd);
	return report(&s);
}
