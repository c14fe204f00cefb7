/* The sink of JSON lines. */
#pragma once

#include <sys/types.h>

#include "audit/chain.h"
#include "audit/sink.h"

extern const struct sink_type jsonl_sink;
struct jsonl_file;

/* Which file was opened last: one that is opened again is no other writer's. Begins as zero. */
struct jsonl_held {
	dev_t dev;
	ino_t ino;
};

/* NULL and errno: ELOOP for a link, EWOULDBLOCK where another process writes. A NULL path makes a file that takes nothing. */
struct jsonl_file *jsonl_open(const char *path, struct jsonl_held *held);
void jsonl_close(struct jsonl_file *f);
/* The state of a jsonl_sink; takes `f` unless it answers NULL. Without a digest the lines have no chain. */
void *jsonl_new(struct jsonl_file *f, chain_digest *digest, const uint8_t run[AUDIT_RUN_LEN]);
/* Control loop: the sink goes on in `f` at its next record and closes the file it had. */
void jsonl_replace(void *state, struct jsonl_file *f);
