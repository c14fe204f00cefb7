/*
 * TCP bulk transfer of a stream both ends can compute, so that every byte is checked at the far end.
 *
 *     bulk serve --listen ADDR:PORT [--congestion NAME] [--ready-file F]
 *     bulk send|recv --to ADDR:PORT [--bytes N | --seconds N] [--seed S] [--mbit N] [--patience-ms N]
 *                    [--plain] [--stamp-ms N] [--congestion NAME] [--ready-file F]
 *
 * `send` streams to the server, `recv` from it; without --bytes and --seconds until SIGTERM. Each end
 * compares what it reads with the stream of the seed and hashes it (FNV-1a over 64-bit words); the
 * sender's count and hash end the transfer, and both must agree. One JSON object tells bytes, rate,
 * checksum, and the connection's addresses at its beginning and end. Exit status 0 only when all bytes
 * arrived whole; --patience-ms (60,000) bounds how long a connection may make no progress.
 *
 * Making and checking the stream costs more than carrying it: --plain sends zeros in large writes and counts them,
 * nothing else, for measuring what is between the ends. With --stamp-ms a plain `recv` tells the bytes of each
 * interval, too, and when (ms of the wall clock) the first one began.
 */
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tool.h"

#define CHUNK (64 * 1024)
#define PLAIN (128 * 1024)
#define STAMPS_MAX 10000
#define BULK_MAGIC UINT64_C(0x4a56504e42554c4b)

struct request {              /* native byte order: both ends are this program */
	uint64_t magic, send; /* send 1: the client sends */
	uint64_t bytes, length_ns, seed, mbit, plain;
	char congestion[16]; /* of both ends; "": the system's */
};

enum verdict { VERDICT_BAD, VERDICT_GOOD, VERDICT_ENOUGH };

struct trailer {
	uint64_t bytes, checksum, verdict;
};

struct stream { /* a place in the stream and the hash of what came before it */
	struct prng prng;
	uint64_t word, hash, bytes;
};

struct options {
	struct address to;
	struct request req;
	uint64_t patience_ms, stamp_ns;
	const char *ready_file;
};

struct result {
	uint64_t bytes, checksum, ns;
	uint64_t stamp_ns, start_ms; /* 0: no stamps */
	uint64_t stamp[STAMPS_MAX];  /* bytes of each interval */
	size_t stamps;
	const char *error; /* NULL: all well */
	char local[ADDRESS_TEXT], remote[ADDRESS_TEXT], local_end[ADDRESS_TEXT];
};

static void stream_start(struct stream *s, uint64_t seed)
{
	*s = (struct stream){ .prng = { seed }, .hash = UINT64_C(0xcbf29ce484222325) };
}

/* The next `len` bytes into `out`; the hash covers whole words. */
static void stream_fill(struct stream *s, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t at = s->bytes % 8;
		size_t n = 8 - at < len - i ? 8 - at : len - i;

		if (at == 0) {
			s->word = prng_next(&s->prng);
			s->hash = (s->hash ^ s->word) * UINT64_C(0x100000001b3);
		}
		memcpy(out + i, (uint8_t *)&s->word + at, n);
		s->bytes += n;
		i += n;
	}
}

static uint64_t hash_bytes(uint64_t hash, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t w;

		memcpy(&w, p + i, 8);
		hash = (hash ^ w) * UINT64_C(0x100000001b3);
	}
	return hash;
}

