/* Which HELLOs a server hears: who sends recorded ones learns nothing, and nobody keeps others out. */
#include "hello.h"
#include "session/client_state.h"
#include "session/connect.h"
#include "session/engine.h"
#include "session/job.h"
#include "session/limit.h"
#include "session/seen.h"
#include "session/turns.h"

#define CLIENT WORLD_WORKERS
#define COOKIE_LIFE_MS (2 * (uint64_t)PROTO_COOKIE_SECRET_MS)
#define WALL UINT64_C(1700000000000000)

static struct packet_hello first_hello(const struct world *w)
{
	struct packet_hello h = { 0 };

	for (size_t i = 0; i < w->record.n; i++) {
		if (w->record.list[i].data[0] != PACKET_HELLO)
			continue;
		memcpy(&h, w->record.list[i].data, sizeof(h));
		return h;
	}
	fail_msg("no HELLO");
	return h;
}

static void silence(struct world *w)
{
	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		w->client[0].link[n].cut_up = true;
}

/* What the network brings `from` for this, a letter for each kind. */
static char answer(struct world *w, const struct packet_hello *h, const struct route *from)
{
	const uint32_t before = w->stranger_datagrams;
	const uint64_t bytes = w->stranger_bytes;

	world_inject_up(w, from, h, sizeof(*h));
	world_run(w, 2);
	if (w->stranger_datagrams == before)
		return '-';
	if (w->stranger_datagrams > before + 1)
		return '2';
	if (w->stranger_bytes - bytes != sizeof(struct packet_cookie))
		return 'w';
	return w->stranger_type == PACKET_COOKIE ? 'c' : '?';
}

/* --- replays --- */

/* Each makes a HELLO that somebody has recorded; what has become of its peer differs. */
static struct world *of_attached(struct packet_hello *h)
{
	struct world *w = world_new(1, 1);

	w->recording = RECORD_SENT;
	world_attach(w);
	w->recording = RECORD_NOTHING;
	*h = first_hello(w);
	return w;
}

static struct world *of_long_ago(struct packet_hello *h)
{
	struct world *w = of_attached(h);

	world_run(w, COOKIE_LIFE_MS + 1000);
	return w;
}

static struct world *of_never_heard(struct packet_hello *h)
{
	struct world *w = world_new(1, 1);

	silence(w);
	world_start(w);
	hello_make(w, h, NULL);
	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		w->client[0].link[n].cut_up = false;
	world_assert(w, world_until(w, world_all_attached, 10000));
	return w;
}

static struct world *of_birth(struct packet_hello *h)
{
	struct world *w = world_new(1, 1);

	w->config->peers[0].policy.handshake_timeout_ms = 60000;
	w->recording = RECORD_SENT;
	world_swallow_type(w, true, PACKET_SEALED, UINT32_MAX);
	world_start(w);
	world_run(w, 100);
	w->recording = RECORD_NOTHING;
	*h = first_hello(w);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	return w;
}

static struct world *of_nobody(struct packet_hello *h)
{
	struct world *w = world_new(1, 1);
	struct config other = w->client[0].config;

	world_attach(w);
	make_keys(&w->rng, other.private_key, other.public_key);
	hello_make_as(w, &other, h, UINT64_MAX, NULL);
	return w;
}

/* The first peer is taken out of the configuration; the other takes its index. */
static void remove_first(struct world *w)
{
	struct config *next = world_config_next(w);
	const struct config_peer first = next->peers[0];

	free(first.addresses);
	free(first.routes);
	free(first.dns);
	next->peers[0] = next->peers[1];
	next->npeers = 1;
	world_reload(w, next);
}

static struct world *of_removed(struct packet_hello *h)
{
	struct world *w = world_new(1, 2);

	w->recording = RECORD_SENT;
	world_attach(w);
	w->recording = RECORD_NOTHING;
	hello_make(w, h, NULL);
	remove_first(w);
	world_run(w, 1000);
	return w;
}

static struct world *of_limited(struct packet_hello *h)
{
	struct world *w = world_new(1, 1);
	struct packet_hello more;

	silence(w);
	world_start(w);
	hello_make(w, h, NULL);
	for (unsigned int i = 0; i < 20; i++) {
		const struct route from = world_stranger(1000 + i);

		hello_make(w, &more, &from);
		world_inject_up(w, &from, &more, sizeof(more));
		world_run(w, 1);
	}
	assert_true(world_count(w, 0, COUNT_HELLO_PEER_LIMITED) > 5);
	return w;
}

