/*
 * What the kernel hands over in one piece: a run of datagrams, segments of a super-packet. Two worlds that are alike get
 * the same, one singly and one in runs, and must be alike afterwards.
 */
#include "fuzz.h"
#include "session/engine.h"
#include "session/keys.h"
#include "unit/world.h"

#include "base/ip.h"
#include "proto/cookie.h"
#include "proto/packet.h"
#include "session/engine_state.h"

#define ROW 24
#define INNER 100 /* bytes of an inner packet in a datagram */
#define LEN (INNER + PROTO_OVERHEAD)
#define LEAST 140 /* of an inner packet in a run: its headers are whole */

struct row {
	struct inner_run run;
	uint8_t packet[ROW][PROTO_MTU_MAX];
	size_t len[ROW], n, next;
};

static uint8_t rows[2][ROW][LEN];
static struct row inner[2];

static struct world *attached(void)
{
	struct world *w = world_new(1, 2);

	w->paths = 2;
	world_start(w);
	HOLDS(world_until(w, world_all_attached, 10000));
	world_run(w, 20);
	for (unsigned int i = 0; i < 2; i++)
		HOLDS(engine_rekey(world_client_engine(w, i), world_session(w, i)->id, w->now));
	world_run(w, 100); /* two epochs are live */
	w->recording = RECORD_SENT;
	return w;
}

/* A datagram for the other end of `s`, by a byte that says what it is and what stands in it. */
static size_t draw(struct input *in, struct session *s, uint8_t row[][LEN], size_t i)
{
	static const char *const to[] = { "10.8.0.2", "10.8.0.1", "10.8.0.3" };
	const uint8_t kind = input_byte(in);
	struct keys *k = &s->keys;
	struct epoch *ep = kind & 0x80 ? k->epoch[(k->tx_epoch + 1) & 1] : keys_tx(k);
	const bool client = s->engine->client;
	uint8_t *p = row[i], locator[8];
	const uint8_t *data = NULL;
	size_t len = INNER;

	memcpy(locator, s->slot[(kind & 0x40) && session_issued(s, 1) ? 1 : s->active->slot].locator, 8);
	memset(p, 0, LEN);
	switch (kind % 8) {
	case 0: /* frames, or what should be some */
		len = input_bytes(in, false, &data);
		memset(p + PROTO_HEADER_LEN, FRAME_PAD, INNER);
		memcpy(p + PROTO_HEADER_LEN, data, len < INNER ? len : INNER);
		return world_seal(s, ep, p, INNER, SEALED_CONTROL, locator);
	case 1: /* again, or another's */
		if (i > 0)
			memcpy(p, row[input_byte(in) % i], LEN);
		break;
	case 2: /* anything */
		len = input_bytes(in, false, &data);
		memcpy(p, data, len < LEN ? len : LEN);
		break;
	case 3: { /* the session is unknown here: of a client alone, and only with the right token it believes it */
		struct packet_reset reset = { .type = PACKET_RESET };

		memcpy(reset.locator, session_locator(s->active), sizeof(reset.locator));
		if (s->engine->client)
			memcpy(reset.token, session_token(s, s->active->slot), sizeof(reset.token));
		else
			reset_token(reset.token, s->engine->reset_key, reset.locator);
		reset.token[0] ^= input_byte(in);
		memcpy(p, &reset, sizeof(reset));
		break;
	}
	default:
		world_packet(p + PROTO_HEADER_LEN, INNER, to[client ? (kind & 0x20) >> 4 : 1],
			     to[client ? 1 : (kind & 0x20) >> 4]);
		if (kind & 0x10)
			p[PROTO_HEADER_LEN + input_byte(in) % INNER] ^= input_byte(in);
		world_seal(s, ep, p, INNER, SEALED_DATA, locator);
		if (kind & 0x08)
			p[input_byte(in) % LEN] ^= input_byte(in);
	}
	return LEN;
}