static const char *write_all(int fd, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? "no progress" : strerror(errno);
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

static const char *read_all(int fd, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = recv(fd, p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? "no progress" : strerror(errno);
		if (n == 0)
			return "connection closed early";
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

/* The reader speaks before the end only to say that it has enough. */
static bool peer_has_enough(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Late by more than a moment, after an outage: go on at the wanted rate instead of catching up in a burst. */
static void pace(uint64_t *start, const struct request *q, uint64_t bytes)
{
	uint64_t due = *start + bytes * 8000 / q->mbit, now = now_ns();

	if (now > due + 50 * NS_PER_MS)
		*start += now - due;
	else
		sleep_until(due);
}

/* What the other end received, behind the "enough" it may have sent before. */
static const char *read_verdict(int fd, const struct trailer *sent)
{
	struct trailer back;
	const char *error;

	do
		error = read_all(fd, &back, sizeof(back));
	while (!error && back.verdict == VERDICT_ENOUGH);
	if (!error &&
	    (back.verdict != VERDICT_GOOD || back.bytes != sent->bytes || back.checksum != sent->checksum))
		error = "checksums differ";
	return error;
}

/* Chunks go with their length in front; a length of 0 announces the trailer. */
static const char *send_stream(int fd, const struct request *q, struct result *r)
{
	static uint8_t buf[4 + CHUNK];
	struct stream s;
	const char *error = NULL;
	uint64_t start = now_ns(), pace_from = start;

	stream_start(&s, q->seed);
	while (!error && !tool_stop && !(s.bytes % (16 * CHUNK) == 0 && peer_has_enough(fd))) {
		uint64_t left = q->bytes ? q->bytes - s.bytes : CHUNK;
		uint32_t n = left < CHUNK ? (uint32_t)left : CHUNK;

		if (n == 0 || (q->length_ns && now_ns() - start >= q->length_ns))
			break;
		if (q->mbit)
			pace(&pace_from, q, s.bytes);
		stream_fill(&s, buf + 4, n);
		memcpy(buf, &n, 4);
		error = write_all(fd, buf, 4 + n);
	}
	struct trailer t = { .bytes = s.bytes, .checksum = s.hash };
	uint32_t end = 0;
	if (!error)
		error = write_all(fd, &end, sizeof(end));
	if (!error)
		error = write_all(fd, &t, sizeof(t));
	if (!error)
		error = read_verdict(fd, &t);
	r->ns = now_ns() - start;
	r->bytes = s.bytes;
	r->checksum = s.hash;
	return error;
}

static const char *recv_stream(int fd, const struct request *q, struct result *r)
{
	static uint8_t buf[CHUNK], expected[CHUNK];
	struct trailer enough = { .verdict = VERDICT_ENOUGH };
	struct stream s;
	uint64_t hash, start = now_ns();
	bool same = true, told = false;
	const char *error;
	uint32_t n;

	stream_start(&s, q->seed);
	hash = s.hash;
	while (!(error = read_all(fd, &n, sizeof(n))) && n) {
		if (n > CHUNK)
			return "the stream is damaged";
		error = read_all(fd, buf, n);
		if (error)
			break;
		size_t hashed = (n + 7) & ~(size_t)7; /* as the sender: a last, partial word counts whole */
		stream_fill(&s, expected, n);
		same = same && memcmp(buf, expected, n) == 0;
		if (hashed > n)
			memcpy(buf + n, (uint8_t *)&s.word + n % 8, hashed - n);
		hash = hash_bytes(hash, buf, hashed);
		r->bytes += n;
		if (tool_stop && !told)
			told = !write_all(fd, &enough, sizeof(enough));
	}
	struct trailer t, back = { .bytes = r->bytes, .checksum = hash };
	if (!error)
		error = read_all(fd, &t, sizeof(t));
	if (!error && (!same || t.bytes != r->bytes || t.checksum != hash))
		error = "checksums differ";
	back.verdict = error ? VERDICT_BAD : VERDICT_GOOD;
	r->ns = now_ns() - start;
	r->checksum = hash;
	write_all(fd, &back, sizeof(back));
	return error;
}

static const char *send_plain(int fd, const struct request *q, struct result *r)
{
	static uint8_t buf[PLAIN];
	const uint64_t start = now_ns();
	uint64_t pace_from = start;
	const char *error = NULL;
	struct trailer t = { 0 };

	while (!error && !tool_stop && !(q->length_ns && now_ns() - start >= q->length_ns)) {
		size_t n = q->bytes && q->bytes - r->bytes < PLAIN ? q->bytes - r->bytes : PLAIN;

		if (n == 0)
			break;
		if (q->mbit)
			pace(&pace_from, q, r->bytes);
		error = write_all(fd, buf, n);
		r->bytes += n;
	}
	shutdown(fd, SHUT_WR);
	if (!error)
		error = read_all(fd, &t, sizeof(t));
	if (!error && t.bytes != r->bytes)
		error = "bytes are missing";
	r->ns = now_ns() - start;
	return error;
}

static void stamp(struct result *r, uint64_t ns, uint64_t bytes)
{
	const uint64_t i = r->stamp_ns ? ns / r->stamp_ns : STAMPS_MAX;

	if (i >= STAMPS_MAX)
		return;
	r->stamp[i] += bytes;
	r->stamps = i + 1;
}

static const char *recv_plain(int fd, struct result *r)
{
	static uint8_t buf[PLAIN];
	const uint64_t start = now_ns();
	struct timespec wall;
	ssize_t n;

	clock_gettime(CLOCK_REALTIME, &wall);
	r->start_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / NS_PER_MS;
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR && !tool_stop)) {
		if (n < 0)
			continue;
		r->bytes += (size_t)n;
		stamp(r, now_ns() - start, (uint64_t)n);
	}
	r->ns = now_ns() - start;
	struct trailer t = { .bytes = r->bytes };
	const char *error = n < 0 ? strerror(errno) : NULL;
	write_all(fd, &t, sizeof(t));
	return error;
}

static void name_ends(int fd, char local[ADDRESS_TEXT], char remote[ADDRESS_TEXT])
{
	struct address a = { .len = sizeof(a.ss) };

	if (getsockname(fd, (struct sockaddr *)&a.ss, &a.len) == 0)
		address_text(local, &a);
	a.len = sizeof(a.ss);
	if (remote && getpeername(fd, (struct sockaddr *)&a.ss, &a.len) == 0)
		address_text(remote, &a);
}

static void set_patience(int fd, uint64_t patience_ms)
{
	struct timeval tv = { .tv_sec = (time_t)(patience_ms / 1000),
			      .tv_usec = (long)(patience_ms % 1000) * 1000 };
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int report(const struct request *q, bool sender, const struct result *r)
{
	double s = (double)r->ns / 1e9;

	printf("{\"ok\":%s,\"role\":\"%s\",\"bytes\":%llu,\"seconds\":%.3f,\"mbit_per_s\":%.1f,"
	       "\"checksum\":\"%016llx\",\"seed\":%llu,\"local\":\"%s\",\"local_at_end\":\"%s\","
	       "\"remote\":\"%s\",\"error\":\"%s\"",
	       r->error ? "false" : "true", sender ? "send" : "recv", (unsigned long long)r->bytes, s,
	       s > 0 ? (double)r->bytes * 8 / 1e6 / s : 0, (unsigned long long)r->checksum,
	       (unsigned long long)q->seed, r->local, r->local_end, r->remote, r->error ? r->error : "");
	for (size_t i = 0; i < r->stamps; i++)
		printf("%s%llu", i ? "," : ",\"stamps\":[", (unsigned long long)r->stamp[i]);
	if (r->stamps)
		printf("],\"start_ms\":%llu", (unsigned long long)r->start_ms);
	puts("}");
	fflush(stdout);
	return r->error != NULL;
}

static int transfer(int fd, const struct request *q, bool sender, struct result *r)
{
	if (q->plain)
		r->error = sender ? send_plain(fd, q, r) : recv_plain(fd, r);
	else
		r->error = sender ? send_stream(fd, q, r) : recv_stream(fd, q, r);
	name_ends(fd, r->local_end, NULL);
	return report(q, sender, r);
}

static void set_congestion(int fd, const char *name)
{
	if (*name && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)))
		die("congestion control %s: %s", name, strerror(errno));
}

static int client(const struct options *o)
{
	static struct result r = { .error = "could not connect" };
	int fd = open_socket(&o->to, SOCK_STREAM);

	r.stamp_ns = o->stamp_ns;
	set_patience(fd, o->patience_ms);
	set_congestion(fd, o->req.congestion);
	if (connect(fd, address_sa(&o->to), o->to.len) || write_all(fd, &o->req, sizeof(o->req))) {
		r.error = strerror(errno);
		return report(&o->req, o->req.send, &r);
	}
	tool_catch_signals();
	name_ends(fd, r.local, r.remote);
	announce(o->ready_file, r.local);
	int status = transfer(fd, &o->req, o->req.send, &r);
	close(fd);
	return status;
}

static int serve_one(int fd, const struct options *o)
{
	static struct result r;
	struct request q;

	set_patience(fd, o->patience_ms);
	name_ends(fd, r.local, r.remote);
	r.error = read_all(fd, &q, sizeof(q));
	if (r.error || q.magic != BULK_MAGIC)
		return 1;
	q.congestion[sizeof(q.congestion) - 1] = 0;
	set_congestion(fd, q.congestion);
	return transfer(fd, &q, !q.send, &r);
}

static int serve(const struct options *o)
{
	int one = 1, listener = open_socket(&o->to, SOCK_STREAM);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bind_to(listener, &o->to);
	/* What it takes begins with this. One that began with BBR is paced for good, whatever is chosen later. */
	set_congestion(listener, o->req.congestion);
	if (listen(listener, 16))
		die("listen: %s", strerror(errno));
	tool_catch_signals();
	announce(o->ready_file, "listening");
	while (!tool_stop) {
		int fd = accept(listener, NULL, NULL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (fd < 0)
			continue;
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listener);
			_exit(serve_one(fd, o));
		}
		close(fd);
	}
	close(listener);
	return 0;
}