/* It is as good as any, and the server has as many sessions as it may. */
static struct world *of_no_room(struct packet_hello *h)
{
	struct world *w = world_new(1, 2);

	w->config->max_sessions = 1;
	silence(w);
	world_start(w);
	hello_make(w, h, NULL);
	world_run(w, 1000);
	assert_non_null(world_peer(w, 1));
	return w;
}

/*
 * What he sends, from addresses of his own: the HELLO as it is, twice; the same with mac2, for he knows the server's
 * public key; damaged inside; and as fast as he can. Nothing is born of it, and this is what he gets.
 */
static void observed(struct world *w, const struct packet_hello *recorded, char *out)
{
	const struct route a = world_stranger(1), b = world_stranger(300), c = world_stranger(600);
	struct packet_hello h = *recorded;
	const size_t sessions = engine_session_count(w->engine[0].e);
	uint8_t cookie[PROTO_MAC_LEN];

	*out++ = answer(w, &h, &a);
	*out++ = answer(w, &h, &a);
	*out++ = answer(w, &h, &b);
	cookie_of(w, &b, cookie);
	cookie_sign_hello(w->engine[0].e->cookie_keys, &h, cookie);
	*out++ = answer(w, &h, &b);
	*out++ = answer(w, &h, &b);
	*out++ = answer(w, &h, &c); /* mac2 is of another address */
	h.payload[100] ^= 1;
	*out++ = answer(w, &h, &b);
	*out++ = answer(w, &h, &c);
	h.payload[100] ^= 1;
	world_run(w, 5000);
	cookie_of(w, &b, cookie);
	cookie_sign_hello(w->engine[0].e->cookie_keys, &h, cookie);
	for (unsigned int i = 0; i < 40; i++) {
		h.payload[i] ^= 1; /* none is like another */
		*out++ = answer(w, &h, &b);
	}
	*out = '\0';
	assert_true(engine_session_count(w->engine[0].e) <= sessions);
}

static void test_same_answer(void **state)
{
	static struct world *(*const recorded[])(struct packet_hello * h) = {
		of_attached, of_long_ago, of_never_heard, of_birth, of_nobody, of_removed, of_limited, of_no_room,
	};
	char first[64], got[64];

	for (unsigned int i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
		struct packet_hello h;
		struct world *w = recorded[i](&h);

		observed(w, &h, i == 0 ? first : got);
		if (i > 0 && strcmp(first, got) != 0)
			fail_msg("case %u: %s, the first: %s", i, got, first);
		world_free(w);
	}
	assert_memory_equal(first, "cccccccc", 8);
	assert_non_null(strchr(first, '-'));
	assert_null(strchr(first, 'w'));
}

/* And the peer's own next login is as if nothing had been: one HELLO, one WELCOME, no COOKIE to it. */
static void test_next_login(void **state)
{
	for (unsigned int replays = 0; replays < 2; replays++) {
		struct packet_hello h;
		struct world *w = of_attached(&h);
		const uint64_t before = world_count(w, CLIENT, COUNT_WELCOME_BAD);

		for (unsigned int i = 0; replays && i < 50; i++)
			answer(w, &h, &(struct route){ .remote = world_stranger(i).remote });
		w->recording = RECORD_ARRIVED;
		w->record.n = 0;
		assert_true(engine_terminate(world_client_engine(w, 0), world_session(w, 0)->id, w->now));
		world_assert(w, world_until(w, world_all_attached, 5000));
		for (size_t i = 0; i < w->record.n; i++)
			assert_int_not_equal(w->record.list[i].data[0], PACKET_COOKIE);
		assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), 2);
		assert_int_equal(world_count(w, CLIENT, COUNT_WELCOME_BAD), before);
		world_free(w);
	}
}

/* It surfaces at another worker than the peer's home: that one remembers it, too, and spends nothing on it. */
static void test_remembered_where_it_came(void **state)
{
	struct world *w = world_new(2, 1);
	struct packet_hello h;
	const struct route from = world_stranger(1);

	w->hello_worker = 1;
	w->recording = RECORD_SENT;
	world_attach(w);
	w->recording = RECORD_NOTHING;
	h = first_hello(w);
	world_inject_up(w, &from, &h, sizeof(h));
	assert_int_equal(world_count(w, 1, COUNT_HELLO_REPLAYED), 1);
	assert_int_equal(w->engine[1].e->njobs + w->engine[1].e->turns->n, 0);
	assert_int_equal(w->stranger_datagrams, 1);
	world_free(w);
}

