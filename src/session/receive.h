/* Sealed datagrams from the network, judged one after the other. */
#pragma once

#include "session/session.h"

/* Datagrams that come in a row. What was found for one holds for the next, if that has the same locator and nothing
 * but DATA has come since. */
struct reception {
	const struct route *from;
	uint8_t ecn; /* of the outer headers */
	struct jv_time now;
	struct slot *slot; /* of the last one; NULL: look it up, and all that follows */
	struct session *session;
	struct path *path; /* NULL: nothing authentic has come by it yet */
	struct mask_key *mask;
	const uint8_t *next; /* the datagram behind this one, if there is one that may be sealed, or NULL */
	bool ahead;          /* of this one the header was unmasked before, as one of the same path: */
	struct packet_id id;
	bool takes_data, home; /* home: it came from where the path leads */
	struct epoch *epoch;   /* NULL: look it up */
	struct aead_key *key;
	bool owned; /* `src` belongs to the peer, and to a client `dst` */
	struct ip src, dst;
};

/*
 * Datagrams that come next, ENGINE_AHEAD at most, each at least as long as a header: what receive_sealed() will read of their
 * sessions is prefetched. Where there are many sessions a datagram finds none of it in the caches, and would wait for memory
 * four times, each time for an address that the time before has brought: the table, the session, its path and its keys. The
 * datagrams of a batch wait together.
 */
void receive_ahead(const struct engine *e, const uint8_t *const datagram[], size_t n);
/* One sealed datagram: opened, counted, and handed on or dropped. */
void receive_sealed(struct engine *e, struct reception *r, uint8_t *datagram, size_t len);