static void usage(void)
{
	die("usage: bulk serve --listen ADDR:PORT | send|recv --to ADDR:PORT [--bytes N | --seconds N] [options]");
}

static const struct option long_options[] = {
	{ "to", required_argument, NULL, 't' },
	{ "listen", required_argument, NULL, 't' },
	{ "bytes", required_argument, NULL, 'b' },
	{ "seconds", required_argument, NULL, 's' },
	{ "seed", required_argument, NULL, 'S' },
	{ "mbit", required_argument, NULL, 'm' },
	{ "patience-ms", required_argument, NULL, 'p' },
	{ "ready-file", required_argument, NULL, 'R' },
	{ "congestion", required_argument, NULL, 'c' },
	{ "plain", no_argument, NULL, 'P' },
	{ "stamp-ms", required_argument, NULL, 'i' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct options o = { .req = { .magic = BULK_MAGIC, .seed = 1 }, .patience_ms = 60000 };
	const char *mode = argc > 1 ? argv[1] : "";
	int c;

	if (argc < 2)
		usage();
	while ((c = getopt_long(argc - 1, argv + 1, "", long_options, NULL)) != -1) {
		switch (c) {
		case 't': o.to = parse_address(optarg); break;
		case 'b': o.req.bytes = parse_number(optarg); break;
		case 's': o.req.length_ns = parse_number(optarg) * NS_PER_S; break;
		case 'S': o.req.seed = parse_number(optarg); break;
		case 'm': o.req.mbit = parse_number(optarg); break;
		case 'p': o.patience_ms = parse_number(optarg); break;
		case 'R': o.ready_file = optarg; break;
		case 'c': snprintf(o.req.congestion, sizeof(o.req.congestion), "%s", optarg); break;
		case 'P': o.req.plain = 1; break;
		case 'i': o.stamp_ns = parse_number(optarg) * NS_PER_MS; break;
		default: usage();
		}
	}
	if (!o.to.len)
		usage();
	if (strcmp(mode, "serve") == 0)
		return serve(&o);
	o.req.send = strcmp(mode, "send") == 0;
	if (o.req.send || strcmp(mode, "recv") == 0)
		return client(&o);
	usage();
}