/* --- numbers --- */

/* How many COOKIEs the client needed to get in. */
static uint64_t cookies_for(uint64_t client_wall, uint64_t server_wall)
{
	struct world *w = world_new(1, 1);
	uint64_t n;

	w->paths = 1;
	w->wall_us[0] = client_wall;
	w->wall_us[1] = server_wall;
	world_start(w);
	world_assert(w, world_until(w, world_all_attached, 20));
	n = world_count(w, 0, COUNT_COOKIE_SENT);
	world_free(w);
	return n;
}

static void test_clocks(void **state)
{
	assert_int_equal(cookies_for(WALL + 1000000, WALL), 0);
	assert_int_equal(cookies_for(WALL - 1000000, WALL), 1); /* behind: a round trip more */
	assert_int_equal(cookies_for(0, WALL), 1);
	assert_int_equal(cookies_for(WALL, 0), 0);
	assert_int_equal(cookies_for(0, 0), 0);
}

/* What was recorded before the server was restarted is old by the server's clock. */
static void test_restart(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route from = world_stranger(1);
	struct packet_hello h;

	w->wall_us[0] = w->wall_us[1] = WALL;
	w->recording = RECORD_SENT;
	world_attach(w);
	w->recording = RECORD_NOTHING;
	h = first_hello(w);
	silence(w);
	world_run(w, 5000);
	w->wall_us[1] += 5000000; /* what has passed */
	world_restart(w, 0);
	assert_int_equal(answer(w, &h, &from), 'c');
	assert_int_equal(engine_session_count(w->engine[0].e), 0);
	world_free(w);
}

/* What is known of a peer follows it to another place in the configuration. */
static void test_reload(void **state)
{
	struct world *w = world_new(1, 2);
	const struct route from = world_stranger(1);
	struct packet_hello h;

	world_start(w);
	hello_make_as(w, &w->client[1].config, &h, 7, NULL);
	world_assert(w, world_until(w, world_all_attached, 1000));
	remove_first(w);
	world_run(w, 100);
	assert_int_equal(answer(w, &h, &from), 'c');
	assert_int_equal(world_count(w, 0, COUNT_HELLO_REPLAYED), 1);
	world_free(w);
}

/* Behind the cookie's life nothing is remembered, and the number tells. */
static void test_long_ago(void **state)
{
	const struct route from = world_stranger(1);
	struct packet_hello h;
	struct world *w = of_long_ago(&h);
	const uint64_t before = world_count(w, 0, COUNT_WELCOME_SENT);

	assert_int_equal(answer(w, &h, &from), 'c');
	assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), before);
	world_free(w);
}

/* --- somebody who is faster --- */

/* He sees every HELLO as it is sent, and a copy of it from his own address is there first; with a right mac2 if he can. */
static void test_outrun_by_copies(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route his = world_stranger(1);
	uint8_t cookie[PROTO_MAC_LEN];
	unsigned int ms = 0;
	size_t seen = 0;

	w->paths = 1;
	w->client[0].link[0].delay_us = 50000;
	w->recording = RECORD_SENT;
	world_start(w);
	for (; !world_session(w, 0) && ms < 5000; ms++) {
		world_run(w, 1);
		for (; seen < w->record.n; seen++) {
			struct packet_hello h;

			if (w->record.list[seen].data[0] != PACKET_HELLO)
				continue;
			memcpy(&h, w->record.list[seen].data, sizeof(h));
			cookie_of(w, &his, cookie);
			cookie_sign_hello(w->engine[0].e->cookie_keys, &h, cookie);
			world_inject_up(w, &his, &h, sizeof(h));
		}
	}
	world_assert(w, world_until(w, world_all_attached, 200));
	assert_in_range(ms, 0, 600);
	w->recording = RECORD_NOTHING;
	world_free(w);
}

/* The network brings everything twice: one session, one WELCOME, no COOKIE. */
static void test_twice(void **state)
{
	for (unsigned int worker = 0; worker < 2; worker++) {
		struct world *w = world_new(2, 1);

		w->hello_worker = worker;
		w->paths = 1;
		w->client[0].link[0].twice_ppm = 1000000;
		world_start(w);
		world_assert(w, world_until(w, world_all_attached, 100));
		assert_int_equal(world_served(w, COUNT_WELCOME_SENT), 1);
		assert_int_equal(world_served(w, COUNT_COOKIE_SENT), 0);
		assert_int_equal(world_served(w, COUNT_HELLO_REPEATED), 1);
		world_free(w);
	}
}