static void datagrams(struct world *w[2], struct input *in, bool up)
{
	const struct session *s = up ? world_peer(w[0], 0) : world_session(w[0], 0);
	const unsigned int at = up ? 0 : WORLD_WORKERS, cut = input_byte(in);
	const size_t tail = 1 + input_byte(in) % LEN;
	struct input same = *in;
	struct route from;
	uint8_t *run;
	size_t n = 0;

	if (!s || !s->active)
		return;
	from = session_route(s->active);
	for (; n < ROW && in->left > 0; n++) {
		draw(in, up ? world_session(w[0], 0) : world_peer(w[0], 0), rows[0], n);
		draw(&same, up ? world_session(w[1], 0) : world_peer(w[1], 0), rows[1], n);
	}
	HOLDS(memcmp(rows[0], rows[1], n * LEN) == 0);
	for (size_t i = 0; i < n; i++)
		engine_datagram(w[0]->engine[at].e, &from, 0, rows[0][i], i + 1 < n ? LEN : tail, w[0]->now);
	for (size_t i = 0, part; i < n; i += part) {
		const bool last = i + (part = 1 + cut % ROW) >= n;
		const size_t len = last ? (n - i - 1) * LEN + tail : part * LEN;

		HOLDS((run = malloc(len))); /* nobody looks behind it */
		memcpy(run, rows[1][i], len);
		engine_datagrams(w[1]->engine[at].e, &from, 0, run, len, LEN, w[1]->now);
		free(run);
	}
}

static uint8_t *next_packet(struct inner_run *r, size_t *len)
{
	struct row *row = container_of(r, struct row, run);

	if (row->next == row->n)
		return NULL;
	*len = row->len[row->next];
	return row->packet[row->next++];
}

/* Of one head, each as long as the first, the last perhaps shorter. */
static void fill(struct row *row, struct input in)
{
	static const char *const to[] = { "10.8.0.2", "10.8.0.3", "10.8.0.77", "192.0.2.99" };
	const uint8_t what = input_byte(&in);
	const uint8_t *head;
	size_t len, taken;

	row->n = 1 + what % ROW;
	row->next = 0;
	row->run.next = next_packet;
	len = LEAST + (size_t)input_byte(&in) * 6;
	taken = input_bytes(&in, false, &head);
	for (size_t i = 0; i < row->n; i++) {
		uint8_t *p = row->packet[i];

		row->len[i] = i + 1 == row->n ? LEAST + (len - LEAST) / (1 + what / 64u) : len;
		world_packet(p, row->len[i], "10.8.0.1", to[what >> 5 & 3]);
		memcpy(p, head, taken < 80 ? taken : 80);
		if (p[0] >> 4 == 6) {
			p[4] = (uint8_t)((row->len[i] - 40) >> 8);
			p[5] = (uint8_t)(row->len[i] - 40);
		} else {
			p[2] = (uint8_t)(row->len[i] >> 8);
			p[3] = (uint8_t)row->len[i];
		}
	}
}

static void segments(struct world *w[2], struct input *in, bool up)
{
	const unsigned int at = up ? WORLD_WORKERS : 0;
	uint8_t *packet;
	size_t len;

	fill(&inner[0], *in);
	fill(&inner[1], *in);
	while ((packet = next_packet(&inner[0].run, &len)))
		engine_inner(w[0]->engine[at].e, packet, len, w[0]->now);
	engine_inner_run(w[1]->engine[at].e, &inner[1].run, w[1]->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w[2] = { attached(), attached() };
	struct input in = { data, size };
	const uint8_t what = input_byte(&in);

	for (int k = 0; what & 4 && k < 2; k++) /* a run after something was lost is no other one */
		world_run(w[k], 1 + (what >> 3));
	if (what & 2)
		segments(w, &in, what & 1);
	else
		datagrams(w, &in, what & 1);
	world_alike(w[0], w[1]);
	for (int k = 0; k < 2; k++)
		world_run(w[k], 100);
	world_alike(w[0], w[1]);
	for (int k = 0; k < 2; k++)
		world_free(w[k]);
	return 0;
}
