/* The audit records of a world, held to the contract, and to what the engines say. */
#include "world.h"

#include "report/verify.h"
#include "proto/packet.h"
#include "session/info.h"
#include "session/pmtu.h"
#include "session/session.h"
#include "session/size.h"

void world_explain(const struct world *w, size_t from, size_t to)
{
	for (size_t j = from; j < to && j < w->audits; j++) {
		const struct audit_record *r = &w->audit[j].r;
		const bool server = w->audit[j].engine < WORLD_WORKERS;

		print_error(
			"%s%u %10lld us  %02x%02x %-24s %-28s sv %2u bv %2u %10s -> %-10s path %d -> %d  x%llu\n",
			server ? "worker" : "client", w->audit[j].engine - (server ? 0 : WORLD_WORKERS),
			(long long)(r->at.us - START_US), r->session_id[0], r->session_id[1],
			audit_event_name(r->event), reason_name(r->reason), r->state_version,
			r->binding_version, state_name(r->from), state_name(r->to), (int8_t)r->path_from,
			(int8_t)r->path_to, (unsigned long long)r->count);
	}
}

static void found(void *ctx, const struct verify_finding *f)
{
	const struct world *w = ctx;
	const size_t i = f->line;

	world_explain(w, i < 12 ? 0 : i - 12, i + 1);
	fail_msg("record %zu breaks %s: %s", i, f->rule, f->text);
}

/* Or NULL. */
static const struct flapping *untold(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN])
{
	struct list *pos;

	list_for_each(pos, &e->sessions) {
		const struct session *s = container_of(pos, struct session, node);

		if (memcmp(s->id, id, sizeof(s->id)) == 0)
			return session_rare(s)->flapping;
	}
	fail_msg("no such session");
	return NULL;
}

/* What the records say is what the engines say; but for the state changes that wait to be told in one. */
static void check_living(struct world *w, const struct verify *v)
{
	struct session_info info[64];

	for (unsigned int e = 0; e < WORLD_ENGINES; e++) {
		size_t living = w->engine[e].e ? world_view(w, e, info, 64) : 0;

		for (size_t i = 0; i < living; i++) {
			const struct flapping *f;
			struct verify_session t;
			unsigned int active = 0;

			/* A server's session is told of when it attaches. */
			if (info[i].doing == DOING_CONNECTING ||
			    (e < WORLD_WORKERS && info[i].state == STATE_BIRTH))
				continue;
			assert_true(verify_session(v, e, info[i].id, &t));
			f = untold(w->engine[e].e, info[i].id);
			assert_int_equal(t.state, f ? f->from : info[i].state);
			assert_int_equal(t.state_version + (f ? f->n : 0), info[i].state_version);
			assert_int_equal(t.binding_version, info[i].binding_version);
			assert_int_equal(t.active, info[i].active);
			for (size_t p = 0; p < info[i].npaths; p++)
				active += info[i].path[p].use == PATH_ACTIVE;
			assert_int_equal(active, info[i].state == STATE_BIRTH ? 0 : 1);
		}
	}
}

void world_check(struct world *w)
{
	struct verify *v = verify_new(found, w);

	assert_non_null(v);
	for (size_t i = 0; i < w->audits; i++)
		verify_record(v, w->audit[i].engine, i, &w->audit[i].r);
	check_living(w, v);
	verify_end(v);
	verify_free(v);
}

/* --- nonces --- */

#define SEALED_KEPT 4096 /* packets that may be sent again */

struct world_key {
	uint8_t key[PROTO_KEY_LEN];
	uint64_t next; /* counter: all below are used up */
	uint32_t body[SEALED_KEPT];
};

static uint32_t digest(const uint8_t *bytes, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 16777619u;
	return h;
}

static struct world_key *key_of(struct world *w, const uint8_t key[PROTO_KEY_LEN])
{
	for (size_t i = w->keys; i-- > 0;)
		if (memcmp(w->key[i].key, key, PROTO_KEY_LEN) == 0)
			return &w->key[i];
	if (w->keys == w->keys_cap) {
		w->keys_cap = w->keys_cap ? 2 * w->keys_cap : 4;
		w->key = world_realloc(w->key, w->keys_cap * sizeof(*w->key));
	}
	memset(&w->key[w->keys], 0, sizeof(*w->key));
	memcpy(w->key[w->keys].key, key, PROTO_KEY_LEN);
	return &w->key[w->keys++];
}

/* CONTROL has one of two lengths; WELCOME always the same. */
static void check_length(const struct path *p, bool data, size_t len, unsigned int how)
{
	const size_t carries = size_datagram(p);

	if (data || how & SEND_WHOLE || len == PROTO_CONTROL_SMALL || len == PROTO_CONTROL_MAX)
		return;
	if (len != carries || carries >= PROTO_CONTROL_MAX)
		fail_msg("CONTROL of %zu bytes, on a path that carries %zu", len, carries);
}

void world_sealed(struct world *w, unsigned int engine, const uint8_t *datagram, size_t len, unsigned int how)
{
	struct engine *e = w->engine[engine].e;
	struct packet_id id;
	struct epoch *ep;
	struct session *s;
	struct world_key *k;
	struct path *p;
	uint32_t body;

	if (datagram[0] == PACKET_WELCOME)
		assert_int_equal(len, PROTO_WELCOME_LEN);
	if (datagram[0] != PACKET_SEALED)
		return;
	p = session_find_path(e, datagram + offsetof(struct packet_header, locator));
	assert_non_null(p);
	s = p->session;
	assert_int_not_equal(s->state, STATE_TERMINATED);
	id = packet_unmask(datagram,
			   keycache_mask(e->cache, s->keys.mask_cache, s->keys.suite, s->keys.tx_mask));
	assert_int_equal(id.kind == SEALED_DATA, (how & SEND_DATA) != 0);
	check_length(p, how & SEND_DATA, len, how);
	/* Sealed with the newest epoch in use, or sent again under the one before. */
	ep = keys_tx(&s->keys);
	if (id.epoch != (s->keys.tx_epoch & PROTO_EPOCH_MASK))
		ep = s->keys.epoch[(s->keys.tx_epoch + 1) & 1];
	assert_non_null(ep);
	k = key_of(w, ep->tx_key);
	body = digest(datagram + PROTO_HEADER_LEN, len - PROTO_HEADER_LEN);
	if (id.counter < k->next) {
		uint32_t *first = &k->body[id.counter % SEALED_KEPT];

		assert_true(id.kind == SEALED_DATA && k->next - id.counter <= SEALED_KEPT);
		assert_true(*first == 0 || *first == body);
		*first = body;
		return;
	}
	for (uint64_t c = k->next; c < id.counter && c - k->next < SEALED_KEPT; c++)
		k->body[c % SEALED_KEPT] = 0; /* sealed and kept: no path took it yet */
	k->body[id.counter % SEALED_KEPT] = body;
	k->next = id.counter + 1;
	assert_true(k->next <= PROTO_PACKETS_PER_EPOCH);
}