/* --- a peer that means no good --- */

/* It has a key, and addresses without number: two HELLOs each ms for 16 s, each as good as any. */
static void test_peer_limit(void **state)
{
	struct world *w = world_new(1, 1);
	unsigned int records;

	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		w->client[0].link[n].cut_up = true;
	world_start(w);
	for (unsigned int ms = 0; ms < 16000; ms++) {
		for (unsigned int i = 0; i < 2; i++) {
			const struct route from = world_stranger(2 * ms + i);
			struct packet_hello h;

			hello_make(w, &h, &from);
			world_inject_up(w, &from, &h, sizeof(h));
		}
		world_run(w, 1);
	}
	assert_in_range(world_count(w, 0, COUNT_WELCOME_SENT), 20, 10 + 4 * 16 + 1);
	assert_true(world_count(w, 0, COUNT_HELLO_PEER_LIMITED) > 1000);
	records = world_audits(w, false, AUDIT_HANDSHAKES_UNFINISHED, REASON_NONE, 0);
	assert_in_range(records, 1, 17);
	world_run(w, 10000);
	/* All of them are told of, summed up, and of nothing else. */
	records = 0;
	for (size_t i = 0; i < w->audits; i++) {
		const struct audit_record *r = &w->audit[i].r;

		if (w->audit[i].engine >= WORLD_WORKERS)
			continue;
		assert_int_equal(r->event, AUDIT_HANDSHAKES_UNFINISHED);
		assert_string_equal(r->peer, "client0");
		assert_false(r->has_session);
		records += (unsigned int)r->count;
	}
	assert_int_equal(records, world_count(w, 0, COUNT_WELCOME_SENT));
	world_free(w);
}

/* Beyond its rate a peer does not cost the second Diffie-Hellman. */
static void test_peer_limit_first(void **state)
{
	const struct route from = world_stranger(1);
	struct packet_hello h;
	struct world *w = of_limited(&h);
	const uint64_t before = world_count(w, 0, COUNT_HELLO_PEER_LIMITED);

	h.payload[5] ^= 1; /* would be seen by it */
	assert_int_equal(answer(w, &h, &from), 'c');
	assert_int_equal(world_count(w, 0, COUNT_HELLO_PEER_LIMITED), before + 1);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_BAD_CRYPTO), 0);
	world_free(w);
}

/* Nobody without the key uses up what the peer may have. */
static void test_peer_limit_is_its_own(void **state)
{
	struct packet_hello h;
	struct world *w = of_never_heard(&h);

	world_run(w, 10000);
	for (unsigned int i = 0; i < 100; i++) {
		h.payload[i] ^= 1;
		answer(w, &h, &(struct route){ .remote = world_stranger(i).remote });
	}
	assert_true(bucket_has(&w->engine[0].e->callers[0]->births, &(struct rate){ .burst = 10 }, w->now));
	assert_int_equal(w->engine[0].e->callers[0]->births.tokens, 10000);
	world_free(w);
}

/* --- addresses without number --- */

static struct route of_v6(uint32_t net, uint32_t n)
{
	struct route r = { .local = world_server_ip(), .remote.port = 5000 };

	r.remote.ip = (struct ip){ { 0x20, 1, 0xd, 0xb8 } };
	r.remote.ip.b[4] = (uint8_t)(net >> 8);
	r.remote.ip.b[5] = (uint8_t)net;
	r.remote.ip.b[6] = (uint8_t)(n >> 8);
	r.remote.ip.b[7] = (uint8_t)n;
	return r;
}

/* Of somebody who is where he says, knows the server's public key, and has a /48 or some. */
static void from_network(struct world *w, uint32_t net, uint32_t n)
{
	struct packet_hello h = { .type = PACKET_HELLO, .suite = SUITE_AES_256_GCM };
	const struct route from = of_v6(net, n);
	uint8_t cookie[PROTO_MAC_LEN];

	prng_fill(&w->rng, h.e, sizeof(h.e) + sizeof(h.s));
	cookie_of(w, &from, cookie);
	cookie_sign_hello(w->engine[0].e->cookie_keys, &h, cookie);
	world_inject_up(w, &from, &h, sizeof(h));
}

