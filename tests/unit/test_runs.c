/*
 * Runs: what the engine does with many packets in one input is what it does with each by itself. Two worlds that are alike
 * get the same packets, one singly and one in runs, and must look the same afterwards.
 */
#include "session/client_state.h"
#include "session/engine.h"
#include "session/keys.h"
#include "session/receive.h"
#include "world.h"

#include "base/ip.h"
#include "base/wire.h"
#include "proto/packet.h"

#define SEEDS 60
#define ROW 120
#define INNER 120 /* bytes of an inner packet */
#define LEN (INNER + PROTO_OVERHEAD)
#define CLIENT WORLD_WORKERS

static struct world *attached(void)
{
	struct world *w = world_new(1, 2);

	world_attach(w);
	for (unsigned int i = 0; i < 2; i++)
		assert_true(engine_rekey(world_client_engine(w, i), world_session(w, i)->id, w->now));
	world_run(w, 200); /* two epochs are live */
	w->recording = RECORD_SENT;
	return w;
}

/* --- datagrams --- */

static void control(struct world *w, struct session *s, uint8_t *packet, bool close)
{
	struct a_frame f = world_a_ping(s, ++s->next_ping_id, s->active->number, w->now);
	struct writer out = writer_init(packet + PROTO_HEADER_LEN, INNER);

	if (close)
		f = (struct a_frame){ .type = FRAME_CLOSE, .close.reason = REASON_PEER_CLOSED };
	memset(packet, FRAME_PAD, LEN);
	frame_write(&out, LIES(&f));
	world_seal(s, keys_tx(&s->keys), packet, INNER, SEALED_CONTROL, session_locator(s->active));
}

/* One datagram of any kind that may come in a row, from whoever it says. */
static void draw(struct world *w, struct prng *rng, uint8_t row[][LEN], size_t i)
{
	static const char *const address[] = { "10.8.0.2", "10.8.0.3" };
	const unsigned int who = (unsigned int)prng_below(rng, 8) == 0,
			   kind = (unsigned int)prng_below(rng, 40);
	struct session *s = world_session(w, who);
	struct epoch *ep = keys_tx(&s->keys), *old = s->keys.epoch[(s->keys.tx_epoch + 1) & 1];
	uint8_t *packet = row[i], locator[8];

	memcpy(locator, session_locator(s->active), sizeof(locator));
	if (kind == 0) {
		control(w, s, packet, false);
		return;
	}
	if (kind == 1 && prng_below(rng, 4) == 0) {
		control(w, s, packet, true);
		return;
	}
	if (kind == 2 && i > 0) {
		memcpy(packet, row[prng_below(rng, i)], LEN);
		return;
	}
	world_packet(packet + PROTO_HEADER_LEN, INNER, address[kind == 3 ? 1 - who : who], "10.8.0.1");
	if (kind == 4)
		packet[PROTO_HEADER_LEN] = 0x75;
	if (kind == 5)
		locator[7] ^= 1;
	world_seal(s, kind == 6 ? old : ep, packet, INNER, SEALED_DATA, locator);
	if (kind == 7)
		packet[prng_below(rng, LEN)] ^= 1;
	if (kind == 8)
		packet[0] = 0x77;
}

static void test_datagrams(void **state)
{
	static uint8_t row[2][ROW][LEN];
	uint64_t served[COUNTER_COUNT] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world *w[2] = { attached(), attached() };
		struct prng cut = { seed };
		const struct route from = session_route(world_peer(w[0], 0)->active);

		for (int k = 0; k < 2; k++) {
			struct prng rng = { seed };

			for (size_t i = 0; i < ROW; i++)
				draw(w[k], &rng, row[k], i);
		}
		assert_memory_equal(row[0], row[1], sizeof(row[0]));
		for (size_t i = 0; i < ROW; i++)
			engine_datagram(w[0]->engine[0].e, &from, 0, row[0][i], LEN, w[0]->now);
		for (size_t i = 0, n; i < ROW; i += n) {
			const uint8_t *ahead[ENGINE_AHEAD];
			size_t k = 0;

			n = 1 + prng_below(&cut, ROW - i);
			for (; k < n && k < ENGINE_AHEAD; k++)
				ahead[k] = row[1][i + k];
			receive_ahead(w[1]->engine[0].e, ahead, k); /* changes nothing */
			engine_datagrams(w[1]->engine[0].e, &from, 0, row[1][i], n * LEN, LEN, w[1]->now);
		}
		world_alike(w[0], w[1]);
		for (unsigned int c = 0; c < COUNTER_COUNT; c++)
			served[c] += world_count(w[0], 0, c);
		world_free(w[0]);
		world_free(w[1]);
	}
	/* Whatever may befall them has befallen some. */
	assert_true(served[COUNT_RX_PACKETS] > SEEDS * ROW / 4);
	assert_true(served[COUNT_DROP_UNKNOWN_LOCATOR] > 0 && served[COUNT_DROP_REPLAY] > 0);
	assert_true(served[COUNT_DROP_BAD_TAG] > 0 && served[COUNT_DROP_BAD_SOURCE] > 0);
	assert_true(served[COUNT_DROP_BAD_INNER] > 0 && served[COUNT_DROP_MALFORMED] > 0);
	assert_true(served[COUNT_RX_CONTROL] > 0);
}

