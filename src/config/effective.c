/* A configuration written out along the schema: every value in force, the defaults too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"

struct out {
	FILE *to;      /* NULL: only measure */
	char path[64]; /* of the struct being written, with its dot */
	int width;     /* of the longest path */
	const struct config *config;
};

/* With `other`, only what differs from it. */
static void write_table(struct out *o, const struct key_table *t, const void *base, const void *other)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct key *k = &t->keys[i];
		char path[128];
		int len;

		if (value_type(k)->table || !(k->roles & 1u << o->config->role))
			continue;
		if (other && !memcmp((const char *)base + k->at, (const char *)other + k->at, k->size))
			continue;
		len = snprintf(path, sizeof(path), "%s%s", o->path, k->path);
		if (!o->to) {
			o->width = len > o->width ? len : o->width;
			continue;
		}
		fprintf(o->to, "%-*s  ", o->width, path);
		value_write(o->to, k, base);
		fputc('\n', o->to);
	}
}

static void write_all(struct out *o)
{
	const struct config *c = o->config;

	o->path[0] = '\0';
	write_table(o, &config_table, c, NULL);
	snprintf(o->path, sizeof(o->path), "policy.");
	if (c->role == ROLE_SERVER)
		write_table(o, &policy_table, &c->policy, NULL);
	for (size_t i = 0; i < c->ntransports; i++) {
		snprintf(o->path, sizeof(o->path), "transports[%zu].", i);
		write_table(o, &transport_table, &c->transports[i], NULL);
	}
	for (size_t i = 0; i < c->npeers; i++) {
		snprintf(o->path, sizeof(o->path), "peers[%zu].", i);
		write_table(o, &peer_table, &c->peers[i], NULL);
		snprintf(o->path, sizeof(o->path), "peers[%zu].policy.", i);
		write_table(o, &policy_table, &c->peers[i].policy, &c->policy);
	}
}

char *config_effective(const struct config *c)
{
	struct out o = { .config = c };
	char *text = NULL;
	size_t len;

	write_all(&o);
	o.to = open_memstream(&text, &len);
	if (!o.to)
		return NULL;
	write_all(&o);
	if (fclose(o.to)) {
		free(text);
		return NULL;
	}
	return text;
}