/* How long a login takes in it, where a key agreement takes 2 ms of the one thread there is. */
static unsigned int login_in_flood(unsigned int nets)
{
	struct world *w = world_new(1, 1);
	unsigned int ms = 0, n = 0;

	w->paths = 1;
	w->job_us = 2000;
	w->one_thread = true;
	silence(w);
	world_start(w);
	for (; !world_session(w, 0) && ms < 30000; ms++) {
		for (unsigned int i = 0; i < 5; i++, n++)
			from_network(w, n % nets, n / nets);
		if (ms == 3000)
			w->client[0].link[0].cut_up = false;
		world_run(w, 1);
	}
	assert_true(w->engine[0].e->turns->n <= TURNS_MAX);
	world_free(w);
	return ms - 3000;
}

static void test_login_in_flood(void **state)
{
	/* Its HELLO comes up to 5 s later: that is the client's waiting, which goes by itself. */
	assert_in_range(login_in_flood(1), 0, 1000);
	assert_in_range(login_in_flood(16), 0, 1000);
}

static void test_network_rate(void **state)
{
	struct world *w = world_new(1, 1);

	w->clients = 0;
	world_start(w);
	w->clients = 1;
	for (unsigned int ms = 0; ms < 10000; ms++) {
		from_network(w, 1, ms * 7);
		world_run(w, 1);
	}
	/* A /48: 320 at once and 160 a second. */
	assert_in_range(world_count(w, 0, COUNT_HELLO_BAD_CRYPTO), 1900, 1930);
	world_free(w);
}

/* --- the queue and the memory by themselves --- */

static struct job *waiting(const struct route *from)
{
	struct job *j = calloc(1, sizeof(*j));

	assert_non_null(j);
	j->from = *from;
	return j;
}

static void test_turns(void **state)
{
	static struct turns t;
	const struct hash_key key = { { 4 } };
	const struct route other = of_v6(7, 0);
	unsigned int served = 0;
	struct job *j;

	turns_init(&t, &key);
	assert_null(turns_next(&t));
	for (unsigned int i = 0; i < TURNS_MAX; i++)
		assert_null(turns_add(&t, waiting(&(struct route){ .remote = of_v6(1, i).remote })));
	/* Of the network that has filled it nobody gets in; of another, and the last of the many gives way. */
	j = waiting(&(struct route){ .remote = of_v6(1, TURNS_MAX + 5).remote });
	assert_ptr_equal(turns_add(&t, j), j);
	job_free(j);
	j = turns_add(&t, waiting(&other));
	assert_non_null(j);
	assert_int_equal(j->from.remote.ip.b[5], 1);
	job_free(j);
	assert_int_equal(t.n, TURNS_MAX);
	/* And is served next but one. */
	while ((j = turns_next(&t))) {
		if (j->from.remote.ip.b[5] == 7)
			assert_in_range(served, 0, 1);
		served++;
		job_free(j);
	}
	assert_int_equal(served, TURNS_MAX);
}

/* Who asks again gives up what he asked before, and keeps his place; who only bears his address does not put him out. */
static void test_turns_of_one_port(void **state)
{
	static struct turns t;
	const struct hash_key key = { { 4 } };
	const struct route first = of_v6(1, 1), second = of_v6(1, 2);
	struct job *a = waiting(&first), *b = waiting(&second), *again = waiting(&first), *other = waiting(&first);

	turns_init(&t, &key);
	a->address_proven = b->address_proven = again->address_proven = true;
	assert_null(turns_add(&t, a));
	assert_null(turns_add(&t, b));
	assert_ptr_equal(turns_add(&t, again), a);
	assert_ptr_equal(turns_add(&t, other), other);
	assert_int_equal(t.n, 2);
	assert_ptr_equal(turns_next(&t), again);
	assert_ptr_equal(turns_next(&t), b);
	assert_null(turns_next(&t));
	job_free(a);
	job_free(b);
	job_free(again);
	job_free(other);
}

/* Whoever has waited for longer than a client does is not begun with. */
static void test_waited_too_long(void **state)
{
	struct world *w = world_new(1, 1);

	w->clients = 0;
	w->job_us = 150000;
	world_start(w);
	w->clients = 1;
	for (unsigned int i = 0; i < 20; i++)
		from_network(w, i, 1);
	assert_int_equal(w->engine[0].e->turns->n, 4);
	world_run(w, 1000);
	assert_int_equal(w->engine[0].e->turns->n, 0);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_BAD_CRYPTO), 16);
	assert_int_equal(world_count(w, 0, COUNT_HELLO_BUSY), 4);
	world_free(w);
}