/* The last of a run may be shorter, down to nothing of ours. */
static void test_short_tail(void **state)
{
	struct world *w = attached();
	const struct route from = session_route(world_peer(w, 0)->active);
	uint8_t row[1][LEN], *run = malloc(LEN + 5); /* nobody looks behind it */
	struct prng rng = { 1 };
	const struct keys *keys = &world_peer(w, 0)->keys;
	const uint64_t before = world_count(w, 0, COUNT_RX_PACKETS),
		       bad = world_count(w, 0, COUNT_DROP_MALFORMED);

	(void)state;
	assert_non_null(run);
	do {
		draw(w, &rng, row, 0);
	} while (packet_unmask(row[0], keycache_mask(w->engine[0].e->cache, keys->mask_cache + 1, keys->suite,
						     keys->rx_mask))
			 .kind != SEALED_DATA);
	memcpy(run, row[0], LEN);
	memset(run + LEN, PACKET_SEALED, 5);
	engine_datagrams(w->engine[0].e, &from, 0, run, LEN + 5, LEN, w->now);
	assert_int_equal(world_count(w, 0, COUNT_RX_PACKETS), before + 1);
	assert_int_equal(world_count(w, 0, COUNT_DROP_MALFORMED), bad + 1);
	free(run);
	world_free(w);
}

/* A RESET in the middle ends the session: what comes behind it in the run finds none, as it would by itself. */
static void test_reset_in_the_middle(void **state)
{
	struct world *w = attached();
	struct session *ours = world_session(w, 0), *theirs = world_peer(w, 0);
	struct engine *e = ours->engine;
	const struct path *p = ours->active;
	const struct route from = { .socket = session_near(p)->socket, .remote = session_remote(p) };
	struct packet_reset reset = { .type = PACKET_RESET };
	uint8_t run[3][sizeof(reset)];

	(void)state;
	for (int i = 0; i < 3; i += 2) /* DATA with nothing in it */
		assert_int_equal(
			world_seal(theirs, keys_tx(&theirs->keys), run[i], 0, SEALED_DATA, session_locator(p)),
			sizeof(run[i]));
	memcpy(reset.locator, session_locator(p), sizeof(reset.locator));
	memcpy(reset.token, session_token(p->session, p->slot), sizeof(reset.token));
	memcpy(run[1], &reset, sizeof(reset));
	engine_datagrams(e, &from, 0, run[0], sizeof(run), sizeof(run[0]), w->now);
	assert_int_equal(world_count(w, CLIENT, COUNT_DROP_BAD_INNER), 1);
	assert_int_equal(world_count(w, CLIENT, COUNT_DROP_UNKNOWN_LOCATOR), 1);
	assert_null(e->client->session);
	world_free(w);
}

/* --- inner packets --- */

struct row {
	struct inner_run run;
	uint8_t packet[ROW][2048];
	size_t len, last, n, next;
};

static uint8_t *next_packet(struct inner_run *r, size_t *len)
{
	struct row *row = container_of(r, struct row, run);

	if (row->next == row->n)
		return NULL;
	*len = row->next + 1 == row->n ? row->last : row->len;
	return row->packet[row->next++];
}

static void fill(struct row *row, struct prng *rng)
{
	static const char *const to[] = { "10.8.0.2", "10.8.0.3", "10.8.0.77", "192.0.2.99" };
	const size_t far = prng_below(rng, 10), size = prng_below(rng, 8);

	row->run.next = next_packet;
	row->next = 0;
	row->n = 1 + prng_below(rng, ROW);
	row->len = size == 0 ? 1500 : size == 1 ? 1420 : 60 + prng_below(rng, 1300);
	row->last = 28 + prng_below(rng, row->len - 27);
	for (size_t i = 0; i < row->n; i++) {
		uint8_t *p = row->packet[i];

		world_packet(p, i + 1 == row->n ? row->last : row->len, "10.8.0.1",
			     to[far < 4 ? far : far % 2]);
		if (size > 4)
			p[6] = 0x40;
	}
}

static void test_inner(void **state)
{
	static struct row row[2];
	uint64_t sent = 0, refused = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world *w[2] = { attached(), attached() };
		uint8_t *packet;
		size_t len;

		for (int rows = 0; rows < 4; rows++) {
			for (int k = 0; k < 2; k++) {
				struct prng rng = { seed * 16 + (uint64_t)rows };

				fill(&row[k], &rng);
			}
			while ((packet = next_packet(&row[0].run, &len)))
				engine_inner(w[0]->engine[0].e, packet, len, w[0]->now);
			engine_inner_run(w[1]->engine[0].e, &row[1].run, w[1]->now);
		}
		world_alike(w[0], w[1]);
		sent += world_count(w[0], 0, COUNT_TX_PACKETS);
		refused +=
			world_count(w[0], 0, COUNT_DROP_TOO_BIG) + world_count(w[0], 0, COUNT_DROP_NO_OWNER);
		world_free(w[0]);
		world_free(w[1]);
	}
	assert_true(sent > SEEDS * ROW && refused > 0);
}

/* A ring that is smaller than what is sent in one input: whatever stands in it has left before it is overwritten. */
static void test_small_ring(void **state)
{
	static struct row row;
	struct policy p = policy_defaults;
	struct world *w = world_new(1, 2);
	const uint64_t before = w->record.n;

	(void)state;
	p.rescue_bytes = 16384;
	world_policy(w, &p);
	world_attach(w);
	w->recording = RECORD_SENT;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct prng rng = { seed };

		fill(&row, &rng);
		engine_inner_run(w->engine[0].e, &row.run, w->now);
	}
	assert_true(w->record.n - before > SEEDS);
	assert_non_null(world_peer(w, 0)->rescue);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_datagrams),           cmocka_unit_test(test_short_tail),
		cmocka_unit_test(test_reset_in_the_middle), cmocka_unit_test(test_inner),
		cmocka_unit_test(test_small_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