/* Under load, and only then, a client that has its WELCOME under way gets no other one by the same network. */
static void test_served_under_load(void **state)
{
	struct world *w = world_new(1, 1);
	struct route from = world_stranger(1);
	struct packet_hello h;

	silence(w);
	world_start(w);
	for (unsigned int i = 0; i < 4; i++) {
		if (i == 2)
			world_run(w, 300); /* tokens */
		from.remote.port++;
		from.remote.ip.b[15] += i == 3; /* by another one */
		hello_make(w, &h, &from);
		w->engine[0].e->hello_second = (uint32_t)(w->now.us / 1000000);
		w->engine[0].e->hello_count = i >= 1 ? 1000 : 0;
		world_inject_up(w, &from, &h, sizeof(h));
		world_run(w, 2);
		assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), i == 3 ? 2 : 1);
	}
	assert_int_equal(world_count(w, 0, COUNT_HELLO_BUSY), 2);
	world_run(w, 1000);
	hello_make(w, &h, &from);
	world_inject_up(w, &from, &h, sizeof(h));
	world_run(w, 2);
	assert_int_equal(world_count(w, 0, COUNT_WELCOME_SENT), 3);
	world_free(w);
}

static void test_seen(void **state)
{
	static struct seen s;
	const struct hash_key key = { { 4 } };
	struct jv_time t = { INT64_C(5000000000) };
	uint32_t n;
	uint64_t print;

	seen_init(&s, &key);
	n = 1;
	print = seen_print(&s, &n, sizeof(n));
	assert_false(seen_has(&s, print, t));
	seen_add(&s, print, t);
	assert_true(seen_has(&s, print, t));
	assert_true(seen_has(&s, print, time_add_ms(t, PROTO_COOKIE_SECRET_MS)));
	assert_false(seen_has(&s, print, time_add_ms(t, COOKIE_LIFE_MS + PROTO_COOKIE_SECRET_MS)));
	/* As much as is let in of one peer in that time, and more. */
	t = time_add_ms(t, 3 * COOKIE_LIFE_MS);
	for (n = 0; n < 1000; n++)
		seen_add(&s, seen_print(&s, &n, sizeof(n)), t);
	for (n = 0; n < 1000; n++)
		assert_int_equal(seen_has(&s, seen_print(&s, &n, sizeof(n)), t), true);
	for (; n < 20000; n++)
		assert_false(seen_has(&s, seen_print(&s, &n, sizeof(n)), t));
}

/* It attaches one session after the other, as fast as it gets them: each is told, so they are not many. */
static void test_logins_are_limited(void **state)
{
	struct world *w = world_new(1, 1);
	unsigned int sessions;
	size_t records = 0;

	(void)state;
	world_attach(w);
	for (unsigned int ms = 0; ms < 60000; ms += 50) {
		if (world_session(w, 0) && world_session(w, 0)->state == STATE_ATTACHED) {
			world_client_engine(w, 0)->client->young = 0;
			connect_start(world_client_engine(w, 0), w->now);
		}
		world_run(w, 50);
	}
	sessions = world_audits(w, false, AUDIT_SESSION_CREATED, REASON_NONE, 0);
	assert_in_range(sessions, 30, 20 + 60 / 3 + 2);
	for (size_t i = 0; i < w->audits; i++)
		records += !w->audit[i].r.client;
	assert_in_range(records, 5 * 30 - 5, 5 * sessions);
	assert_true(world_count(w, 0, COUNT_HELLO_PEER_LIMITED) > 0);
	/* And it goes on carrying by the one it has, and may have another later. */
	world_assert(w, world_until(w, world_all_attached, 1000));
	connect_stop(world_client_engine(w, 0));
	world_run(w, 60000);
	connect_start(world_client_engine(w, 0), w->now);
	world_run(w, 1000);
	world_assert(w, world_all_attached(w));
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_CREATED, REASON_NONE, 0), sessions + 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_answer),
		cmocka_unit_test(test_next_login),
		cmocka_unit_test(test_remembered_where_it_came),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_long_ago),
		cmocka_unit_test(test_outrun_by_copies),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_peer_limit),
		cmocka_unit_test(test_peer_limit_first),
		cmocka_unit_test(test_peer_limit_is_its_own),
		cmocka_unit_test(test_login_in_flood),
		cmocka_unit_test(test_network_rate),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_turns_of_one_port),
		cmocka_unit_test(test_waited_too_long),
		cmocka_unit_test(test_served_under_load),
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_logins_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
